//! What leads from one version of a resource to another, as a FHIRPath Patch (FHIR R4 `fhirpatch.html`): applied to the first
//! it gives the second.
//!
//! Elements are compared by the definitions, so that a primitive and what stands beside it are one. In an object what is added
//! and changed comes before what goes, for an object that becomes empty goes by itself. Lists are aligned by what is the same in
//! both; what stands between is changed item by item, then taken away or put in, from the end, so that places in
//! front of it stay. A list that is only in another order is moved.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::element::{Element, sibling, take, type_of};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{
    Property, TypeId, TypeKind, properties, property, resource_type_id, type_by_name,
};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::resource::resource_type;

/// Pairs of items that are compared to align two lists; beyond it they are taken as they stand.
const PAIRS: usize = 4_000_000;
/// Words of FHIRPath that are no names by themselves.
const WORDS: [&str; 8] = ["div", "mod", "and", "or", "xor", "implies", "true", "false"];

/// The operations that make `new` out of `old`, without those on `meta` unless they are wanted. `id` is that of the
/// resource and is left alone.
///
/// # Errors
/// 400 for resources of different types; 422 for an element that the definitions do not have, which no path leads to.
pub fn diff(old: &Json, new: &Json, with_meta: bool) -> Result<Json> {
    let (kind, other) = (resource_type(old)?, resource_type(new)?);
    if kind != other {
        return Err(Fault::invalid(format!("a {kind} and a {other} have no elements in common")));
    }
    let mut old = old.clone();
    let mut new = new.clone();
    for object in [&mut old, &mut new].into_iter().filter_map(Json::as_object_mut) {
        object.remove("id");
        if !with_meta {
            object.remove("meta");
        }
    }
    let mut work = Work::default();
    if let (Json::Object(old), Json::Object(new)) = (old, new) {
        work.objects(old, new, resource_type_id(kind), kind.name())?;
    }
    let mut parameters = Json::object([("resourceType", Json::string("Parameters"))]);
    if let Some(object) = parameters.as_object_mut().filter(|_| !work.operations.is_empty()) {
        object.set("parameter", Json::Array(work.operations));
    }
    Ok(parameters)
}

#[derive(Default)]
struct Work {
    operations: Vec<Json>,
}

/// The elements of one property; of a choice, the form that is there.
struct Slot {
    property: &'static Property,
    elements: Vec<Element>,
}

/// What an object has, by the positions of elements.
fn slots(mut object: Object, owner: TypeId) -> Result<Vec<Slot>> {
    let mut found: Vec<Slot> = Vec::new();
    let names: Vec<Name> = object.iter().map(|(name, _)| name.clone()).collect();
    for name in names.iter().filter(|name| name.as_str() != "resourceType") {
        let plain = match (property(owner, name), name.as_str().strip_prefix('_')) {
            (Some(property), _) => Some(property),
            (None, Some(plain)) => property(owner, &Name::new(plain)),
            (None, None) => None,
        };
        let Some(property) = plain else {
            let message = format!("{} has no element \"{}\"", owner.name(), name.as_str().escape_debug());
            return Err(Fault::coded(Category::Unprocessable, "processing", message));
        };
        if !found.iter().any(|slot| std::ptr::eq(slot.property, property)) {
            found.push(Slot { property, elements: take(&mut object, property) });
        }
    }
    found.sort_by_key(|slot| slot.property.position);
    Ok(found)
}

impl Work {
    fn objects(&mut self, old: Object, new: Object, owner: TypeId, path: &str) -> Result<()> {
        let mut old = slots(old, owner)?;
        let mut gone: Vec<Slot> = Vec::new();
        for slot in slots(new, owner)? {
            let at = old.iter().position(|other| other.property.position == slot.property.position);
            match at.map(|at| old.remove(at)) {
                None => self.add_all(&slot, path)?,
                Some(before) if before.elements == slot.elements && is_same_form(&before, &slot) => {}
                Some(before) if slot.property.is_list() => self.lists(before, slot, path)?,
                Some(before) => self.single(before, slot, path)?,
            }
        }
        gone.append(&mut old);
        for slot in gone {
            let path = step(path, slot.property);
            if slot.property.is_list() {
                (0..slot.elements.len()).rev().for_each(|at| self.delete(&format!("{path}[{at}]")));
            } else {
                self.delete(&path);
            }
        }
        Ok(())
    }

    fn add_all(&mut self, slot: &Slot, path: &str) -> Result<()> {
        for element in &slot.elements {
            let value = value("value", element, slot.property)?;
            // The type of parts cannot tell the form of a choice.
            let name = if value.get("part").is_some() { slot.property.name.as_str() } else { slot.property.element };
            self.push("add", path, vec![part("name", "valueString", Json::string(name)), value]);
        }
        Ok(())
    }

    fn single(&mut self, mut before: Slot, mut after: Slot, path: &str) -> Result<()> {
        let is_same = is_same_form(&before, &after);
        let path = step(path, after.property);
        let (Some(old), Some(new)) = (before.elements.pop(), after.elements.pop()) else { return Ok(()) };
        self.change(old, new, is_same, after.property, &path)
    }

    /// One element in the place of another.
    fn change(&mut self, old: Element, new: Element, is_same: bool, of: &'static Property, path: &str) -> Result<()> {
        let kind = type_of(&new.0, of.type_id);
        match (old, new) {
            ((Json::Object(old), _), (Json::Object(new), _)) if is_same && can_follow(&old, &new, of, kind) => {
                self.objects(old, new, kind, path)
            }
            (_, new) => {
                let value = value("value", &new, of)?;
                self.push("replace", path, vec![value]);
                Ok(())
            }
        }
    }

    fn lists(&mut self, before: Slot, after: Slot, path: &str) -> Result<()> {
        let of = after.property;
        let path = step(path, of);
        let (old, new) = (before.elements, after.elements);
        let (a, b) = (hashes(&old), hashes(&new));
        if is_permutation(&a, &b) {
            self.moves(a, &b, &path);
            return Ok(());
        }
        let mut old: Vec<Option<Element>> = old.into_iter().map(Some).collect();
        let mut new: Vec<Option<Element>> = new.into_iter().map(Some).collect();
        for gap in gaps(&a, &b).into_iter().rev() {
            let paired = gap.old.len().min(gap.new.len());
            let (first, other) = (gap.old.start, gap.new.start);
            for at in 0..paired {
                if let (Some(old), Some(new)) = (old[first + at].take(), new[other + at].take()) {
                    self.change(old, new, true, of, &format!("{path}[{}]", first + at))?;
                }
            }
            for at in (first + paired..gap.old.end).rev() {
                self.delete(&format!("{path}[{at}]"));
            }
            for (index, at) in (other + paired..gap.new.end).enumerate() {
                let Some(element) = &new[at] else { continue };
                let index = Json::integer(i64::try_from(first + paired + index).unwrap_or(i64::MAX));
                let parts = vec![part("index", "valueInteger", index), value("value", element, of)?];
                self.push("insert", &path, parts);
            }
        }
        Ok(())
    }

    /// The moves that bring a list into another order.
    fn moves(&mut self, mut from: Vec<u64>, to: &[u64], path: &str) {
        for (at, wanted) in to.iter().enumerate() {
            let source = (at..from.len()).find(|source| from[*source] == *wanted);
            let Some(source) = source.filter(|source| *source != at) else { continue };
            let moved = from.remove(source);
            from.insert(at, moved);
            let number = |number: usize| Json::integer(i64::try_from(number).unwrap_or(i64::MAX));
            let parts =
                vec![part("source", "valueInteger", number(source)), part("destination", "valueInteger", number(at))];
            self.push("move", path, parts);
        }
    }

    fn delete(&mut self, path: &str) {
        self.push("delete", path, Vec::new());
    }

    fn push(&mut self, kind: &str, path: &str, more: Vec<Json>) {
        let mut parts =
            vec![part("type", "valueCode", Json::string(kind)), part("path", "valueString", Json::string(path))];
        parts.extend(more);
        self.operations.push(part("operation", "part", Json::Array(parts)));
    }
}

fn part(name: &str, kind: &str, value: Json) -> Json {
    Json::object([("name", Json::string(name)), (kind, value)])
}

fn step(path: &str, property: &Property) -> String {
    match WORDS.contains(&property.element) {
        true => format!("{path}.`{}`", property.element),
        false => format!("{path}.{}", property.element),
    }
}

fn is_same_form(a: &Slot, b: &Slot) -> bool {
    std::ptr::eq(a.property, b.property)
}

/// Whether a path leads into both: objects with the same type, and something to be changed that leaves neither empty.
fn can_follow(old: &Object, new: &Object, of: &Property, kind: TypeId) -> bool {
    let is_resource = of.type_id.kind() == TypeKind::Resource;
    let same = |name: &str| old.get(name) == new.get(name);
    let is_one = !is_resource || (same("resourceType") && same("id"));
    // The text of a narrative has no type of its own in Parameters, and no path leads into XHTML.
    is_one && kind.kind() != TypeKind::Primitive && !new.is_empty() && !old.is_empty()
}

fn hashes(elements: &[Element]) -> Vec<u64> {
    elements
        .iter()
        .map(|(value, beside)| {
            let mut hasher = DefaultHasher::new();
            hash(value, &mut hasher);
            hash(beside, &mut hasher);
            hasher.finish()
        })
        .collect()
}

fn hash(json: &Json, hasher: &mut DefaultHasher) {
    match json {
        Json::Null => 0_u8.hash(hasher),
        Json::Bool(value) => (1_u8, value).hash(hasher),
        Json::Number(number) => (2_u8, number.as_str()).hash(hasher),
        Json::String(text) => (3_u8, text).hash(hasher),
        Json::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        Json::Object(object) => {
            (5_u8, object.len()).hash(hasher);
            for (name, value) in object.iter() {
                name.as_str().hash(hasher);
                hash(value, hasher);
            }
        }
    }
}

fn is_permutation(a: &[u64], b: &[u64]) -> bool {
    let sorted = |list: &[u64]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

/// A part of two lists in which nothing is the same.
struct Gap {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

/// The gaps between what is the same in both, in order: by a longest common subsequence.
fn gaps(a: &[u64], b: &[u64]) -> Vec<Gap> {
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (inner_a, inner_b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    let is_short = inner_a.len().saturating_mul(inner_b.len()) <= PAIRS;
    let same = if is_short { subsequence(inner_a, inner_b) } else { Vec::new() };
    let mut common: Vec<(usize, usize)> = same.into_iter().map(|(x, y)| (x + start, y + start)).collect();
    common.push((a.len() - end, b.len() - end));
    let (mut gaps, mut at) = (Vec::new(), (start, start));
    for (x, y) in common {
        if at.0 < x || at.1 < y {
            gaps.push(Gap { old: at.0..x, new: at.1..y });
        }
        at = (x + 1, y + 1);
    }
    gaps
}

/// The places of a longest common subsequence.
fn subsequence(a: &[u64], b: &[u64]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    for x in (0..a.len()).rev() {
        for y in (0..b.len()).rev() {
            lengths[x * width + y] = match a[x] == b[y] {
                true => lengths[(x + 1) * width + y + 1] + 1,
                false => lengths[(x + 1) * width + y].max(lengths[x * width + y + 1]),
            };
        }
    }
    let (mut x, mut y, mut found) = (0, 0, Vec::new());
    while x < a.len() && y < b.len() {
        if a[x] == b[y] {
            found.push((x, y));
            (x, y) = (x + 1, y + 1);
        } else if lengths[(x + 1) * width + y] >= lengths[x * width + y + 1] {
            x += 1;
        } else {
            y += 1;
        }
    }
    found
}

/// An element as the value of a part: under `value[x]` where its type stands there, a resource as it is, anything else in parts.
fn value(name: &str, element: &Element, of: &Property) -> Result<Json> {
    let (json, beside) = element;
    let mut out = Object::new();
    out.set("name", Json::string(name));
    if of.type_id.kind() == TypeKind::Resource {
        out.set("resource", json.clone());
        return Ok(Json::Object(out));
    }
    if let Some(form) = form(of.type_id) {
        let form = form.name.as_str();
        if *json != Json::Null {
            out.set(form, json.clone());
        }
        if *beside != Json::Null {
            out.set(&sibling(form), beside.clone());
        }
        return Ok(Json::Object(out));
    }
    let mut parts = Vec::new();
    if let Json::Object(object) = json {
        for slot in slots(object.clone(), of.type_id)? {
            for element in &slot.elements {
                parts.push(value(slot.property.name.as_str(), element, slot.property)?);
            }
        }
    }
    out.set("part", Json::Array(parts));
    Ok(Json::Object(out))
}

/// The form of `Parameters.parameter.value[x]` for a type.
fn form(kind: TypeId) -> Option<&'static Property> {
    let name = match kind.name() {
        "xhtml" => "string",
        "SimpleQuantity" | "MoneyQuantity" => "Quantity",
        other => other,
    };
    let is_form = |p: &&Property| {
        p.element == "value"
            && (p.type_id.name() == name || (kind.kind() == TypeKind::Primitive && kind.is_a(p.type_id)))
    };
    let all: Vec<&'static Property> =
        properties(type_by_name("Parameters.parameter")?).iter().filter(is_form).collect();
    all.iter().find(|p| p.type_id.name() == name).or(all.last()).copied()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::{Patch, PatchBounds, PatchFormat};
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::fhir::json::{parse, write};
    use crate::fhir::patch::budget::Budget;
    use crate::fhir::patch::equality::same;
    use crate::fhir::patch::fhirpath_patch::FhirPathPatch;
    use crate::fhir::validate::structure;

    const BOUNDS: PatchBounds = PatchBounds { operations: 100_000, nesting: 128, bytes: 1 << 30 };

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text)
    }

    /// Applies the difference and expects the other one; how many operations it has.
    fn leads(old: &Json, new: &Json) -> usize {
        let made = diff(old, new, true).unwrap_or_else(|fault| panic!("{fault}: {}", text(old)));
        let count = made.get("parameter").and_then(Json::as_array).map_or(0, <[Json]>::len);
        let patch =
            FhirPathPatch::read(made.clone(), BOUNDS).unwrap_or_else(|fault| panic!("{fault}: {}", text(&made)));
        let mut start = old.clone();
        if let (Some(object), Some(id)) = (start.as_object_mut(), new.get("id")) {
            object.set("id", id.clone());
        }
        let done = patch.apply(start, &mut Budget::new(BOUNDS), Timestamp(0));
        let done = done.unwrap_or_else(|fault| panic!("{fault}\n{}\n{}\n{}", text(&made), text(old), text(new)));
        let is_same = same(&done, new, &mut Budget::new(BOUNDS)).expect("cheap");
        assert!(is_same, "\n{}\n{}\n{}\n{}", text(&made), text(old), text(&done), text(new));
        count
    }

    /// The operations, each as its type, path and the rest.
    fn shown(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (json(old), json(new));
        leads(&old, &new);
        let made = diff(&old, &new, false).expect("a difference");
        let operations = made.get("parameter").and_then(Json::as_array).unwrap_or_default();
        let line = |operation: &Json| {
            let parts = operation.get("part").and_then(Json::as_array).unwrap_or_default();
            let parts = parts.iter().map(|part| {
                let object = part.as_object().expect("a part");
                let (_, value) = object.iter().find(|(name, _)| name.as_str() != "name").expect("a value");
                value.as_str().map_or_else(|| text(value), str::to_owned)
            });
            parts.collect::<Vec<_>>().join(" ")
        };
        operations.iter().map(line).collect()
    }

    #[test]
    fn operations_are_those_that_people_would_write() {
        let patient = |rest: &str| format!(r#"{{"resourceType":"Patient","id":"a"{rest}}}"#);
        for (old, new, expected) in [
            (r#","active":true"#, r#","active":true"#, vec![]),
            (r#","active":true"#, r#","active":false"#, vec!["replace Patient.active false"]),
            ("", r#","birthDate":"1970""#, vec!["add Patient birthDate 1970"]),
            (r#","birthDate":"1970""#, "", vec!["delete Patient.birthDate"]),
            (r#","deceasedBoolean":false"#, r#","deceasedDateTime":"2020""#, vec!["replace Patient.deceased 2020"]),
            (
                r#","name":[{"family":"A","given":["x","y","z"]}]"#,
                r#","name":[{"family":"B","given":["x","z"]}]"#,
                vec!["replace Patient.name[0].family B", "delete Patient.name[0].given[1]"],
            ),
            (
                r#","name":[{"given":["a","b","c"]}]"#,
                r#","name":[{"given":["c","a","b"]}]"#,
                vec!["move Patient.name[0].given 2 0"],
            ),
            (
                r#","name":[{"given":["a","c"]}]"#,
                r#","name":[{"given":["a","b","c"]}]"#,
                vec!["insert Patient.name[0].given 1 b"],
            ),
            (
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                r#","telecom":[{"value":"2"}]"#,
                vec!["delete Patient.telecom[0]"],
            ),
        ] {
            assert_eq!(shown(&patient(old), &patient(new)), expected, "{old} {new}");
        }
        let meta = r#","meta":{"tag":[{"code":"x"}]}"#;
        assert!(shown(&patient(meta), &patient("")).is_empty(), "meta only where it is wanted");
        assert!(diff(&json(r#"{"resourceType":"Patient"}"#), &json(r#"{"resourceType":"Group"}"#), false).is_err());
    }

    #[test]
    fn what_has_no_type_of_its_own_comes_in_parts() {
        let patient = |rest: &str| json(&format!(r#"{{"resourceType":"Patient"{rest}}}"#));
        let forms = [
            "",
            r#","contact":[{"name":{"text":"x"},"relationship":[{"text":"y"}]}]"#,
            r#","contact":[{"name":{"use":"usual"}}]"#,
            r#","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}"#,
            r#","text":{"status":"additional","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">b</div>"}"#,
            r#","birthDate":"1970","_birthDate":{"id":"x","extension":[{"url":"http://x","valueDateTime":"1970-01-01T00:00:00Z"}]}"#,
            r#","_birthDate":{"extension":[{"url":"http://x","extension":[{"url":"y","valueCodeableConcept":{"text":"z"}}]}]}"#,
            r#","extension":[{"url":"http://x","valueQuantity":{"value":1.50,"unit":"a"}}]"#,
            r#","extension":[{"url":"http://x","valueRatio":{"numerator":{"value":1}}}],"active":true"#,
            r#","name":[{"given":["a",null],"_given":[null,{"id":"1"}]}]"#,
            r#","name":[{"given":["b","a"],"_given":[{"id":"1"},null]},{"text":"c"}]"#,
            r#","contained":[{"resourceType":"Organization","id":"o","name":"x"}]"#,
            r#","contained":[{"resourceType":"Organization","id":"o","name":"y"},{"resourceType":"Device","id":"d"}]"#,
            r#","contained":[{"resourceType":"Device","id":"o"}]"#,
        ];
        for old in forms {
            for new in forms {
                leads(&patient(old), &patient(new));
            }
        }
    }

    /// Takes something out of a resource at random, doubles it or puts it elsewhere.
    fn mutated(json: &Json, seed: &mut u64) -> Json {
        let mut next = |n: usize| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            (*seed % n.max(1) as u64) as usize
        };
        let mut json = json.clone();
        let Some(object) = json.as_object_mut() else { return json };
        for _ in 0..3 {
            let names: Vec<String> = object
                .iter()
                .map(|(name, _)| name.as_str().to_owned())
                .filter(|name| !matches!(name.as_str(), "resourceType" | "id") && !name.starts_with('_'))
                .collect();
            let Some(name) = names.get(next(names.len())) else { break };
            let beside = object.get(&format!("_{name}")).is_some();
            match object.get_mut(name) {
                Some(Json::Array(items)) if !beside => {
                    let (a, b) = (next(items.len()), next(items.len()));
                    match next(4) {
                        0 => items.swap(a, b),
                        1 => items.insert(a, items[b].clone()),
                        2 if items.len() > 1 => _ = items.remove(a),
                        _ => {
                            let inner = mutated(&items[a], &mut (next(1 << 30) as u64 + 1));
                            if inner.as_object().is_none_or(|inner| !inner.is_empty()) {
                                items[a] = inner;
                            }
                        }
                    }
                }
                Some(Json::Object(_)) if next(3) > 0 => {
                    let inner = object.get(name).cloned().unwrap_or(Json::Null);
                    let inner = mutated(&inner, &mut (next(1 << 30) as u64 + 1));
                    if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                        object.set(name, inner);
                    }
                }
                _ => {
                    object.remove(name);
                    object.remove(&format!("_{name}"));
                }
            }
        }
        json
    }

    #[test]
    fn the_official_examples_lead_to_their_mutations_and_to_one_another() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let places = ["../shared", "../../shared"].map(|place| root.join(place).join("data/fhir-r4"));
        let Some(folder) = places.into_iter().find(|place| place.is_dir()) else {
            assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "the official examples are missing");
            eprintln!("SKIPPED: the official examples are missing");
            return;
        };
        let file = std::fs::File::open(folder.join("examples-json-4.0.1-instances.tgz")).expect("the examples");
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let (mut before, mut pairs, mut seed): (Option<Json>, usize, u64) = (None, 0, 88_172_645_463_325_252);
        for entry in tar.entries().expect("the examples") {
            let (mut entry, mut bytes) = (entry.expect("an entry"), Vec::new());
            entry.read_to_end(&mut bytes).expect("an example");
            if bytes.len() > 200_000 {
                continue;
            }
            let Ok(resource) = parse(&bytes) else { continue };
            // What breaks the structure cannot stand in Parameters.
            if structure(&resource).is_err() {
                continue;
            }
            let other = mutated(&resource, &mut seed);
            leads(&resource, &other);
            leads(&other, &resource);
            pairs += 2;
            if let Some(before) = before.filter(|before| before.get("resourceType") == resource.get("resourceType"))
                && bytes.len() < 20_000
            {
                leads(&before, &resource);
                pairs += 1;
            }
            before = Some(resource);
        }
        assert!(pairs > 1400, "{pairs}");
    }

    #[test]
    fn long_lists_are_compared_in_bounded_time() {
        let list = |from: usize, to: usize| {
            let items: Vec<String> = (from..to).map(|n| format!(r#"{{"value":"{n}"}}"#)).collect();
            json(&format!(r#"{{"resourceType":"Patient","telecom":[{}]}}"#, items.join(",")))
        };
        let made = diff(&list(0, 9000), &list(20_000, 29_000), false).expect("a difference");
        assert_eq!(made.get("parameter").and_then(Json::as_array).map(<[Json]>::len), Some(9000));
        assert_eq!(leads(&list(0, 1500), &list(1, 1501)), 2);
        assert!(Patch::read(PatchFormat::FhirPath, made, BOUNDS).is_ok());
    }
}
