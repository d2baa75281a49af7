//! What a resource is labelled with: the profiles, tags and security labels of its `meta` (FHIR R4 `resource.html`, 2.26.3;
//! `resource-operation-meta-add.html`). They are sets: a profile is its URL, a tag or label its system and code.

use std::collections::HashSet;

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;

/// Profiles, tags and security labels, each once, in the order in which they were met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    lists: [Vec<Json>; 3],
    seen: HashSet<Identity>,
}

/// The list, the system and the code; of a profile its URL in place of the code.
type Identity = (usize, Option<Box<str>>, Box<str>);

/// The names of the lists, in the order of the definitions.
const LISTS: [&str; 3] = ["profile", "security", "tag"];

fn identity(list: usize, item: &Json) -> Option<Identity> {
    if list == 0 {
        return item.as_str().map(|url| (list, None, url.into()));
    }
    let system = item.get("system").and_then(Json::as_str).map(Box::from);
    let code = item.get("code").and_then(Json::as_str).unwrap_or_default();
    (system.is_some() || !code.is_empty()).then(|| (list, system, code.into()))
}

impl Labels {
    /// Those of a `meta`.
    pub fn of(meta: &Json) -> Self {
        let mut labels = Self::default();
        labels.take(meta);
        labels
    }

    /// Adds those of a `meta` that are not known yet.
    pub fn take(&mut self, meta: &Json) {
        for (at, name) in LISTS.iter().enumerate() {
            for item in meta.get(name).and_then(Json::as_array).unwrap_or_default() {
                if identity(at, item).is_some_and(|identity| self.seen.insert(identity)) {
                    self.lists[at].push(item.clone());
                }
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }

    /// A `meta` of nothing else.
    pub fn into_meta(self) -> Json {
        let mut meta = Object::new();
        for (name, list) in LISTS.iter().zip(self.lists).filter(|(_, list)| !list.is_empty()) {
            meta.set(name, Json::Array(list));
        }
        Json::Object(meta)
    }

    /// Adds them to a resource; what it has already stays as it is, whatever the version and display.
    ///
    /// # Errors
    /// 500 for a resource that is no object.
    pub fn add_to(&self, resource: &mut Json) -> Result<()> {
        let meta = meta(resource)?;
        let there = Self::of(&Json::Object(meta.clone()));
        for (at, name) in LISTS.iter().enumerate() {
            let is_new = |item: &&Json| identity(at, item).is_some_and(|identity| !there.seen.contains(&identity));
            let new: Vec<Json> = self.lists[at].iter().filter(is_new).cloned().collect();
            if new.is_empty() {
                continue;
            }
            let (mut list, mut beside) = take_list(meta, name);
            if !beside.is_empty() {
                beside.resize(list.len() + new.len(), Json::Null);
            }
            list.extend(new);
            put_list(meta, name, list, beside);
        }
        drop_empty(resource);
        Ok(())
    }

    /// Takes them away from a resource; it need not have them.
    ///
    /// # Errors
    /// 500 for a resource that is no object.
    pub fn remove_from(&self, resource: &mut Json) -> Result<()> {
        let meta = meta(resource)?;
        for (at, name) in LISTS.iter().enumerate().filter(|(at, _)| !self.lists[*at].is_empty()) {
            let (list, beside) = take_list(meta, name);
            let stays = |item: &Json| identity(at, item).is_none_or(|identity| !self.seen.contains(&identity));
            let kept: Vec<usize> = (0..list.len()).filter(|n| stays(&list[*n])).collect();
            let pick = |all: Vec<Json>| kept.iter().map(|n| all.get(*n).cloned().unwrap_or(Json::Null)).collect();
            let beside = if beside.is_empty() { beside } else { pick(beside) };
            put_list(meta, name, pick(list), beside);
        }
        drop_empty(resource);
        Ok(())
    }
}

/// The meta of a resource, made where it is absent: after `resourceType` and `id`.
fn meta(resource: &mut Json) -> Result<&mut Object> {
    let lost = || Fault::internal("a stored resource is no object");
    let object = resource.as_object_mut().ok_or_else(lost)?;
    if object.get("meta").is_none() {
        let is_head = |(name, _): &(&Name, &Json)| **name == *"resourceType" || **name == *"id";
        let at = object.iter().take_while(is_head).count();
        object.insert_at(at, Name::new("meta"), Json::Object(Object::new()));
    }
    object.get_mut("meta").and_then(Json::as_object_mut).ok_or_else(lost)
}

/// A list and, of primitives, what stands beside it.
fn take_list(meta: &mut Object, name: &str) -> (Vec<Json>, Vec<Json>) {
    let list = |json: Option<Json>| match json {
        Some(Json::Array(items)) => items,
        _ => Vec::new(),
    };
    (list(meta.get(name).cloned()), list(meta.get(&format!("_{name}")).cloned()))
}

fn put_list(meta: &mut Object, name: &str, list: Vec<Json>, beside: Vec<Json>) {
    let sibling = format!("_{name}");
    for (name, list) in [(name, list), (sibling.as_str(), beside)] {
        match list.iter().all(|item| *item == Json::Null) {
            true => _ = meta.remove(name),
            false => meta.set(name, Json::Array(list)),
        }
    }
}

fn drop_empty(resource: &mut Json) {
    let is_empty = resource.get("meta").and_then(Json::as_object).is_some_and(Object::is_empty);
    if let Some(object) = resource.as_object_mut().filter(|_| is_empty) {
        object.remove("meta");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text)
    }

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn sets_have_each_once_whatever_version_and_display() {
        let mut patient = json(
            r#"{"resourceType":"Patient","id":"a","meta":{"tag":[{"system":"s","code":"a","display":"A"}]},"active":true}"#,
        );
        let labels = Labels::of(&json(
            r#"{"versionId":"9","profile":["p","p"],"tag":[{"system":"s","code":"a","version":"2"},{"system":"s","code":"b"},{"code":"a"},{"display":"nothing"}],"security":[{"system":"s","code":"a"}]}"#,
        ));
        labels.add_to(&mut patient).expect("an object");
        let with = r#"{"resourceType":"Patient","id":"a","meta":{"tag":[{"system":"s","code":"a","display":"A"},{"system":"s","code":"b"},{"code":"a"}],"profile":["p"],"security":[{"system":"s","code":"a"}]},"active":true}"#;
        assert_eq!(text(&patient), with);
        labels.add_to(&mut patient).expect("an object");
        assert_eq!(text(&patient), with, "again is nothing new");
        labels.remove_from(&mut patient).expect("an object");
        assert_eq!(text(&patient), r#"{"resourceType":"Patient","id":"a","active":true}"#);
        labels.remove_from(&mut patient).expect("an object");
        assert_eq!(text(&patient), r#"{"resourceType":"Patient","id":"a","active":true}"#);
        labels.add_to(&mut patient).expect("an object");
        assert!(text(&patient).starts_with(r#"{"resourceType":"Patient","id":"a","meta":{"profile":["p"]"#));
    }

    #[test]
    fn what_stands_beside_profiles_stays_beside_them() {
        let mut patient = json(
            r#"{"resourceType":"Patient","meta":{"profile":["p","q"],"_profile":[null,{"id":"x"}],"versionId":"1"}}"#,
        );
        Labels::of(&json(r#"{"profile":["p"]}"#)).remove_from(&mut patient).expect("an object");
        let rest = r#"{"resourceType":"Patient","meta":{"profile":["q"],"_profile":[{"id":"x"}],"versionId":"1"}}"#;
        assert_eq!(text(&patient), rest);
        Labels::of(&json(r#"{"profile":["r"]}"#)).add_to(&mut patient).expect("an object");
        assert_eq!(
            text(&patient),
            r#"{"resourceType":"Patient","meta":{"profile":["q","r"],"_profile":[{"id":"x"},null],"versionId":"1"}}"#
        );
    }

    #[test]
    fn a_summary_is_a_meta_of_nothing_else() {
        let mut labels = Labels::default();
        assert_eq!(text(&labels.clone().into_meta()), "{}");
        for meta in [
            r#"{"versionId":"1","tag":[{"code":"a"}],"source":"x"}"#,
            r#"{"tag":[{"code":"b"},{"code":"a"}],"profile":["p"]}"#,
        ] {
            labels.take(&json(meta));
        }
        assert_eq!(text(&labels.into_meta()), r#"{"profile":["p"],"tag":[{"code":"a"},{"code":"b"}]}"#);
    }
}
