//! The sections of the configuration.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::base::limits::Limits;

/// The whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What listens.
    pub http: Http,
    /// Where data is kept.
    pub store: StoreSettings,
    /// The search index.
    pub index: IndexSettings,
    /// Who may enter.
    pub access: Access,
    /// What clients may do by REST.
    pub rest: Rest,
    /// What is asked of resources that are written.
    pub validation: Validation,
    /// The FHIR packages.
    pub packages: PackageSettings,
    /// The log for people.
    pub log: Log,
    /// The traces for a collector.
    pub telemetry: Telemetry,
    /// The bounds.
    pub limits: Limits,
}

/// What listens.
#[derive(Debug, Clone)]
pub struct Http {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The base URL that clients see, when it is not `http://ADDRESS/fhir`.
    pub base: Option<String>,
    /// `host:port` where the other nodes reach this one, when it is not the address.
    pub advertise: Option<String>,
    /// How long new requests are still taken after SIGTERM while `/readyz` refuses, in seconds.
    pub drain_delay_seconds: u64,
    /// How long requests that are under way may take after that, in seconds.
    pub drain_seconds: u64,
    /// Whose pages a browser lets read the answers: `*`, origins separated by commas, or nothing.
    pub cors_origins: String,
}

/// Where data is kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The data folder: the embedded database, the index, the lock.
    pub data: PathBuf,
    /// The URL of a PostgreSQL database, instead of the embedded one.
    pub database: Option<Secret>,
    /// Connections that read the embedded database.
    pub readers: usize,
    /// Connections to PostgreSQL at most.
    pub connections: usize,
}

/// The search index.
#[derive(Debug, Clone)]
pub struct IndexSettings {
    /// Its folder, when it is not `index` in the data folder.
    pub folder: Option<PathBuf>,
    /// Memory of its writer in bytes.
    pub heap_bytes: usize,
}

/// Who may enter. Until the authorization server exists, one of the two is needed.
#[derive(Debug, Clone)]
pub struct Access {
    /// Fill an empty store with generated patients; implies `insecure_no_auth`.
    pub demo: bool,
    /// How many patients that are.
    pub demo_patients: u64,
    /// Every request acts as a development user, on loopback only.
    pub insecure_no_auth: bool,
}

/// What clients may do by REST; each shows in the CapabilityStatement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Whether an update may create under an id that the client has chosen.
    pub update_create: bool,
    /// Whether a reference must lead to a resource that exists, and a resource that is referred to must stay.
    pub referential_integrity: bool,
    /// Whether a conditional delete may delete several resources.
    pub delete_multiple: bool,
}

/// What is asked of resources that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// The mode of the default tenant, and of those that have none of their own.
    pub mode: ValidationMode,
}

/// The packages of `fhir-profiles/` that every tenant has in use from the start.
const SHIPPED: [(&str, &str); 3] =
    [("hl7.fhir.uv.extensions.r4", "5.3.0-ballot-tc1"), ("hl7.fhir.uv.ips", "2.0.0"), ("hl7.terminology.r4", "7.0.1")];

/// The FHIR packages.
#[derive(Debug, Clone)]
pub struct PackageSettings {
    /// Name and version of those that every tenant has in use unless it says otherwise.
    pub active: Vec<(String, String)>,
    /// URL of the registry that administrators may have packages fetched from.
    pub registry: Option<String>,
}

impl Default for PackageSettings {
    fn default() -> Self {
        Self { active: SHIPPED.map(|(name, version)| (name.to_owned(), version.to_owned())).to_vec(), registry: None }
    }
}

impl PackageSettings {
    /// Reads `NAME#VERSION`, several with commas.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
        let labels = text.split(',').map(str::trim).filter(|label| !label.is_empty());
        let pair = |label: &str| match label.split_once('#') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Ok((name.to_owned(), version.to_owned()))
            }
            _ => Err("expected NAME#VERSION, several with commas".to_owned()),
        };
        labels.map(pair).collect()
    }
}

/// How much is asked of a resource; each mode asks what the ones before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ValidationMode {
    /// What storage, search and the conversion between JSON and XML need: known elements in their shapes.
    Off,
    /// The base definitions.
    Base,
    /// The profiles of `meta.profile` that are known, too.
    #[default]
    Profiles,
    /// Every profile that a resource names must be known.
    Strict,
}

impl ValidationMode {
    /// All of them, from the one that asks least.
    pub const ALL: [Self; 4] = [Self::Off, Self::Base, Self::Profiles, Self::Strict];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Base => "base",
            Self::Profiles => "profiles",
            Self::Strict => "strict",
        }
    }

    /// The mode of a name.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name.trim());
        found.ok_or_else(|| "expected off, base, profiles or strict".to_owned())
    }
}

/// The log for people.
#[derive(Debug, Clone)]
pub struct Log {
    /// Which messages: `info`, `cresset=debug,info` ...
    pub filter: String,
    /// One JSON object per line instead of text.
    pub json: bool,
}

/// The traces for a collector.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The base URL of a collector that speaks OTLP over HTTP, such as `http://127.0.0.1:4318`; without one there are no traces.
    pub otlp_endpoint: Option<String>,
    /// `service.name` of the traces.
    pub service_name: String,
    /// Which part of the traces that begin here is kept, from 0 to 1.
    pub sample_ratio: f64,
}

/// Text that is not shown: of a URL the password, of anything else all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one who needs it, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str("***") };
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // The last @ ends the user's part: a password may hold one that is not encoded.
        let Some(at) = rest[..authority_end].rfind('@') else {
            // Parameters after `?` can hold a password too.
            let shown = rest.split(['?', '#']).next().unwrap_or_default();
            return write!(f, "{scheme}://{shown}{}", if shown.len() < rest.len() { "?***" } else { "" });
        };
        let user = rest[..at].split(':').next().unwrap_or_default();
        let after = &rest[at..];
        let shown = after.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{user}:***{shown}{}", if shown.len() < after.len() { "?***" } else { "" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen,
            base: None,
            advertise: None,
            drain_delay_seconds: 0,
            drain_seconds: 20,
            cors_origins: "*".to_owned(),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { data: PathBuf::from("./data"), database: None, readers: 8, connections: 16 }
    }
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self { folder: None, heap_bytes: 48 << 20 }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self { demo: false, demo_patients: 40, insecure_no_auth: false }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self { update_create: true, referential_integrity: false, delete_multiple: false }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), json: false }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, service_name: "cresset".to_owned(), sample_ratio: 1.0 }
    }
}

impl Config {
    /// The folder of the search index.
    pub fn index_folder(&self) -> PathBuf {
        self.index.folder.clone().unwrap_or_else(|| self.store.data.join("index"))
    }

    /// The base URL that clients see when the server listens on `address`.
    pub fn base_url(&self, address: SocketAddr) -> String {
        self.http.base.clone().unwrap_or_else(|| format!("http://{address}/fhir"))
    }

    /// `host:port` where other nodes reach a server that listens on `address`.
    pub fn advertised(&self, address: SocketAddr) -> String {
        self.http.advertise.clone().unwrap_or_else(|| address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_secret() {
        for (text, shown) in [
            ("postgres://ann:pw@db:5432/cresset", "postgres://ann:***@db:5432/cresset"),
            ("postgres://ann:p@w@db/cresset?sslmode=require&password=pw", "postgres://ann:***@db/cresset?***"),
            ("postgres://db/cresset?password=pw", "postgres://db/cresset?***"),
            ("postgres:///cresset", "postgres:///cresset"),
            ("pw", "***"),
        ] {
            assert_eq!(format!("{:?}", Secret::new(text)), shown);
        }
    }
}
