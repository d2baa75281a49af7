//! Questionnaires: the questions on whose answers an item depends are there (FHIR R4 `questionnaire.html`, `enableWhen`).

use hashbrown::HashSet;

use super::state::{Check, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks the items of a Questionnaire.
pub fn check(check: &mut Check<'_, '_>, form: &Json, path: &Path) {
    let mut known = HashSet::new();
    names(form, &mut known);
    items(check, form, &known, path);
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

/// The link ids of all items within one.
fn names<'j>(owner: &'j Json, found: &mut HashSet<&'j str>) {
    for item in list(owner, "item") {
        found.extend(text(item, "linkId"));
        names(item, found);
    }
}

fn items(check: &mut Check<'_, '_>, owner: &Json, known: &HashSet<&str>, path: &Path) {
    let all = path.child("item");
    for (n, item) in list(owner, "item").iter().enumerate() {
        let place = all.item(n);
        enabled(check, item, known, &place);
        items(check, item, known, &place);
    }
}

/// An item may depend on questions, neither on itself nor on those within it.
fn enabled(check: &mut Check<'_, '_>, item: &Json, known: &HashSet<&str>, path: &Path) {
    let conditions = list(item, "enableWhen");
    if conditions.is_empty() {
        return;
    }
    let mut inner: HashSet<&str> = text(item, "linkId").into_iter().collect();
    names(item, &mut inner);
    check.charge(inner.len() as u64, path);
    let all = path.child("enableWhen");
    for (n, condition) in conditions.iter().enumerate() {
        let Some(question) = text(condition, "question") else { continue };
        let problem = match (known.contains(question), inner.contains(question)) {
            (false, _) => "there is no item with the link id",
            (true, true) => "the item cannot depend on itself or on what is within it:",
            (true, false) => continue,
        };
        let place = all.item(n);
        check.fail("not-found", || format!("{problem} \"{}\"", shown(question)), &place.child("question"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Registry, validate};
    use crate::fhir::json::parse;

    #[test]
    fn items_depend_on_items_that_are_there() {
        let told = |question: &str| {
            let text = format!(
                r#"{{"resourceType":"Questionnaire","status":"draft","item":[{{"linkId":"a","type":"string"}},
                {{"linkId":"b","type":"group","enableWhen":[{{"question":"{question}","operator":"exists","answerBoolean":true}}],
                "item":[{{"linkId":"c","type":"string"}}]}}]}}"#
            );
            let options = Options { is_thorough: true, ..Options::default() };
            let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
            issues.iter().filter_map(|issue| issue.expression.clone()).collect::<Vec<_>>()
        };
        assert!(told("a").is_empty(), "{:?}", told("a"));
        for question in ["x", "b", "c"] {
            assert_eq!(told(question), ["Questionnaire.item[1].enableWhen[0].question"], "{question}");
        }
    }
}
