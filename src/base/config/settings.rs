//! The table of settings: the one definition of their names, readers, and texts.

use std::fmt::Display;
use std::str::FromStr;

use crate::base::config::sections::{Config, PackageSettings, Secret, ValidationMode};
use crate::base::limits::DEEPEST_NESTING;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Section and name, as in the file: `http.listen`.
    pub key: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Reads a value; the error says what was expected.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value, without secrets; empty when there is none.
    pub show: fn(&Config) -> String,
}

fn parsed<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("expected {expected}"))
}

fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn optional(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A number of at least 1: no bound of the server may be zero.
fn number<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let value: T = parsed(text, "a whole number of at least 1")?;
    if value < T::from(1) { Err("expected a whole number of at least 1".to_owned()) } else { Ok(value) }
}

fn nesting(text: &str) -> Result<usize, String> {
    let most = DEEPEST_NESTING;
    number(text).and_then(|value| if value > most { Err(format!("expected at most {most}")) } else { Ok(value) })
}

macro_rules! limit {
    ($field:ident, $variable:literal, $about:literal) => {
        limit!($field, $variable, $about, number)
    };
    ($field:ident, $variable:literal, $about:literal, $read:ident) => {
        Setting {
            key: concat!("limits.", stringify!($field)),
            variable: $variable,
            about: $about,
            set: |config, text| $read(text).map(|value| config.limits.$field = value),
            show: |config| config.limits.$field.to_string(),
        }
    };
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "http.listen",
        variable: "CRESSET_LISTEN",
        about: "address and port to listen on",
        set: |config, text| parsed(text, "an address such as 127.0.0.1:8080").map(|value| config.http.listen = value),
        show: |config| config.http.listen.to_string(),
    },
    Setting {
        key: "http.base",
        variable: "CRESSET_BASE",
        about: "base URL that clients see, when it is not http://LISTEN/fhir",
        set: |config, text| {
            let base = text.trim().trim_end_matches('/');
            if !base.starts_with("http://") && !base.starts_with("https://") {
                return Err("expected a URL such as https://fhir.example.org/fhir".to_owned());
            }
            config.http.base = Some(base.to_owned());
            Ok(())
        },
        show: |config| optional(config.http.base.as_ref()),
    },
    Setting {
        key: "http.advertise",
        variable: "CRESSET_ADVERTISE",
        about: "host and port where the other nodes reach this one, when it is not LISTEN",
        set: |config, text| {
            let text = text.trim();
            let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains(['/', '@', ' ']));
            if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                return Err("expected a host and port such as node1.internal:8080".to_owned());
            }
            config.http.advertise = Some(text.to_owned());
            Ok(())
        },
        show: |config| optional(config.http.advertise.as_ref()),
    },
    Setting {
        key: "http.drain_delay_seconds",
        variable: "CRESSET_DRAIN_DELAY_SECONDS",
        about: "how long requests are still taken after SIGTERM while /readyz refuses, for a load balancer to notice",
        set: |config, text| parsed(text, "a whole number").map(|value| config.http.drain_delay_seconds = value),
        show: |config| config.http.drain_delay_seconds.to_string(),
    },
    Setting {
        key: "http.drain_seconds",
        variable: "CRESSET_DRAIN_SECONDS",
        about: "how long running requests may take after SIGTERM",
        set: |config, text| number(text).map(|value| config.http.drain_seconds = value),
        show: |config| config.http.drain_seconds.to_string(),
    },
    Setting {
        key: "http.cors_origins",
        variable: "CRESSET_CORS_ORIGINS",
        about: "origins whose pages may read the answers: * or a list with commas; nothing for none",
        set: |config, text| {
            let is_origin = |origin: &str| origin == "*" || origin == "null" || origin.contains("://");
            if !text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).all(is_origin) {
                return Err("expected * or origins such as https://app.example.org".to_owned());
            }
            config.http.cors_origins = text.trim().to_owned();
            Ok(())
        },
        show: |config| config.http.cors_origins.clone(),
    },
    Setting {
        key: "store.data",
        variable: "CRESSET_DATA",
        about: "data folder",
        set: |config, text| match text {
            "" => Err("expected a folder".to_owned()),
            _ => {
                config.store.data = text.into();
                Ok(())
            }
        },
        show: |config| config.store.data.display().to_string(),
    },
    Setting {
        key: "store.database",
        variable: "CRESSET_DATABASE",
        about: "URL of a PostgreSQL database instead of the embedded one",
        set: |config, text| {
            if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
                return Err("expected a URL such as postgres://user:password@host/database".to_owned());
            }
            config.store.database = Some(Secret::new(text));
            Ok(())
        },
        show: |config| optional(config.store.database.as_ref()),
    },
    Setting {
        key: "store.readers",
        variable: "CRESSET_READERS",
        about: "connections that read the embedded database",
        set: |config, text| number(text).map(|value: u32| config.store.readers = value as usize),
        show: |config| config.store.readers.to_string(),
    },
    Setting {
        key: "store.connections",
        variable: "CRESSET_CONNECTIONS",
        about: "connections to PostgreSQL at most",
        set: |config, text| number(text).map(|value: u32| config.store.connections = value as usize),
        show: |config| config.store.connections.to_string(),
    },
    Setting {
        key: "index.folder",
        variable: "CRESSET_INDEX",
        about: "folder of the search index, when it is not index in the data folder",
        set: |config, text| match text {
            "" => Err("expected a folder".to_owned()),
            _ => {
                config.index.folder = Some(text.into());
                Ok(())
            }
        },
        show: |config| optional(config.index.folder.as_ref().map(|folder| folder.display())),
    },
    Setting {
        key: "index.heap_bytes",
        variable: "CRESSET_INDEX_HEAP_BYTES",
        about: "memory of the index's writer",
        set: |config, text| number(text).map(|value| config.index.heap_bytes = value),
        show: |config| config.index.heap_bytes.to_string(),
    },
    Setting {
        key: "access.demo",
        variable: "CRESSET_DEMO",
        about: "fill an empty store with generated patients; implies insecure_no_auth",
        set: |config, text| truth(text).map(|value| config.access.demo = value),
        show: |config| config.access.demo.to_string(),
    },
    Setting {
        key: "access.demo_patients",
        variable: "CRESSET_DEMO_PATIENTS",
        about: "how many patients the demo has",
        set: |config, text| number(text).map(|value| config.access.demo_patients = value),
        show: |config| config.access.demo_patients.to_string(),
    },
    Setting {
        key: "access.insecure_no_auth",
        variable: "CRESSET_INSECURE_NO_AUTH",
        about: "every request acts as a development user, on loopback only",
        set: |config, text| truth(text).map(|value| config.access.insecure_no_auth = value),
        show: |config| config.access.insecure_no_auth.to_string(),
    },
    Setting {
        key: "rest.update_create",
        variable: "CRESSET_UPDATE_CREATE",
        about: "an update may create under an id that the client has chosen",
        set: |config, text| truth(text).map(|value| config.rest.update_create = value),
        show: |config| config.rest.update_create.to_string(),
    },
    Setting {
        key: "rest.referential_integrity",
        variable: "CRESSET_REFERENTIAL_INTEGRITY",
        about: "a reference must lead to a resource, and a resource that is referred to must stay",
        set: |config, text| truth(text).map(|value| config.rest.referential_integrity = value),
        show: |config| config.rest.referential_integrity.to_string(),
    },
    Setting {
        key: "rest.conditional_delete",
        variable: "CRESSET_CONDITIONAL_DELETE",
        about: "a conditional delete deletes a single resource, or multiple",
        set: |config, text| match text.trim() {
            "single" | "multiple" => {
                config.rest.delete_multiple = text.trim() == "multiple";
                Ok(())
            }
            _ => Err("expected single or multiple".to_owned()),
        },
        show: |config| (if config.rest.delete_multiple { "multiple" } else { "single" }).to_owned(),
    },
    Setting {
        key: "validation.mode",
        variable: "CRESSET_VALIDATION_MODE",
        about: "what is asked of resources: off, base, profiles or strict",
        set: |config, text| ValidationMode::parse(text).map(|value| config.validation.mode = value),
        show: |config| config.validation.mode.name().to_owned(),
    },
    Setting {
        key: "packages.active",
        variable: "CRESSET_PACKAGES_ACTIVE",
        about: "FHIR packages that every tenant has in use unless it says otherwise: NAME#VERSION, several with commas",
        set: |config, text| PackageSettings::parse(text).map(|value| config.packages.active = value),
        show: |config| {
            let labels = config.packages.active.iter().map(|(name, version)| format!("{name}#{version}"));
            labels.collect::<Vec<_>>().join(",")
        },
    },
    Setting {
        key: "packages.registry",
        variable: "CRESSET_PACKAGES_REGISTRY",
        about: "URL of the registry that administrators may have FHIR packages fetched from, such as https://packages.fhir.org; empty for none",
        set: |config, text| {
            let text = text.trim().trim_end_matches('/');
            if !text.is_empty() && !text.starts_with("https://") && !text.starts_with("http://") {
                return Err("expected a URL that begins with https:// or http://".to_owned());
            }
            config.packages.registry = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
        show: |config| config.packages.registry.clone().unwrap_or_default(),
    },
    Setting {
        key: "log.filter",
        variable: "CRESSET_LOG",
        about: "which messages: info, cresset=debug,info ...",
        set: |config, text| {
            config.log.filter = text.to_owned();
            Ok(())
        },
        show: |config| config.log.filter.clone(),
    },
    Setting {
        key: "log.json",
        variable: "CRESSET_LOG_JSON",
        about: "one JSON object per line instead of text",
        set: |config, text| truth(text).map(|value| config.log.json = value),
        show: |config| config.log.json.to_string(),
    },
    Setting {
        key: "telemetry.otlp_endpoint",
        variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
        about: "base URL of a collector that takes traces by OTLP over HTTP; nothing for no traces",
        set: |config, text| {
            let text = text.trim();
            let is_url = text.starts_with("http://") || text.starts_with("https://");
            // It is shown when the collector is away, so what is secret has its own place.
            if !text.is_empty() && (!is_url || text.contains(['@', '?', '#', ' '])) {
                return Err("expected a URL such as http://127.0.0.1:4318; secrets go into OTEL_EXPORTER_OTLP_HEADERS"
                    .to_owned());
            }
            config.telemetry.otlp_endpoint = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
        show: |config| optional(config.telemetry.otlp_endpoint.as_ref()),
    },
    Setting {
        key: "telemetry.service_name",
        variable: "OTEL_SERVICE_NAME",
        about: "name of this service in traces",
        set: |config, text| {
            config.telemetry.service_name = text.to_owned();
            Ok(())
        },
        show: |config| config.telemetry.service_name.clone(),
    },
    Setting {
        key: "telemetry.sample_ratio",
        variable: "OTEL_TRACES_SAMPLER_ARG",
        about: "which part of the traces that begin here is kept, from 0 to 1",
        set: |config, text| {
            let ratio = parsed(text, "a number from 0 to 1")?;
            config.telemetry.sample_ratio =
                Some(ratio).filter(|r| (0.0..=1.0).contains(r)).ok_or("expected a number from 0 to 1")?;
            Ok(())
        },
        show: |config| config.telemetry.sample_ratio.to_string(),
    },
    limit!(body_bytes, "CRESSET_LIMIT_BODY_BYTES", "largest request body"),
    limit!(bundle_entries, "CRESSET_LIMIT_BUNDLE_ENTRIES", "most entries of a batch or transaction"),
    limit!(answer_bytes, "CRESSET_LIMIT_ANSWER_BYTES", "most bytes of the answers of a batch or transaction"),
    limit!(patch_operations, "CRESSET_LIMIT_PATCH_OPERATIONS", "most operations of a patch"),
    limit!(nesting, "CRESSET_LIMIT_NESTING", "deepest nesting of JSON", nesting),
    limit!(page_default, "CRESSET_LIMIT_PAGE_DEFAULT", "page size when _count is absent"),
    limit!(page_max, "CRESSET_LIMIT_PAGE_MAX", "largest page"),
    limit!(chain_depth, "CRESSET_LIMIT_CHAIN_DEPTH", "longest chain"),
    limit!(search_values, "CRESSET_LIMIT_SEARCH_VALUES", "most values of a parameter and parameters of a search"),
    limit!(query_bytes, "CRESSET_LIMIT_QUERY_BYTES", "longest query string or form body"),
    limit!(includes, "CRESSET_LIMIT_INCLUDES", "most resources that includes add to a page"),
    limit!(scan, "CRESSET_LIMIT_SCAN", "most resources that an operation looks at"),
    limit!(everything, "CRESSET_LIMIT_EVERYTHING", "most resources that $everything answers at once"),
    limit!(join_keys, "CRESSET_LIMIT_JOIN_KEYS", "most keys that a chain carries"),
    limit!(page_pin_seconds, "CRESSET_LIMIT_PAGE_PIN_SECONDS", "how long the snapshot of a page lives"),
    limit!(page_pins, "CRESSET_LIMIT_PAGE_PINS", "most snapshots of pages at a time"),
    limit!(page_search_bytes, "CRESSET_LIMIT_PAGE_SEARCH_BYTES", "memory for searches too long for a page link"),
    limit!(relay_seconds, "CRESSET_LIMIT_RELAY_SECONDS", "how long another node may take to answer with a page"),
    limit!(relay_bytes, "CRESSET_LIMIT_RELAY_BYTES", "largest page taken from another node"),
    limit!(recent_bytes, "CRESSET_LIMIT_RECENT_BYTES", "memory for versions that were read lately"),
    limit!(open_tenants, "CRESSET_LIMIT_OPEN_TENANTS", "most tenants that are open at a time"),
    limit!(tenant_idle_seconds, "CRESSET_LIMIT_TENANT_IDLE_SECONDS", "how long a tenant stays open without use"),
    limit!(connections, "CRESSET_LIMIT_CONNECTIONS", "most connections at a time"),
    limit!(head_seconds, "CRESSET_LIMIT_HEAD_SECONDS", "how long the head of a request may take"),
    limit!(write_seconds, "CRESSET_LIMIT_WRITE_SECONDS", "how long a client may take nothing of its answer"),
    limit!(tenant_requests, "CRESSET_LIMIT_TENANT_REQUESTS", "most requests of a tenant at a time"),
    limit!(tenant_searches, "CRESSET_LIMIT_TENANT_SEARCHES", "most searches of a tenant at a time"),
    limit!(writer_queue, "CRESSET_LIMIT_WRITER_QUEUE", "most writes waiting for the Writer"),
    limit!(writer_batch, "CRESSET_LIMIT_WRITER_BATCH", "most writes in one commit"),
];
