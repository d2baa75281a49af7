//! Documents: every entry is linked with the Composition, by references that lead to it or from it, through other entries or
//! without (FHIR R4 `documents.html#content`).

use super::state::{Check, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Names of elements whose values are no references.
const NO_REFERENCES: [&str; 6] = ["fullUrl", "system", "profile", "div", "id", "resourceType"];

/// Checks the entries of a document.
pub fn check(check: &mut Check<'_, '_>, bundle: &Json, path: &Path) {
    let Some(index) = check.bundle else { return };
    let entries = bundle.get("entry").and_then(Json::as_array).unwrap_or_default();
    let resources: Vec<Option<&Json>> = entries.iter().map(|entry| entry.get("resource")).collect();
    let place = |json: &Json| resources.iter().position(|one| one.is_some_and(|one| std::ptr::eq(one, json)));
    let mut targets: Vec<Vec<usize>> = Vec::new();
    for entry in entries {
        let mut texts = Vec::new();
        references(entry.get("resource").unwrap_or(&Json::Null), &mut texts);
        check.charge((texts.len() + entries.len()) as u64, path);
        if check.steps == 0 {
            return;
        }
        let full_url = entry.get("fullUrl").and_then(Json::as_str);
        let nodes = texts.iter().filter_map(|text| index.find(text, full_url).or_else(|| index.alike(text)));
        let mut found: Vec<usize> = nodes.filter_map(|node| place(node.json)).collect();
        check.charge((found.len() * entries.len()) as u64, path);
        found.sort_unstable();
        found.dedup();
        targets.push(found);
    }
    let is_linked = linked(&targets);
    for (n, entry) in entries.iter().enumerate().filter(|(n, _)| !is_linked[*n] && resources[*n].is_some()) {
        let url = entry.get("fullUrl").and_then(Json::as_str).unwrap_or("");
        let text =
            || format!("the entry {} has nothing to do with the Composition: no reference links them", shown(url));
        check.fail("not-found", text, &path.item(n));
    }
}

/// Which entries are linked with the first one.
fn linked(targets: &[Vec<usize>]) -> Vec<bool> {
    let mut sources: Vec<Vec<usize>> = vec![Vec::new(); targets.len()];
    for (source, found) in targets.iter().enumerate() {
        for target in found {
            sources[*target].push(source);
        }
    }
    let mut is_linked = vec![false; targets.len()];
    let mut open: Vec<usize> = (!targets.is_empty()).then_some(0).into_iter().collect();
    while let Some(n) = open.pop() {
        if !std::mem::replace(&mut is_linked[n], true) {
            open.extend(targets[n].iter().chain(&sources[n]));
        }
    }
    is_linked
}

/// All texts that may lead to an entry.
fn references<'j>(json: &'j Json, found: &mut Vec<&'j str>) {
    match json {
        Json::String(text) => {
            let may_lead = !text.starts_with('#') && text.contains(['/', ':']);
            found.extend(may_lead.then_some(&**text));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(object) => {
            let others = object.iter().filter(|(name, _)| !NO_REFERENCES.contains(&name.as_str()));
            others.for_each(|(_, value)| references(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Registry, validate};
    use crate::fhir::json::parse;

    #[test]
    fn entries_are_linked_in_either_direction() {
        let told = |author: &str, subject: &str| {
            let text = format!(
                r#"{{"resourceType":"Bundle","type":"document","timestamp":"2020-01-01T00:00:00Z",
                "identifier":{{"system":"urn:oid:1.2.3.4","value":"x"}},"entry":[
                {{"fullUrl":"http://a/Composition/1","resource":{{"resourceType":"Composition","id":"1","status":"final","type":{{"text":"x"}},
                  "date":"2020","title":"x","author":[{{"reference":"Practitioner/{author}"}}]}}}},
                {{"fullUrl":"http://a/Practitioner/1","resource":{{"resourceType":"Practitioner","id":"1"}}}},
                {{"fullUrl":"http://a/Basic/1","resource":{{"resourceType":"Basic","id":"1","code":{{"text":"x"}},
                  "subject":{{"reference":"Practitioner/{subject}"}}}}}}]}}"#
            );
            let options = Options { is_thorough: true, ..Options::default() };
            let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
            issues.iter().filter_map(|issue| issue.expression.clone()).collect::<Vec<_>>()
        };
        assert!(told("1", "1").is_empty(), "{:?}", told("1", "1"));
        assert_eq!(told("1", "2"), ["Bundle.entry[2]"]);
    }
}
