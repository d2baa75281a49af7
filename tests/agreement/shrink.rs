//! What can be taken out of a resource without ending a disagreement about it.

use serde_json::Value;

use super::product::{BASE, NOW, World};
use crate::search::asks::Ask;
use crate::search::definitions::{Definitions, Param};
use crate::search::holds::holds;
use crate::search::values::values;

/// How often it is tried.
const TRIES: usize = 150;

/// The resource without what does not matter; itself where its disagreement needs its place among others.
pub fn shrunk(all: &'static Definitions, kind: &str, param: &Param, ask: &Ask, json: &Value) -> Value {
    let (name, value) = ask.pair(&param.code, BASE);
    let differs = |json: &Value| {
        let expected = holds(param, &values(all, param, json, BASE), ask, NOW);
        let found = World::new(std::iter::once(json)).found(kind, &name, &value, &[0]);
        found.is_ok_and(|found| found[0].0 != found[0].1 || expected.is_some_and(|expected| expected != found[0].0))
    };
    if !differs(json) {
        return json.clone();
    }
    let (mut json, mut tries) = (json.clone(), 0);
    loop {
        let mut is_smaller = false;
        for path in paths(&json) {
            let mut less = json.clone();
            tries += 1;
            if tries > TRIES || !remove(&mut less, &path) {
                continue;
            }
            if differs(&less) {
                (json, is_smaller) = (less, true);
                break;
            }
        }
        if !is_smaller {
            return json;
        }
    }
}

/// The places of all parts, the outer ones first; of lists from the end.
fn paths(json: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), json)];
    while let Some((path, json)) = rest.pop() {
        let inner: Vec<(String, &Value)> = match json {
            Value::Object(all) => all.iter().map(|(name, value)| (format!("{path}/{name}"), value)).collect(),
            Value::Array(all) => {
                all.iter().enumerate().rev().map(|(n, value)| (format!("{path}/{n}"), value)).collect()
            }
            _ => Vec::new(),
        };
        found.extend(inner.iter().map(|(path, _)| path.clone()));
        rest.extend(inner);
    }
    found.retain(|path| path != "/resourceType" && path != "/id");
    found.sort_by_key(|path| path.matches('/').count());
    found
}

/// Takes a part out. Of lists of values with lists beside them (`_given`) only whole ones.
fn remove(json: &mut Value, path: &str) -> bool {
    let Some((owner, name)) = path.rsplit_once('/') else { return false };
    match json.pointer_mut(owner) {
        Some(Value::Object(all)) => all.remove(name).is_some(),
        Some(Value::Array(all)) if all.len() > 1 => {
            all.remove(name.parse().unwrap());
            true
        }
        _ => false,
    }
}

#[test]
fn parts_are_taken_out() {
    let mut json = serde_json::json!({"resourceType": "A", "id": "b", "c": [1, {"d": 2}]});
    assert_eq!(paths(&json), ["/c", "/c/1", "/c/0", "/c/1/d"]);
    assert!(remove(&mut json, "/c/1/d") && remove(&mut json, "/c/0") && !remove(&mut json, "/c/0"));
    assert_eq!(json["c"], serde_json::json!([{}]));
}
