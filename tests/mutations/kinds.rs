//! What is done to one place of a resource, and what must come of it.

use cresset::fhir::definitions::element::{TypeKind, properties, type_by_name};
use serde_json::{Map, Value, json};

use super::random::Random;
use super::samples;
use super::site::Site;

/// What a validator must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is an error.
    Refused,
    /// There is none, if there was none before.
    Accepted,
    /// That depends on the place; only the official validator knows.
    Depends,
}

/// Changes the resource at a place; the path of what was changed, none if the place does not fit.
pub type Apply = fn(&mut Value, &Site, &mut Random) -> Option<String>;

/// A kind of mutation.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What must come of it.
    pub expected: Expected,
    /// The change.
    pub apply: Apply,
}

const fn kind(name: &'static str, expected: Expected, apply: Apply) -> Kind {
    Kind { name, expected, apply }
}

use Expected::{Accepted, Depends, Refused};

/// All kinds that change one element.
pub const KINDS: &[Kind] = &[
    kind("required element removed", Refused, required_removed),
    kind("element removed", Depends, removed),
    kind("item removed", Depends, item_removed),
    kind("unknown element", Refused, unknown_element),
    kind("misspelt element", Refused, misspelt),
    kind("_name of a complex element", Refused, wrong_sibling),
    kind("wrong JSON type", Refused, wrong_type),
    kind("object for a primitive", Refused, object_for_primitive),
    kind("single value for an array", Refused, single_for_array),
    kind("array for a single value", Refused, array_for_single),
    kind("empty array", Depends, empty_array),
    kind("empty object", Refused, empty_object),
    kind("null", Refused, null),
    kind("null in an array", Refused, null_in_array),
    kind("array in an array", Refused, nested_array),
    kind("item twice", Depends, item_twice),
    kind("choice twice", Refused, choice_twice),
    kind("form that the choice does not have", Refused, wrong_choice),
    kind("another form of the choice", Depends, other_choice),
    kind("bad format", Refused, bad_format),
    kind("another good value", Depends, good_format),
    kind("empty string", Refused, empty_string),
    kind("blank string", Depends, blank_string),
    kind("space before", Depends, space_before),
    kind("space after", Depends, space_after),
    kind("control character", Depends, control_character),
    kind("line breaks", Depends, line_breaks),
    kind("bad code of a required binding", Refused, bad_code),
    kind("another code", Depends, other_code),
    kind("code in capitals", Depends, capital_code),
    kind("code of a coding", Depends, coding_code),
    kind("system of a coding", Depends, coding_system),
    kind("coding without system", Depends, coding_without_system),
    kind("display", Depends, display),
    kind("reference to another type", Depends, reference_type),
    kind("reference to nothing contained", Refused, reference_contained),
    kind("strange reference", Depends, strange_reference),
    kind("type of a reference", Depends, reference_type_element),
    kind("text changed", Depends, text_changed),
    kind("HTML in a text", Depends, html_in_text),
    kind("id of an element", Accepted, element_id),
    kind("ids twice", Depends, ids_twice),
    kind("strange id", Depends, strange_id),
];

fn required_removed(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.property.filter(|property| property.min > 0 && !site.is_item)?;
    removed(root, site, &mut Random::new(0))
}

fn removed(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    if site.is_item {
        return None;
    }
    let (holder, name) = site.holder(root)?;
    holder.shift_remove(&format!("_{name}"));
    holder.shift_remove(&name)?;
    Some(site.path.clone())
}

fn item_removed(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let (list, at) = site.list(root).filter(|found| found.0.len() > 1)?;
    list.remove(at);
    Some(site.path.clone())
}

fn object<'v>(root: &'v mut Value, site: &Site) -> Option<&'v mut Map<String, Value>> {
    site.value(root)?.as_object_mut()
}

fn unknown_element(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    object(root, site)?.insert("nonsense".to_owned(), json!("x"));
    Some(site.child("nonsense"))
}

fn misspelt(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    if site.is_item {
        return None;
    }
    let (holder, name) = site.holder(root)?;
    let value = holder.shift_remove(&name)?;
    holder.insert(format!("{name}z"), value);
    Some(site.path.clone())
}

fn wrong_sibling(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let is_complex = site.type_id.kind() != TypeKind::Primitive && !site.is_item;
    let (holder, name) = site.holder(root).filter(|_| is_complex)?;
    holder.insert(format!("_{name}"), json!({"id": "x"}));
    Some(site.path.clone())
}

fn put(root: &mut Value, site: &Site, new: Value) -> Option<String> {
    let value = site.value(root)?;
    if *value == new {
        return None;
    }
    *value = new;
    Some(site.path.clone())
}

fn wrong_type(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let new = match site.value(root).filter(|_| site.property.is_some())? {
        Value::String(_) => json!(5),
        Value::Number(n) => json!(n.to_string()),
        Value::Bool(b) => json!(b.to_string()),
        Value::Object(_) => json!("text"),
        _ => return None,
    };
    put(root, site, new)
}

fn object_for_primitive(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let old = site.value(root).filter(|value| !value.is_object() && !value.is_array())?.clone();
    put(root, site, json!({ "value": old }))
}

fn single_for_array(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let first = site.value(root)?.as_array()?.first()?.clone();
    put(root, site, first)
}

fn array_for_single(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.property.filter(|property| !property.is_list())?;
    let old = site.value(root)?.clone();
    put(root, site, json!([old]))
}

fn empty_array(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.value(root)?.as_array()?;
    put(root, site, json!([]))
}

fn empty_object(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.property.filter(|_| site.type_id.kind() != TypeKind::Primitive)?;
    site.value(root)?.as_object()?;
    put(root, site, json!({}))
}

fn null(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.property.filter(|_| !site.is_item)?;
    put(root, site, Value::Null)
}

fn null_in_array(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let list = site.value(root)?.as_array_mut()?;
    list.push(Value::Null);
    let at = list.len() - 1;
    Some(format!("{}[{at}]", site.path))
}

fn nested_array(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let old = site.value(root).filter(|value| !value.is_array() && site.is_item)?.clone();
    put(root, site, json!([old]))
}

fn item_twice(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let (list, at) = site.list(root)?;
    let one = list[at].clone();
    list.push(one);
    Some(site.path.clone())
}

fn choice_twice(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let (name, value) = form(site, random)?;
    let (holder, _) = site.holder(root)?;
    holder.insert(name, value);
    Some(site.path.clone())
}

fn wrong_choice(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let property = site.property.filter(|property| property.is_choice)?;
    let (holder, name) = site.holder(root)?;
    let suffix = random.word(&["Nonsense", "Xhtml", "Resource", "BackboneElement", "boolean"]);
    holder.shift_remove(&format!("_{name}"));
    let value = holder.shift_remove(&name)?;
    holder.insert(format!("{}{suffix}", property.element), value);
    Some(site.path.clone())
}

fn other_choice(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let (new, value) = form(site, random)?;
    let (holder, name) = site.holder(root)?;
    holder.shift_remove(&format!("_{name}"));
    holder.shift_remove(&name)?;
    holder.insert(new, value);
    Some(site.path.clone())
}

/// Another form of a choice, with a value.
fn form(site: &Site, random: &mut Random) -> Option<(String, Value)> {
    let property = site.property.filter(|property| property.is_choice)?;
    let others = properties(site.owner).iter().filter(|p| p.position == property.position && p.name != property.name);
    let others: Vec<_> =
        others.filter_map(|p| Some((p.name.to_string(), samples::good(p.type_id.name(), random)?))).collect();
    (!others.is_empty()).then(|| random.pick(&others).clone())
}

fn is_primitive(site: &Site) -> bool {
    site.type_id.kind() == TypeKind::Primitive && site.is_one()
}

fn bad_format(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let bad = samples::bad(site.type_id.name(), random).filter(|_| is_primitive(site))?;
    put(root, site, bad)
}

fn good_format(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let good = samples::good(site.type_id.name(), random).filter(|_| is_primitive(site))?;
    put(root, site, good)
}

fn text_of(root: &mut Value, site: &Site) -> Option<String> {
    is_primitive(site).then(|| site.value(root)?.as_str().map(str::to_owned))?
}

fn empty_string(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    text_of(root, site)?;
    put(root, site, json!(""))
}

fn blank_string(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    text_of(root, site)?;
    put(root, site, json!("  "))
}

fn space_before(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let text = text_of(root, site)?;
    let space = random.word(&[" ", "\n", "\t", "\u{a0}"]);
    put(root, site, json!(format!("{space}{text}")))
}

fn space_after(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let text = text_of(root, site)?;
    let space = random.word(&[" ", "\n", "\t", "\u{a0}"]);
    put(root, site, json!(format!("{text}{space}")))
}

fn control_character(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let text = text_of(root, site)?;
    put(root, site, json!(format!("{text}\u{1}")))
}

fn line_breaks(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let text = text_of(root, site)?;
    let text = random.pick(&[format!("{text}\n{text}"), format!("{text}  {text}"), format!("{text}\t{text}")]).clone();
    put(root, site, json!(text))
}

fn bad_code(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    site.property.filter(|property| property.system.is_some() && is_primitive(site))?;
    put(root, site, json!("nonsense"))
}

fn other_code(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let code = random.word(&["final", "active", "completed", "en", "Patient", "unknown", "zz-zz"]);
    let is_code = site.type_id.name() == "code" && is_primitive(site);
    is_code.then(|| put(root, site, json!(code)))?
}

fn capital_code(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let text = text_of(root, site).filter(|_| site.type_id.name() == "code")?;
    put(root, site, json!(text.to_uppercase()))
}

fn in_coding(root: &mut Value, site: &Site, name: &str, new: &str) -> Option<String> {
    let is_coded = matches!(site.type_id.name(), "Coding" | "Quantity") && site.is_one();
    let coding = object(root, site).filter(|_| is_coded)?;
    let old = coding.insert(name.to_owned(), json!(new))?;
    (old != new).then(|| site.child(name))
}

fn coding_code(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    in_coding(root, site, "code", "nonsense")
}

fn coding_system(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let new = random.word(&[
        "http://example.org/nonsense",
        "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
        "http://snomed.info/sct",
        "http://hl7.org/fhir/ValueSet/nonsense",
        "nonsense",
        "http://unitsofmeasure.org",
        "http://loinc.org/",
        "http://hl7.org/fhir/administrative-gender",
        "urn:oid:2.16.840.1.113883.6.1",
    ]);
    in_coding(root, site, "system", new)
}

fn coding_without_system(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let is_coded = matches!(site.type_id.name(), "Coding" | "Quantity") && site.is_one();
    object(root, site).filter(|_| is_coded)?.shift_remove("system")?;
    Some(site.child("system"))
}

fn display(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    if site.type_id.name() != "Coding" || !site.is_one() {
        return None;
    }
    let coding = object(root, site)?;
    coding.get("code")?;
    coding.insert("display".to_owned(), json!("another display"));
    Some(site.child("display"))
}

fn reference<'v>(root: &'v mut Value, site: &Site) -> Option<&'v mut Map<String, Value>> {
    object(root, site).filter(|object| site.type_id.name() == "Reference" && object.contains_key("reference"))
}

fn reference_type(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let types = ["Patient", "Observation", "Binary", "Organization", "Basic", "Practitioner", "Encounter", "Group"];
    let reference = reference(root, site)?;
    let kind = random.word(&types);
    reference.insert("reference".to_owned(), json!(format!("{kind}/x")));
    reference.shift_remove("type");
    Some(site.path.clone())
}

fn reference_contained(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    reference(root, site)?.insert("reference".to_owned(), json!("#nonsense"));
    Some(site.path.clone())
}

fn strange_reference(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let texts = [
        "Nonsense/x",
        "patient/1",
        "Patient/",
        "/Patient/1",
        "Patient",
        "1",
        "Patient/a b",
        "Patient/a_b",
        "http://",
        "urn:uuid:x",
        "urn:oid:1.2.x",
        "Patient/1/_history/1",
        "Patient/1/_history",
        "Patient?identifier=x|y",
        "../Patient/1",
        "#",
        "http://example.org",
        "http://example.org/fhir/Patient/1",
        "https://example.org/fhir/Nonsense/1",
        "ftp://x/Patient/1",
        "Patient/1#x",
        "Patient/1?x=y",
        "mailto:a@example.org",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "Patient/1234567890123456789012345678901234567890123456789012345678901234567890",
    ];
    let text = random.word(&texts);
    reference(root, site)?.insert("reference".to_owned(), json!(text));
    Some(site.path.clone())
}

fn reference_type_element(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let kind = random.word(&[
        "Patient",
        "Nonsense",
        "Observation",
        "http://hl7.org/fhir/StructureDefinition/Patient",
        "http://x",
    ]);
    reference(root, site)?.insert("type".to_owned(), json!(kind));
    Some(site.path.clone())
}

fn text_changed(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let is_text = matches!(site.type_id.name(), "string" | "markdown" | "uri" | "url" | "canonical");
    text_of(root, site).filter(|_| is_text)?;
    let new = if matches!(site.type_id.name(), "string" | "markdown") {
        "another text"
    } else {
        "http://example.org/another"
    };
    put(root, site, json!(new))
}

fn html_in_text(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let new = random.word(&[
        "a <b>bold</b> text",
        "<script>alert(1)</script>",
        "a < b",
        "<p>x",
        "&lt; &nbsp;",
        "[a](javascript:x)",
    ]);
    text_of(root, site).filter(|_| matches!(site.type_id.name(), "string" | "markdown"))?;
    put(root, site, json!(new))
}

fn element_id(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let is_element =
        site.property.is_some() && site.type_id.resource_type().is_none() && site.type_id != type_by_name("Resource")?;
    let object = object(root, site).filter(|object| is_element && !object.contains_key("id"))?;
    object.insert("id".to_owned(), json!("an-id-1"));
    Some(site.child("id"))
}

fn ids_twice(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let (list, at) = site.list(root).filter(|found| found.0.len() > 1)?;
    for one in list.iter_mut() {
        let object = one.as_object_mut().filter(|object| !object.contains_key("resourceType"))?;
        object.insert("id".to_owned(), json!("an-id-1"));
    }
    let _ = at;
    Some(site.child("id"))
}

fn strange_id(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let long = "x".repeat(65);
    let new = (random.word(&["a b", "a_b", "ä", "", "a/b", long.as_str(), "#a", " a", "1"])).to_owned();
    let object = object(root, site)?;
    object.insert("id".to_owned(), json!(new));
    Some(site.child("id"))
}
