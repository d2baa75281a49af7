//! Referential integrity, where it is on (`rest.referential_integrity`): a reference to a resource of this server must lead
//! to one that exists, and a resource that is referred to cannot be deleted (FHIR R4 `http.html`, 3.1.0.7: 409).
//!
//! Both are checked in the Writer, against the state that includes everything accepted before, so no race leaves a
//! reference that leads nowhere. The referrals in the store follow the log; when they are behind, because the setting was off
//! or another node does without, the Writer brings them up to the head before it decides anything.

use hashbrown::{HashMap, HashSet};

use super::plan::{Plan, Step, in_entry};
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::json::{self, Json};
use crate::fhir::resource::{ReferenceSite, resource_type, visit_references_mut};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::store::{Batch, Current, Referral, Store, VersionRow, WriteSet, body};

/// Entries of the log in one commit while catching up.
const PIECE: usize = 1000;

/// The resources of this server that a resource refers to, sorted, each once. What a Bundle holds is not looked at: its
/// references are those of documents and messages.
pub(super) fn targets(resource: &mut Json, base: &str) -> Result<Box<[ResourceKey]>> {
    if resource_type(resource)?.name() == "Bundle" {
        return Ok(Box::default());
    }
    let mut found = Vec::new();
    visit_references_mut(resource, &mut |site, text| {
        if site == ReferenceSite::Reference {
            found.extend(local(text, base));
        }
        Ok(())
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(found.into())
}

/// The resource that a reference names: `Type/id`, with or without a version, relative or below the base.
fn local(text: &str, base: &str) -> Option<ResourceKey> {
    let text = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
    let text = text.split('#').next().unwrap_or_default();
    let mut parts = text.split('/');
    let (kind, id) = (ResourceType::find(parts.next()?)?, ResourceId::parse(parts.next()?).ok()?);
    let rest = (parts.next(), parts.next(), parts.next());
    let is_whole = matches!(rest, (None, ..) | (Some("_history"), Some(_), None));
    is_whole.then(|| ResourceKey::new(kind, id))
}

/// The references of a batch.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// What written resources referred to before the batch.
    before: HashMap<ResourceKey, Vec<ResourceKey>>,
    /// What they refer to now.
    after: HashMap<ResourceKey, Vec<ResourceKey>>,
    /// What refers to the resources that the batch deletes.
    referrers: HashMap<ResourceKey, HashSet<ResourceKey>>,
}

impl Links {
    /// Loads what the plans touch.
    pub(super) async fn load(batch: &mut Batch, plans: &[Result<Plan>]) -> Result<Self> {
        let (mut sources, mut deleted) = (Vec::new(), Vec::new());
        for step in plans.iter().flatten().flat_map(|plan| &plan.steps) {
            match step {
                Step::Write(write) => sources.push(write.key.clone()),
                Step::Delete(deletes) => deleted.extend(deletes.iter().map(|delete| delete.key.clone())),
                Step::Present(_) => {}
            }
        }
        sources.extend(deleted.iter().cloned());
        let mut links = Self::default();
        for Referral { target, source } in batch.referrals_of(&sources).await? {
            links.before.entry(source).or_default().push(target);
        }
        for Referral { target, source } in batch.referrals_to(&deleted).await? {
            links.referrers.entry(target).or_default().insert(source);
        }
        deleted.into_iter().for_each(|key| _ = links.referrers.entry(key).or_default());
        Ok(links)
    }

    /// Whether a plan leaves every reference leading somewhere.
    ///
    /// # Errors
    /// 409 naming the resource.
    pub(super) fn check(&self, plan: &Plan, current: &HashMap<ResourceKey, Current>) -> Result<()> {
        let (mut coming, mut leaving) = (HashSet::new(), HashSet::new());
        for step in &plan.steps {
            match step {
                Step::Write(write) => _ = coming.insert(&write.key),
                Step::Delete(deletes) => leaving.extend(deletes.iter().map(|delete| &delete.key)),
                Step::Present(_) => {}
            }
        }
        let is_alive = |key: &ResourceKey| current.get(key).is_some_and(|current| !current.deleted);
        for step in &plan.steps {
            match step {
                Step::Write(write) => {
                    let leads =
                        |key: &&ResourceKey| coming.contains(*key) || (is_alive(key) && !leaving.contains(*key));
                    if let Some(target) = write.references.iter().find(|target| !leads(target)) {
                        let message = format!("{} refers to {target}, which does not exist", write.key.kind);
                        return Err(in_entry(Fault::new(Category::Conflict, message), write.index));
                    }
                }
                Step::Delete(deletes) => {
                    for delete in deletes.iter().filter(|delete| is_alive(&delete.key)) {
                        let stays = |source: &&ResourceKey| !coming.contains(*source) && !leaving.contains(*source);
                        let referrer = self.referrers.get(&delete.key).and_then(|all| all.iter().find(stays));
                        if let Some(source) = referrer {
                            let message = format!("{source} refers to {}, which cannot be deleted", delete.key);
                            return Err(in_entry(Fault::new(Category::Conflict, message), delete.index));
                        }
                    }
                }
                Step::Present(_) => {}
            }
        }
        Ok(())
    }

    /// What a resource refers to from now on; nothing when it is deleted.
    pub(super) fn set(&mut self, source: &ResourceKey, targets: &[ResourceKey]) {
        let before = self.after.get(source).or_else(|| self.before.get(source)).map_or(&[][..], Vec::as_slice);
        for target in before.iter().filter(|target| targets.binary_search(target).is_err()) {
            self.referrers.get_mut(target).map(|sources| sources.remove(source));
        }
        for target in targets {
            self.referrers.get_mut(target).map(|sources| sources.insert(source.clone()));
        }
        self.after.insert(source.clone(), targets.to_vec());
    }

    /// Adds what changes to what is written; the referrals are complete up to `head` then.
    pub(super) fn finish(&mut self, set: &mut WriteSet, head: Seq) {
        for (source, after) in self.after.drain() {
            let before = self.before.remove(&source).unwrap_or_default();
            let referral = |target: &ResourceKey| Referral { target: target.clone(), source: source.clone() };
            set.referrals_removed.extend(before.iter().filter(|target| !after.contains(target)).map(referral));
            set.referrals_added.extend(after.iter().filter(|target| !before.contains(target)).map(referral));
        }
        set.referrals_added.sort_unstable();
        set.referrals_removed.sort_unstable();
        set.referrals_reach = Some(head);
    }
}

/// Brings the referrals up to the head that a batch has locked, or as far as one piece goes: whether they are there.
pub(super) async fn catch_up(store: &Store, tenant: Tenant, base: &str, batch: &mut Batch) -> Result<bool> {
    let reached = batch.referrals_reached().await?;
    let head = batch.head().seq;
    if reached >= head {
        return Ok(true);
    }
    let rows = store.log(tenant, reached, PIECE).await?;
    let last = rows.last().map_or(head, |row| row.seq);
    let mut links = Links::default();
    let mut keys: Vec<ResourceKey> = rows.iter().map(|row| row.key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    for Referral { target, source } in batch.referrals_of(&keys).await? {
        links.before.entry(source).or_default().push(target);
    }
    for row in &rows {
        links.set(&row.key, &of_row(row, base)?);
    }
    let mut set = WriteSet::new();
    links.finish(&mut set, last);
    batch.write(&set).await?;
    Ok(last >= head)
}

/// What a version refers to.
pub(super) fn of_row(row: &VersionRow, base: &str) -> Result<Box<[ResourceKey]>> {
    let Some(stored) = &row.body else { return Ok(Box::default()) };
    let at = |fault: Fault| fault.context(format!("versions, position {}", row.seq));
    let mut resource = json::parse_stored(&body::content(stored).map_err(at)?).map_err(at)?;
    targets(&mut resource, base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_this_server_are_found() {
        let base = "http://h/fhir";
        let found = |text: &str| local(text, base).map(|key| key.to_string());
        for text in ["Patient/1", "http://h/fhir/Patient/1", "Patient/1/_history/2", "Patient/1#x"] {
            assert_eq!(found(text).as_deref(), Some("Patient/1"), "{text}");
        }
        for text in
            ["#x", "urn:uuid:1", "http://other/fhir/Patient/1", "Patient", "Patient?x=1", "Nothing/1", "Patient/1/2"]
        {
            assert_eq!(found(text), None, "{text}");
        }
        let mut resource = json::parse(
            br##"{"resourceType":"Observation","subject":{"reference":"Patient/2"},"performer":[{"reference":"Patient/1"}],
                "focus":[{"reference":"Patient/2"},{"reference":"#c"}],"extension":[{"valueReference":{"reference":"Device/3"}}]}"##,
        )
        .expect("JSON");
        let all: Vec<String> = targets(&mut resource, base).expect("read").iter().map(ToString::to_string).collect();
        assert_eq!(all, ["Device/3", "Patient/1", "Patient/2"]);
    }
}
