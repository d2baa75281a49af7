//! What the server says of itself, as text, in the three modes of `metadata` (FHIR R4 `http.html`, 3.1.0.10).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use twox_hash::XxHash3_64;

use super::capability::{About, Guides, statement, terminology};
use crate::base::clock::Timestamp;
use crate::base::config::Rest;
use crate::fhir::json::{Json, write};
use crate::search::params::ParamSet;

/// The statements of a server, made once for every set of search parameters.
#[derive(Debug)]
pub struct Statements {
    /// The base URL that stands in them.
    pub base: String,
    /// For `ETag` of what only a start of the server changes.
    pub version: i64,
    rules: Rest,
    has_cors: bool,
    capabilities: Mutex<HashMap<(u64, String), Arc<Capabilities>>>,
    /// The last one, with the large code systems that it names.
    terminology: Mutex<Option<(Large, Arc<Terminology>)>>,
}

/// URLs and versions of large code systems.
type Large = Vec<(String, String)>;

/// The TerminologyCapabilities as text.
#[derive(Debug)]
pub struct Terminology {
    /// `mode=terminology`
    pub text: Bytes,
    /// For `ETag`.
    pub version: i64,
}

/// The CapabilityStatement as text.
#[derive(Debug)]
pub struct Capabilities {
    /// `mode=full`
    pub full: Bytes,
    /// `mode=normative`
    pub normative: Bytes,
    /// For `ETag`.
    pub version: i64,
}

/// Most sets whose statements are kept.
const KEPT: usize = 16;

impl Statements {
    /// Those of a server.
    pub fn new(about: &About<'_>) -> Self {
        let statements = Self {
            base: about.base.to_owned(),
            version: about.started.0,
            rules: about.rules,
            has_cors: about.has_cors,
            capabilities: Mutex::default(),
            terminology: Mutex::default(),
        };
        statements.capabilities(&ParamSet::default(), &Guides::default());
        statements
    }

    /// The TerminologyCapabilities with the large code systems that are loaded: URL and version of each.
    pub fn terminology(&self, large: &[(String, String)]) -> Arc<Terminology> {
        let mut kept = self.terminology.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = kept.as_ref().filter(|(named, _)| named == large) {
            return made.clone();
        }
        let started = Timestamp(self.version);
        let about = About { base: &self.base, started, rules: self.rules, has_cors: self.has_cors };
        let names: Vec<u8> =
            large.iter().flat_map(|(url, version)| format!("{url}|{version}\n").into_bytes()).collect();
        let fingerprint = if names.is_empty() { 0 } else { XxHash3_64::oneshot(&names) };
        let version = self.version ^ i64::from((fingerprint >> 40) as u32);
        let made = Arc::new(Terminology { text: text(&terminology(&about, large)), version });
        *kept = Some((large.to_vec(), made.clone()));
        made
    }

    /// The CapabilityStatement with some search parameters and packages.
    pub fn capabilities(&self, params: &ParamSet, guides: &Guides<'_>) -> Arc<Capabilities> {
        let key = (params.fingerprint(), guides.fingerprint());
        let mut kept = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(&key) {
            return found.clone();
        }
        let fingerprint = key.0 ^ XxHash3_64::oneshot(key.1.as_bytes());
        let started = Timestamp(self.version);
        let about = About { base: &self.base, started, rules: self.rules, has_cors: self.has_cors };
        let full = statement(&about, params, guides);
        // Of the fingerprint so much that the version stays a whole number above 0.
        let version = self.version ^ i64::from((fingerprint >> 40) as u32);
        let made = Capabilities { normative: text(&normative(full.clone())), full: text(&full), version };
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.entry(key).or_insert(Arc::new(made)).clone()
    }
}

/// A statement with the base URL of another tenant.
pub fn with_base(text: &Bytes, from: &str, to: &str) -> Bytes {
    let wanted = format!("\"{from}");
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut rest = &text[..];
    while let Some(at) = memchr::memmem::find(rest, wanted.as_bytes()) {
        out.extend_from_slice(&rest[..=at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + wanted.len()..];
    }
    out.extend_from_slice(rest);
    out.into()
}

fn text(json: &Json) -> Bytes {
    let mut out = Vec::new();
    write(json, &mut out);
    out.into()
}

/// What stands in the normative part of a statement: without the elements that are for trial use.
fn normative(mut statement: Json) -> Json {
    const TRIAL: [&str; 10] = [
        "versioning",
        "readHistory",
        "updateCreate",
        "conditionalCreate",
        "conditionalRead",
        "conditionalUpdate",
        "conditionalDelete",
        "referencePolicy",
        "searchInclude",
        "searchRevInclude",
    ];
    let rest = statement.as_object_mut().and_then(|statement| statement.get_mut("rest"));
    let Some(Json::Array(rests)) = rest else { return statement };
    for rest in rests.iter_mut().filter_map(Json::as_object_mut) {
        rest.remove("security");
        let Some(Json::Array(resources)) = rest.get_mut("resource") else { continue };
        for resource in resources.iter_mut().filter_map(Json::as_object_mut) {
            TRIAL.iter().for_each(|name| drop(resource.remove(name)));
        }
    }
    statement
}
