//! StructureMaps: the variables that rules speak of are there, and so are the elements of their types (FHIR R4
//! `structuremap.html`).

use super::state::{Check, shown};
use crate::fhir::definitions::element::{TypeId, properties, type_by_name};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// A variable, and what type it has as far as that is known.
type Variable<'j> = (&'j str, Option<TypeId>);

/// Checks the groups of a map.
pub fn check(check: &mut Check<'_, '_>, map: &Json, path: &Path) {
    let all = path.child("group");
    for (n, group) in list(map, "group").iter().enumerate() {
        let variable = |input| Some((text(input, "name")?, text(input, "type").and_then(type_by_name)));
        let mut known: Vec<Variable<'_>> = list(group, "input").iter().filter_map(variable).collect();
        rules(check, group, &mut known, &all.item(n));
    }
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

/// The rules of a group, or those within another; what a rule names is known to it and to those within it.
fn rules<'j>(check: &mut Check<'_, '_>, owner: &'j Json, known: &mut Vec<Variable<'j>>, path: &Path) {
    let all = path.child("rule");
    for (n, rule) in list(owner, "rule").iter().enumerate() {
        let (place, before) = (all.item(n), known.len());
        for name in ["source", "target"] {
            let ends = place.child(name);
            for (m, end) in list(rule, name).iter().enumerate() {
                self::end(check, name, end, known, &ends.item(m));
            }
        }
        rules(check, rule, known, &place);
        known.truncate(before);
    }
}

/// A source or target of a rule.
fn end<'j>(check: &mut Check<'_, '_>, name: &str, end: &'j Json, known: &mut Vec<Variable<'j>>, path: &Path) {
    let mut kind = None;
    if let Some(context) = text(end, "context").filter(|_| text(end, "contextType") != Some("type")) {
        check.charge(known.len() as u64, path);
        if check.steps == 0 {
            return;
        }
        let found = known.iter().rev().find(|variable| variable.0 == context);
        match found {
            None => {
                let text = || format!("there is no variable \"{}\" at this {name}", shown(context));
                check.fail("not-found", text, &path.child("context"));
            }
            Some((_, of)) => kind = element(check, *of, text(end, "element").unwrap_or(""), path),
        }
    }
    if let Some(variable) = text(end, "variable") {
        let created = text(end, "transform").is_some().then_some(None);
        known.push((variable, created.unwrap_or(kind)));
    }
}

/// The type of what a path within a type leads to, as far as it is known. A path that leads nowhere is told.
fn element(check: &mut Check<'_, '_>, of: Option<TypeId>, element: &str, path: &Path) -> Option<TypeId> {
    let mut owner = of?;
    for name in element.split('.').filter(|name| !name.is_empty()) {
        let mut found = properties(owner).iter().filter(|property| property.element == name);
        let Some(first) = found.next() else {
            let text = || format!("{} has no element \"{}\"", owner.name(), shown(name));
            check.fail("not-found", text, &path.child("element"));
            return None;
        };
        if first.is_choice || owner.name() == "Resource" {
            return None;
        }
        owner = first.type_id;
    }
    Some(owner)
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Registry, validate};
    use crate::fhir::json::parse;

    #[test]
    fn variables_and_elements_are_there() {
        let told = |source: &str, element: &str, context: &str| {
            let text = format!(
                r#"{{"resourceType":"StructureMap","url":"http://a.b/x","name":"X","status":"draft","group":[{{"name":"a","typeMode":"none",
                "input":[{{"name":"from","type":"Patient","mode":"source"}},{{"name":"to","type":"Basic","mode":"target"}}],
                "rule":[{{"name":"r","source":[{{"context":"{source}","element":"{element}","variable":"a"}}],
                "rule":[{{"name":"s","source":[{{"context":"{context}"}}],
                "target":[{{"context":"to","contextType":"variable","element":"code","transform":"copy"}}]}}]}}]}}]}}"#
            );
            let options = Options { is_thorough: true, ..Options::default() };
            let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
            issues.iter().filter_map(|issue| issue.expression.clone()).collect::<Vec<_>>()
        };
        assert!(told("from", "name.family", "a").is_empty(), "{:?}", told("from", "name.family", "a"));
        let rule = "StructureMap.group[0].rule[0]";
        assert_eq!(told("else", "name", "a"), [format!("{rule}.source[0].context")]);
        assert_eq!(told("from", "nam", "a"), [format!("{rule}.source[0].element")]);
        assert_eq!(told("from", "deceasedBoolean", "a"), [format!("{rule}.source[0].element")]);
        assert_eq!(told("from", "name", "b"), [format!("{rule}.rule[0].source[0].context")]);
    }

    #[test]
    fn many_variables_are_bounded() {
        let target = |n: usize| format!(r#"{{"context":"from","contextType":"variable","variable":"v{n}"}}"#);
        let targets: Vec<String> = (0..11_000).map(target).collect();
        let text = format!(
            r#"{{"resourceType":"StructureMap","url":"http://a.b/x","name":"X","status":"draft","group":[{{"name":"a","typeMode":"none",
            "input":[{{"name":"from","type":"Patient","mode":"source"}}],
            "rule":[{{"name":"r","source":[{{"context":"from"}}],"target":[{}]}}]}}]}}"#,
            targets.join(",")
        );
        let options = Options { is_thorough: true, ..Options::default() };
        let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
        assert!(issues.iter().any(|issue| issue.code == "too-costly"), "{issues:?}");
    }
}
