//! The conformance resources of a tenant as definitions for validation: its profiles and extensions (StructureDefinition), value sets,
//! code systems, Questionnaires and Libraries, above those of the packages in use.
//!
//! They are taken in when a write is answered on the node that wrote, and by the follower of the log on the others. Kept is the text
//! without what only people read; compiled is what somebody asks for. What R4 itself defines as a structure stays what it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockWriteGuard};

use bytes::Bytes;

use super::face::Stored;
use super::feed::FeedEntry;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::base::limits::{OWN_DEFINITION_BYTES, OWN_DEFINITIONS};
use crate::fhir::definitions::conformance::{Kind, find};
use crate::fhir::definitions::packed::lean;
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::terminology::version;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::fhir::validate::{OwnDefinition, Registry};
use crate::store::{Store, VersionRow, body};

/// Resources that are read at a time.
const PIECE: usize = 100;

/// The resource types that define something for validation.
static KINDS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    ["StructureDefinition", "ValueSet", "CodeSystem", "Questionnaire", "Library"]
        .into_iter()
        .filter_map(ResourceType::find)
        .collect()
});

/// Whether resources of a type define something for validation.
pub(super) fn defines(kind: ResourceType) -> bool {
    KINDS.contains(&kind)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Own {
    state: RwLock<State>,
    /// Up to where the log was followed.
    position: AtomicI64,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<ResourceKey, Kept>,
    /// Bytes of their texts.
    bytes: usize,
    /// How many of them are definitions.
    count: usize,
    /// What was made of them over some packages.
    made: Option<(Arc<Registry>, Arc<Registry>)>,
    /// The URLs of the code systems, and whether case matters in them.
    cases: Option<HashMap<Box<str>, bool>>,
}

/// What is known of a resource.
#[derive(Debug)]
struct Kept {
    version: i64,
    updated: Timestamp,
    /// None of one that is deleted, defines nothing, or is too large.
    definition: Option<OwnDefinition>,
    also: Also,
}

/// What else a resource defines.
#[derive(Debug, Default)]
struct Also {
    /// The resource type that it is a profile of; empty for anything else.
    profile_of: Box<str>,
    /// The value set of all codes, of a code system that names it; else empty.
    value_set: Box<str>,
    /// Whether case matters in the codes of a code system; none of what is none, or a supplement.
    case_sensitive: Option<bool>,
}

impl Own {
    /// What a tenant has now.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn load(store: &Store, tenant: Tenant) -> Result<Self> {
        let mut snapshot = store.snapshot(tenant).await?;
        let mut state = State::default();
        for kind in &*KINDS {
            let mut after = None;
            loop {
                let rows = snapshot.current(*kind, after.as_ref(), PIECE).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key.id.clone());
                for row in &rows {
                    state.take(&row.key, (row.version, row.updated), text(row)?.as_deref())?;
                }
            }
        }
        let position = AtomicI64::new(snapshot.head().seq.0);
        Ok(Self { state: RwLock::new(state), position })
    }

    /// All definitions: those of the tenant above those of packages.
    pub(super) fn registry(&self, packages: &Arc<Registry>) -> Arc<Registry> {
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.count == 0 {
                return packages.clone();
            }
            if let Some((_, made)) = state.made.as_ref().filter(|(under, _)| Arc::ptr_eq(under, packages)) {
                return made.clone();
            }
        }
        let mut state = self.write();
        let mut all: Vec<&Kept> = state.kept.values().filter(|kept| kept.definition.is_some()).collect();
        // Of several with one URL and version the one that was written last counts.
        all.sort_by(|a, b| version::compare(a.version_text(), b.version_text()).then(a.updated.cmp(&b.updated)));
        let definitions = all.into_iter().filter_map(|kept| kept.definition.clone());
        let made = Arc::new(Registry::own(packages.clone(), definitions));
        state.made = Some((packages.clone(), made.clone()));
        made
    }

    /// The profiles of resource types: type and URL of each, in their order.
    pub(super) fn profiles(&self) -> Vec<(Box<str>, Box<str>)> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_profile = |kept: &&Kept| !kept.also.profile_of.is_empty();
        let named = |kept: &Kept| Some((kept.also.profile_of.clone(), kept.definition.as_ref()?.url.clone()));
        let mut all: Vec<_> = state.kept.values().filter(is_profile).filter_map(named).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The URL of the code system whose `valueSet` is this one.
    pub(super) fn implied(&self, value_set: &str) -> Option<Box<str>> {
        let plain = version::split(value_set).0;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &&Kept| version::split(&kept.also.value_set).0 == plain && !plain.is_empty();
        Some(state.kept.values().find(is_it)?.definition.as_ref()?.url.clone())
    }

    /// The URLs of the value sets, also of those that code systems name as that of all their codes.
    pub(super) fn value_sets(&self) -> Vec<Box<str>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let stored = state.kept.values().filter_map(|kept| kept.definition.as_ref());
        let stored =
            stored.filter(|definition| &*definition.kind == "ValueSet").map(|definition| definition.url.clone());
        let implied = state.kept.values().map(|kept| version::split(&kept.also.value_set).0);
        stored.chain(implied.filter(|url| !url.is_empty()).map(Into::into)).collect()
    }

    /// Whether case matters in the codes of a code system, where it is one of the tenant. Of several versions one in which it does not is enough.
    pub(super) fn case_sensitive(&self, url: &str) -> Option<bool> {
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(cases) = &state.cases {
                return cases.get(url).copied();
            }
        }
        let mut state = self.write();
        let mut cases = HashMap::new();
        for kept in state.kept.values() {
            let (Some(definition), Some(matters)) = (&kept.definition, kept.also.case_sensitive) else { continue };
            *cases.entry(definition.url.clone()).or_insert(true) &= matters;
        }
        let found = cases.get(url).copied();
        state.cases = Some(cases);
        found
    }

    /// Takes in what was written on this node.
    pub(super) fn wrote(&self, stored: &Stored) {
        let took = self.write().take(&stored.key, (stored.version, stored.updated), stored.body.as_deref());
        if let Err(fault) = took {
            tracing::error!(%fault, "what was written is not known as a definition");
        }
    }

    /// Takes in what entries of the log define, whoever wrote them.
    ///
    /// # Errors
    /// 503 or 500 from the database; nothing is taken in then.
    pub(super) async fn follow(&self, store: &Store, tenant: Tenant, entries: &[FeedEntry]) -> Result<()> {
        let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(()) };
        let known = self.position.load(Ordering::Acquire);
        let is_new = |entry: &&FeedEntry| entry.seq.0 > known && defines(entry.key.kind);
        // Of several versions of one definition the last is what counts.
        let new: HashMap<&ResourceKey, &FeedEntry> =
            entries.iter().filter(is_new).map(|entry| (&entry.key, entry)).collect();
        let is_unknown = |entry: &&FeedEntry| {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.kept.get(&entry.key).is_none_or(|kept| kept.version < entry.version)
        };
        let seqs: Vec<Seq> = new.values().copied().filter(is_unknown).map(|entry| entry.seq).collect();
        for piece in seqs.chunks(PIECE) {
            for row in store.by_seqs(tenant, piece).await? {
                let text = text(&row)?;
                self.write().take(&row.key, (row.version, row.updated), text.as_deref())?;
            }
        }
        // No older version of what is deleted comes any more.
        let gone: Vec<&ResourceKey> =
            new.values().filter(|entry| entry.values.is_none()).map(|entry| &entry.key).collect();
        if !gone.is_empty() {
            let mut state = self.write();
            gone.into_iter().for_each(|key| state.forget(key));
        }
        self.position.fetch_max(last.0, Ordering::AcqRel);
        Ok(())
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn version_text(&self) -> &str {
        self.definition.as_ref().map_or("", |definition| &definition.version)
    }
}

impl State {
    /// Takes in a version of a resource, unless a newer one is known; `text`: none of a deletion.
    fn take(&mut self, key: &ResourceKey, (version, updated): (i64, Timestamp), text: Option<&[u8]>) -> Result<()> {
        let before = self.kept.get(key);
        if before.is_some_and(|kept| kept.version >= version) {
            return Ok(());
        }
        let had = before.and_then(|kept| kept.definition.as_ref()).map(OwnDefinition::size);
        let (count, bytes) = (self.count - usize::from(had.is_some()), self.bytes - had.unwrap_or(0));
        let place = |fault: Fault| fault.context(key.to_string());
        let read = text.map(definition).transpose().map_err(place)?.flatten();
        let (definition, also) = read.map_or((None, Also::default()), |(definition, also)| (Some(definition), also));
        let has_room = |new: &OwnDefinition| count < OWN_DEFINITIONS && bytes + new.size() <= OWN_DEFINITION_BYTES;
        let is_there = definition.is_some();
        let definition = definition.filter(has_room);
        if is_there && definition.is_none() {
            tracing::warn!(resource = %key, bytes, count, "it is not used for validation: there are too many definitions");
        }
        if had.is_some() || definition.is_some() {
            self.made = None;
            self.cases = None;
        }
        self.count = count + usize::from(definition.is_some());
        self.bytes = bytes + definition.as_ref().map_or(0, OwnDefinition::size);
        let also = if definition.is_some() { also } else { Also::default() };
        self.kept.insert(key.clone(), Kept { version, updated, definition, also });
        Ok(())
    }

    /// Forgets that a resource is deleted.
    fn forget(&mut self, key: &ResourceKey) {
        if self.kept.get(key).is_some_and(|kept| kept.definition.is_none()) {
            self.kept.remove(key);
        }
    }
}

/// What a resource defines.
fn definition(text: &[u8]) -> Result<Option<(OwnDefinition, Also)>> {
    let mut json = parse_stored(text)?;
    let part = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
    let (kind, url, version) = (part(&json, "resourceType"), part(&json, "url"), part(&json, "version"));
    let is_structure = kind == "StructureDefinition";
    let is_profile = part(&json, "derivation") == "constraint" && find(Kind::Profile, &url).is_none();
    if url.is_empty() || (is_structure && !is_profile) {
        return Ok(None);
    }
    let profile_of =
        if is_structure && part(&json, "kind") == "resource" { part(&json, "type") } else { String::new() };
    let value_set = if kind == "CodeSystem" { part(&json, "valueSet") } else { String::new() };
    let is_system = kind == "CodeSystem" && part(&json, "content") != "supplement";
    let case_sensitive = is_system.then(|| json.get("caseSensitive").and_then(Json::as_bool).unwrap_or(true));
    lean(&mut json);
    // of a library only is asked whether it is there
    if let Some(object) = json.as_object_mut().filter(|_| kind == "Library") {
        object.remove("content");
    }
    let mut text = Vec::new();
    write(&json, &mut text);
    let definition =
        OwnDefinition { kind: kind.into(), url: url.into(), version: version.into(), text: Bytes::from(text) };
    Ok(Some((definition, Also { profile_of: profile_of.into(), value_set: value_set.into(), case_sensitive })))
}

/// The text of a version; none of a deletion.
fn text(row: &VersionRow) -> Result<Option<Bytes>> {
    let Some(stored) = &row.body else { return Ok(None) };
    let decoded = body::decode(stored, row.version, row.updated);
    decoded.map(Some).map_err(|fault| fault.context(format!("log {}", row.seq)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::types::ResourceId;

    fn key(id: &str) -> ResourceKey {
        ResourceKey::new(KINDS[0], ResourceId::parse(id).expect("an id"))
    }

    fn profile(url: &str, version: &str) -> String {
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"{url}","version":"{version}","derivation":"constraint","text":{{"div":"long"}}}}"#
        )
    }

    #[test]
    fn newer_versions_count_and_deletions_end() {
        let mut state = State::default();
        let take = |state: &mut State, version: i64, text: Option<&str>| {
            state.take(&key("a"), (version, Timestamp(version)), text.map(str::as_bytes)).expect("taken in");
            (state.count, state.bytes > 0)
        };
        assert_eq!(take(&mut state, 1, Some(&profile("http://p", "1"))), (1, true));
        assert_eq!(take(&mut state, 3, None), (0, false));
        assert_eq!(take(&mut state, 2, Some(&profile("http://p", "2"))), (0, false), "it came late");
        state.forget(&key("a"));
        assert!(state.kept.is_empty());
        assert_eq!(take(&mut state, 4, Some(&profile("http://p", "2"))), (1, true));
        state.forget(&key("a"));
        assert_eq!(state.count, 1, "it is not deleted");
    }

    #[test]
    fn what_defines_nothing_is_left_out() {
        let of = |text: &str| definition(text.as_bytes()).expect("JSON");
        assert!(of(r#"{"resourceType":"ValueSet"}"#).is_none());
        assert!(
            of(r#"{"resourceType":"StructureDefinition","url":"http://x","derivation":"specialization"}"#).is_none()
        );
        assert!(of(&profile("http://hl7.org/fhir/StructureDefinition/vitalsigns", "4.0.1")).is_none());
        let (made, also) = of(&profile("http://p", "1")).expect("a profile");
        assert!(also.profile_of.is_empty(), "it says not of what");
        let system = r#"{"resourceType":"CodeSystem","url":"http://c","valueSet":"http://v|1"}"#;
        let mut state = State::default();
        state.take(&key("c"), (1, Timestamp(1)), Some(system.as_bytes())).expect("taken in");
        let own = Own { state: RwLock::new(state), position: AtomicI64::new(0) };
        assert_eq!(
            (own.implied("http://v").as_deref(), own.implied("http://w"), own.implied("")),
            (Some("http://c"), None, None)
        );
        assert!(!made.text.windows(4).any(|part| part == b"long"));
    }

    #[test]
    fn there_is_a_bound() {
        let mut state = State { count: OWN_DEFINITIONS, ..State::default() };
        state.take(&key("a"), (1, Timestamp(1)), Some(profile("http://p", "1").as_bytes())).expect("taken in");
        assert_eq!((state.count, state.kept.len()), (OWN_DEFINITIONS, 1));
        let mut state = State { bytes: OWN_DEFINITION_BYTES, ..State::default() };
        state.take(&key("a"), (1, Timestamp(1)), Some(profile("http://p", "1").as_bytes())).expect("taken in");
        assert_eq!((state.count, state.bytes), (0, OWN_DEFINITION_BYTES));
    }
}
