//! What a profile may say: it restricts its base and takes nothing back (FHIR R4 `profiling.html`, `elementdefinition.html`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::registry::Registry;
use super::state::{Check, shown};
use super::types::is_general;
use crate::fhir::definitions::element::{TypeId, TypeKind, properties, type_by_name};
use crate::fhir::fhirpath;
use crate::fhir::json::{Json, Object};
use crate::fhir::path::Path;
use crate::fhir::terminology::memory::{list, text};

/// How deep a path may lead into types of types.
const TYPES_DEEP: usize = 8;

/// The extension for what only some versions of FHIR have.
const VERSION_USE: &str = "http://hl7.org/fhir/StructureDefinition/version-specific-use";

/// Classes of FHIR R5 that extensions name as places.
const CLASSES: [&str; 6] =
    ["Base", "BackboneType", "CanonicalResource", "DataType", "MetadataResource", "PrimitiveType"];

/// Where the base definitions stand.
const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Checks a StructureDefinition with a base.
pub fn check(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    extension_only(check, definition, path);
    if text(definition, "baseDefinition").is_some() && definition.get("derivation").is_none() {
        let text = || "what has a base definition says whether it specializes or constrains it".to_owned();
        check.fail("required", text, &path.child("derivation"));
    }
    let snapshot = definition.get("snapshot").map_or(&[][..], |one| list(one, "element"));
    unsliced(check, snapshot, &[], &path.child("snapshot"));
    invariants(check, snapshot, &path.child("snapshot"));
    if text(definition, "derivation") != Some("constraint") {
        return;
    }
    kind(check, definition, path);
    let Some(mut bases) = Bases::of(check.registry, definition) else { return };
    let place = path.child("differential");
    let differential = definition.get("differential").map_or(&[][..], |one| list(one, "element"));
    unsliced(check, differential, &bases.main, &place);
    let all = place.child("element");
    let keys = keys(&bases.main);
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (n, element) in differential.iter().enumerate() {
        let Some(name) = text(element, "path") else { continue };
        let place = all.item(n);
        check.charge(bases.main.len() as u64, &place);
        if check.steps == 0 {
            return;
        }
        let Some((position, base)) = bases.find(name, TYPES_DEEP) else { continue };
        narrows(check, element, &base, &place);
        other_invariants(check, element, &keys, &place);
        let parent = text(element, "id").and_then(|id| id.rsplit_once('.')).map_or("", |(parent, _)| parent);
        let before = last.insert(parent, position).unwrap_or(0);
        if position < before {
            let text = || format!("{} stands after an element that follows it in the base", shown(name));
            check.fail("value", text, &place.child("path"));
        }
    }
}

/// Contexts and what must hold in them are of extensions.
fn extension_only(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let contexts = path.child("context");
    let is_extension = text(definition, "type") == Some("Extension");
    for (n, context) in list(definition, "context").iter().enumerate() {
        let place = contexts.item(n);
        if !is_extension {
            return check.fail("value", || "only an extension has a context".to_owned(), &place);
        }
        // what is of another version of FHIR only says so
        let is_version = |extension: &Json| text(extension, "url") == Some(VERSION_USE);
        let is_here = text(context, "type") == Some("element") && !list(context, "extension").iter().any(is_version);
        let expression = text(context, "expression").filter(|_| is_here);
        if let Some(expression) = expression.filter(|expression| !is_element(expression)) {
            let text = || format!("there is no element {}", shown(expression));
            check.fail("not-found", text, &place.child("expression"));
        }
    }
    let invariants = path.child("contextInvariant");
    for (n, invariant) in list(definition, "contextInvariant").iter().enumerate() {
        if let Some(fault) = invariant.as_str().and_then(|text| fhirpath::compile(text).err()) {
            let text = || format!("the expression cannot be evaluated: {}", shown(fault.message()));
            check.fail("value", text, &invariants.item(n));
        }
    }
}

/// The invariants of a snapshot are about what their elements have.
fn invariants(check: &mut Check<'_, '_>, elements: &[Json], path: &Path) {
    let all = path.child("element");
    for (n, element) in elements.iter().enumerate() {
        let place = all.item(n);
        let place = place.child("constraint");
        let context = text(element, "path").and_then(type_at);
        let options = fhirpath::Options { is_strict: context.is_some(), context, ..fhirpath::Options::default() };
        for (m, one) in list(element, "constraint").iter().enumerate() {
            if let Some(fault) = text(one, "expression").and_then(|text| fhirpath::compile_with(text, &options).err()) {
                let text = || format!("the expression cannot be evaluated: {}", shown(fault.message()));
                check.fail("value", text, &place.item(m).child("expression"));
            }
        }
    }
}

/// The type of the element at a path; none where it may be of several.
fn type_at(path: &str) -> Option<TypeId> {
    let mut parts = path.split('.');
    let mut owner = type_by_name(parts.next()?)?;
    for part in parts {
        let found = properties(owner).iter().find(|one| one.element == part)?;
        owner = Some(found.type_id).filter(|_| !found.is_choice)?;
    }
    Some(owner)
}

/// Whether a path leads to an element of a type of FHIR, or to a type: also to classes of R5, and into profiles, which are not looked at.
fn is_element(path: &str) -> bool {
    if path.contains([':', '#']) || CLASSES.contains(&path) {
        return true;
    }
    let mut parts = path.split('.');
    let Some(mut owner) = parts.next().and_then(type_by_name) else { return false };
    for part in parts {
        let name = part.trim_end_matches("[x]");
        let mut found = properties(owner).iter().filter(|one| one.element == name || one.name.as_str() == part);
        let Some(first) = found.next() else { return false };
        if first.is_choice && part != first.name.as_str() {
            return true;
        }
        owner = first.type_id;
    }
    true
}

/// A profile is of the kind of its base.
fn kind(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let kind = match text(definition, "type").and_then(type_by_name).map(TypeId::kind) {
        Some(TypeKind::Resource) => "resource",
        Some(TypeKind::Complex) => "complex-type",
        Some(TypeKind::Primitive) => "primitive-type",
        _ => return,
    };
    if text(definition, "kind").is_some_and(|own| own != kind) {
        check.fail("value", || format!("a profile of this type has the kind {kind}"), &path.child("kind"));
    }
}

/// Slices stand after the slicing that tells them apart, in the same list or in the base.
fn unsliced(check: &mut Check<'_, '_>, elements: &[Json], base: &[Json], path: &Path) {
    let all = path.child("element");
    let is_sliced = |element: &&Json| element.get("slicing").is_some();
    let mut sliced: HashSet<&str> = base.iter().filter(is_sliced).filter_map(|one| text(one, "path")).collect();
    for (n, element) in elements.iter().enumerate() {
        let Some(name) = text(element, "path") else { continue };
        if element.get("slicing").is_some() {
            sliced.insert(name);
        }
        let Some((before, last)) = name.rsplit_once('.') else { continue };
        let is_form = || {
            let owner = type_at(before).map_or(&[][..], properties);
            last.ends_with("[x]") || owner.iter().any(|one| one.is_choice && one.name.as_str() == last)
        };
        let is_free = || matches!(last, "extension" | "modifierExtension") || is_form();
        if element.get("sliceName").is_some() && !sliced.contains(name) && !is_free() {
            let text = || format!("there is no slicing of {} before this slice", shown(name));
            check.fail("value", text, &all.item(n));
        }
    }
}

/// The elements of the base of a profile, and of the types that it looks into.
struct Bases<'r> {
    registry: &'r Registry,
    main: Vec<Json>,
    /// Which of them are in no slice.
    plain: Vec<usize>,
    types: HashMap<String, Vec<Json>>,
}

impl<'r> Bases<'r> {
    fn of(registry: &'r Registry, definition: &Json) -> Option<Self> {
        let main = registry.base_elements(text(definition, "baseDefinition")?)?;
        let mut slice = None;
        let mut is_plain = |n: &usize| {
            let (element, path) = (&main[*n], text(&main[*n], "path").unwrap_or(""));
            let is_within =
                slice.is_some_and(|slice| path.strip_prefix(slice).is_some_and(|rest| rest.starts_with('.')));
            if !is_within {
                slice = element.get("sliceName").map(|_| path);
            }
            slice.is_none()
        };
        let plain = (0..main.len()).filter(|n| is_plain(n)).collect();
        Some(Self { registry, plain, main, types: HashMap::new() })
    }

    /// The element with a path, in no slice, and its position among those beside it.
    fn find(&mut self, path: &str, depth: usize) -> Option<(usize, Json)> {
        if let Some(position) = self.plain.iter().find(|n| text(&self.main[**n], "path") == Some(path)) {
            return Some((*position, self.main[*position].clone()));
        }
        let (parent, last) = path.rsplit_once('.').filter(|_| depth > 0)?;
        let (_, parent) = self.find(parent, depth - 1)?;
        let [one] = list(&parent, "type") else { return None };
        let name = text(one, "code").filter(|code| !code.contains(':'))?;
        let elements = match self.types.entry(name.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                free.insert(self.registry.base_elements(&format!("{BASE}{name}")).unwrap_or_default())
            }
        };
        let wanted = format!("{name}.{last}");
        let position = elements.iter().position(|element| text(element, "path") == Some(&*wanted))?;
        Some((position, elements[position].clone()))
    }
}

/// An element of a differential restricts that of the base.
fn narrows(check: &mut Check<'_, '_>, element: &Json, base: &Json, path: &Path) {
    cardinality(check, element, base, path);
    let types = codes(base);
    narrower_types(check, element, base, &types, path);
    values(check, element, &types, path);
    bound(check, element, base, path);
    fixed(check, element, base, path);
}

/// What the base fixes stays so.
fn fixed(check: &mut Check<'_, '_>, element: &Json, base: &Json, path: &Path) {
    if element.get("sliceName").is_some() {
        return;
    }
    let mut given = element.as_object().into_iter().flat_map(Object::iter);
    let is_other = |name: &str, value: &Json| base.get(name).is_some_and(|old| old != value);
    if given.any(|(name, value)| name.as_str().starts_with("fixed") && is_other(name.as_str(), value)) {
        check.fail("value", || "the base fixes another value for this element".to_owned(), path);
    }
}

/// The keys of all invariants of a snapshot, with their expressions.
fn keys(elements: &[Json]) -> HashMap<Box<str>, Box<str>> {
    let all = elements.iter().flat_map(|element| list(element, "constraint"));
    all.filter_map(|one| Some((text(one, "key")?.into(), text(one, "expression")?.into()))).collect()
}

/// An invariant with a key that the base has is the one of the base.
fn other_invariants(check: &mut Check<'_, '_>, element: &Json, keys: &HashMap<Box<str>, Box<str>>, path: &Path) {
    let place = path.child("constraint");
    for (n, one) in list(element, "constraint").iter().enumerate() {
        let same = text(one, "key").and_then(|key| keys.get(key));
        if same.is_some_and(|same| text(one, "expression") != Some(same)) {
            let text = || "the base has another invariant with this key".to_owned();
            check.fail("value", text, &place.item(n).child("key"));
        }
    }
}

fn cardinality(check: &mut Check<'_, '_>, element: &Json, base: &Json, path: &Path) {
    let number = |json: &Json, name: &str| match json.get(name)? {
        Json::Number(number) => number.as_str().parse::<u64>().ok(),
        Json::String(text) if &**text == "*" => Some(u64::MAX),
        json => json.as_str()?.parse().ok(),
    };
    let wider = |name: &str| number(element, name).zip(number(base, name)).filter(|(own, base)| own != base);
    if let Some((own, least)) = wider("min").filter(|(own, least)| own < least && element.get("sliceName").is_none()) {
        check.fail("value", || format!("the base asks for at least {least}, not {own}"), &path.child("min"));
    }
    if let Some((_, most)) = wider("max").filter(|(own, most)| own > most) {
        check.fail("value", || format!("the base allows at most {most}"), &path.child("max"));
    }
}

/// The codes of the types of an element; none where they are not those of FHIR.
fn codes(element: &Json) -> Vec<&str> {
    let url = text(element, "path").is_some_and(|path| path == "Extension.url");
    if url {
        return vec!["uri"];
    }
    let codes: Vec<&str> = list(element, "type").iter().filter_map(|one| text(one, "code")).collect();
    if codes.iter().any(|code| code.contains(':')) { Vec::new() } else { codes }
}

fn narrower_types(check: &mut Check<'_, '_>, element: &Json, base: &Json, types: &[&str], path: &Path) {
    let all = path.child("type");
    for (n, one) in list(element, "type").iter().enumerate() {
        let Some(code) = text(one, "code").filter(|code| !types.is_empty() && !code.contains(':')) else { continue };
        let place = all.item(n);
        let own = type_by_name(code);
        let fits = |base: &&str| {
            *base == code || own.zip(type_by_name(base)).is_some_and(|(own, base)| is_general(base) && own.is_a(base))
        };
        if !types.iter().any(fits) {
            let text = || format!("the base allows {}, not {}", types.join(", "), shown(code));
            check.fail("value", text, &place.child("code"));
            continue;
        }
        let targets = list(base, "type").iter().filter(|base| text(base, "code") == Some(code));
        let allowed: Vec<&str> =
            targets.flat_map(|base| list(base, "targetProfile")).filter_map(Json::as_str).collect();
        let registry = check.registry;
        let type_of = |url: &str| Some(registry.profile(url)?.ok()?.type_id);
        let urls = place.child("targetProfile");
        for (m, target) in list(one, "targetProfile").iter().enumerate() {
            let Some(own) = target.as_str().and_then(type_of).filter(|_| !allowed.is_empty()) else { continue };
            if !allowed.iter().any(|url| type_of(url).is_none_or(|base| own.is_a(base))) {
                let text = || format!("the base has no reference to {}", own.name());
                check.fail("value", text, &urls.item(m));
            }
        }
    }
}

/// Values that are fixed or patterns are of a type of the element.
fn values(check: &mut Check<'_, '_>, element: &Json, base: &[&str], path: &Path) {
    let own = codes(element);
    let types = if own.is_empty() { base } else { &own };
    let names = element.as_object().into_iter().flat_map(Object::iter).map(|(name, _)| name.as_str());
    for name in names {
        let Some(kind) = name.strip_prefix("fixed").or_else(|| name.strip_prefix("pattern")) else { continue };
        let is_it = |code: &str| code.eq_ignore_ascii_case(kind);
        if !types.is_empty() && !types.iter().any(|code| is_it(code) || type_by_name(code).is_some_and(is_general)) {
            let text = || format!("the element is {}, not {}", types.join(", "), shown(kind));
            check.fail("value", text, &path.child(name));
        }
    }
}

/// A required binding stays one, and to codes that the base has.
fn bound(check: &mut Check<'_, '_>, element: &Json, base: &Json, path: &Path) {
    let (Some(own), Some(base)) = (element.get("binding"), base.get("binding")) else { return };
    if text(base, "strength") != Some("required") {
        return;
    }
    let place = path.child("binding");
    if text(own, "strength").is_some_and(|strength| strength != "required") {
        let text = || "the base has a required binding, which stays one".to_owned();
        return check.fail("value", text, &place.child("strength"));
    }
    let set = |binding: &Json| text(binding, "valueSet").and_then(|url| check.registry.value_set(url));
    let sets = set(own).zip(set(base));
    check.charge(sets.map_or(0, |(own, _)| own.size() as u64), &place);
    if let Some(other) = sets.filter(|_| check.steps > 0).and_then(|(own, base)| own.beyond(base)) {
        let text = || format!("the value set has the code \"{}\", which that of the base has not", shown(other));
        check.fail("value", text, &place.child("valueSet"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, validate};

    fn errors(definition: &str) -> String {
        let json = parse(definition.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {definition}"));
        let options = Options { is_thorough: true, ..Options::default() };
        let issues = validate(Registry::core(), &json, &[], options);
        issues.iter().filter_map(|issue| issue.expression.as_deref()).collect::<Vec<_>>().join(" ")
    }

    /// A profile of Patient, with more properties and more elements.
    fn profile(rest: &str, elements: &str) -> String {
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"draft","abstract":false,"type":"Patient",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",{rest},
            "differential":{{"element":[{{"id":"Patient","path":"Patient"}}{elements}]}}}}"#
        )
    }

    const RESOURCE: &str = r#""kind":"resource","derivation":"constraint""#;

    #[test]
    fn a_profile_takes_nothing_back() {
        for (path, rest, wrong) in [
            ("Patient.name", r#""min":1,"max":"1""#, ""),
            ("Patient.gender", r#""max":"2""#, "max"),
            ("Patient.birthDate", r#""max":"*""#, "max"),
            ("Patient.link.other", r#""min":0"#, "min"),
            ("Patient.name.use", r#""max":"*""#, "max"),
            ("Patient.deceased[x]", r#""type":[{"code":"boolean"}]"#, ""),
            ("Patient.deceased[x]", r#""type":[{"code":"string"}]"#, "type[0].code"),
            ("Patient.birthDate", r#""type":[{"code":"Foo"}]"#, "type[0].code"),
            (
                "Patient.managingOrganization",
                r#""type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]"#,
                "",
            ),
            (
                "Patient.managingOrganization",
                r#""type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Observation"]}]"#,
                "type[0].targetProfile[0]",
            ),
            ("Patient.gender", r#""fixedCode":"male""#, ""),
            ("Patient.gender", r#""fixedString":"male""#, "fixedString"),
            ("Patient.maritalStatus", r#""patternCoding":{"code":"M"}"#, "patternCoding"),
            (
                "Patient.gender",
                r#""binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}"#,
                "",
            ),
            ("Patient.gender", r#""binding":{"strength":"example"}"#, "binding.strength"),
            (
                "Patient.gender",
                r#""binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/marital-status"}"#,
                "binding.valueSet",
            ),
            (
                "Patient.contact",
                r#""constraint":[{"key":"pat-1","severity":"error","human":"h","expression":"true"}]"#,
                "constraint[0].key",
            ),
            ("Patient.identifier", r#""sliceName":"a""#, "."),
        ] {
            let id = if rest.contains("sliceName") { format!("{path}:a") } else { path.to_owned() };
            let found = errors(&profile(RESOURCE, &format!(r#",{{"id":"{id}","path":"{path}",{rest}}}"#)));
            let element = "StructureDefinition.differential.element[1]";
            let expected = match wrong {
                "" => String::new(),
                "." => element.to_owned(),
                wrong => format!("{element}.{wrong}"),
            };
            assert_eq!(found, expected, "{path} {rest}");
        }
        let two = |first: &str, second: &str| {
            let element = |name: &str| format!(r#",{{"id":"Patient.{name}","path":"Patient.{name}","min":1}}"#);
            errors(&profile(RESOURCE, &(element(first) + &element(second))))
        };
        assert_eq!(two("name", "birthDate"), "");
        assert_eq!(two("birthDate", "name"), "StructureDefinition.differential.element[2].path");
    }

    #[test]
    fn what_a_profile_says_of_itself() {
        let context = |expression: &str| format!(r#""context":[{{"type":"element","expression":"{expression}"}}]"#);
        for (rest, wrong) in [
            (RESOURCE.to_owned(), ""),
            (r#""kind":"complex-type","derivation":"constraint""#.to_owned(), "kind"),
            (format!("{RESOURCE},{}", context("Patient")), "context[0]"),
        ] {
            let expected = if wrong.is_empty() { String::new() } else { format!("StructureDefinition.{wrong}") };
            assert_eq!(errors(&profile(&rest, "")), expected, "{rest}");
        }
        let extension = |rest: &str| {
            errors(&format!(
                r#"{{"resourceType":"StructureDefinition","url":"http://example.org/e","name":"E","status":"draft","abstract":false,
                "kind":"complex-type","type":"Extension","derivation":"constraint",{rest},
                "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","differential":{{"element":[
                {{"id":"Extension","path":"Extension"}},{{"id":"Extension.url","path":"Extension.url","fixedUri":"http://example.org/e"}}]}}}}"#
            ))
        };
        for known in ["Patient", "Patient.contact.name", "HumanName.family", "Observation.value[x]", "Element"] {
            assert_eq!(extension(&context(known)), "", "{known}");
        }
        for unknown in ["Foo", "Patient.foo", "Patient.name.foo"] {
            assert_eq!(extension(&context(unknown)), "StructureDefinition.context[0].expression", "{unknown}");
        }
        let invariant = format!(r#"{},"contextInvariant":["foo("]"#, context("Patient"));
        assert_eq!(extension(&invariant), "StructureDefinition.contextInvariant[0]");
    }

    #[test]
    fn invariants_of_a_snapshot_are_about_what_there_is() {
        let snapshot = |path: &str, expression: &str| {
            let rest = format!(
                r#"{RESOURCE},"snapshot":{{"element":[{{"id":"Patient","path":"Patient","min":0,"max":"*","definition":"d",
                "base":{{"path":"Patient","min":0,"max":"*"}}}},
                {{"id":"{path}","path":"{path}","min":0,"max":"1","definition":"d","base":{{"path":"{path}","min":0,"max":"1"}},
                "type":[{{"code":"BackboneElement"}}],
                "constraint":[{{"key":"x-1","severity":"error","human":"h","expression":"{expression}"}}]}}]}}"#
            );
            errors(&profile(&rest, ""))
        };
        let wrong = "StructureDefinition.snapshot.element[1].constraint[0].expression";
        assert_eq!(snapshot("Patient.contact", "name.exists()"), "");
        assert_eq!(snapshot("Patient.contact", "nonsense.exists()"), wrong);
        assert_eq!(snapshot("Patient.contact", "name.exists("), wrong);
        assert_eq!(snapshot("Patient.deceased[x]", "nonsense.exists()"), "");
    }
}
