//! Values of the data types: complete, partial, and with what searches look at in every combination.

use serde_json::{Map, Value, json};

use super::dates;
use super::numbers;
use super::random::Random;
use super::texts::{CODES, SYSTEMS, canonical, short, text, uri};

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The base URL of the server.
    pub base: &'a str,
    /// The types that a reference may lead to.
    pub targets: &'a [String],
    /// Contained resources by their ids.
    pub contained: &'a [String],
    /// Also what the specification forbids: it has no value.
    pub is_broken: bool,
}

/// Unit, system and code of quantities: convertible ones of several dimensions, opaque ones, and incomplete ones.
pub const UNITS: [(Option<&str>, Option<&str>, Option<&str>); 26] = [
    (Some("mg"), UCUM, Some("mg")),
    (Some("milligram"), UCUM, Some("mg")),
    (Some("g"), UCUM, Some("g")),
    (None, UCUM, Some("kg")),
    (Some("ug"), UCUM, Some("ug")),
    (Some("mmHg"), UCUM, Some("mm[Hg]")),
    (Some("%"), UCUM, Some("%")),
    (Some("C"), UCUM, Some("Cel")),
    (Some("F"), UCUM, Some("[degF]")),
    (None, UCUM, Some("K")),
    (Some("mg/dL"), UCUM, Some("mg/dL")),
    (Some("g/L"), UCUM, Some("g/L")),
    (Some("min"), UCUM, Some("min")),
    (Some("hours"), UCUM, Some("h")),
    (None, UCUM, Some("d")),
    (Some("cm"), UCUM, Some("cm")),
    (Some("inches"), UCUM, Some("[in_i]")),
    (Some("{score}"), UCUM, Some("{score}")),
    (None, UCUM, Some("1")),
    (Some("pH"), UCUM, Some("[pH]")),
    (Some("units"), UCUM, Some("[iU]")),
    (Some("tablet"), Some("http://snomed.info/sct"), Some("428673006")),
    (None, None, Some("mg")),
    (Some("mg"), None, None),
    (Some("mg"), UCUM, None),
    (None, None, None),
];
const UCUM: Option<&str> = Some(super::super::units::UCUM);

/// An object of the properties that are there.
fn object<const N: usize>(parts: [(&str, Option<Value>); N]) -> Value {
    let there = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// A value, so often of a hundred.
fn maybe<T: Into<Value>>(random: &mut Random, percent: usize, make: impl FnOnce(&mut Random) -> T) -> Option<Value> {
    random.chance(percent).then(|| make(random).into())
}

/// A value without empty objects and lists in it; none when nothing is left.
pub fn pruned(value: Value) -> Option<Value> {
    match value {
        Value::Object(all) => {
            let there = all.into_iter().filter_map(|(name, value)| Some((name, pruned(value)?)));
            let left: Map<String, Value> = there.collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
        Value::Array(all) => {
            let left: Vec<Value> = all.into_iter().filter_map(pruned).collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        value => Some(value),
    }
}

fn list(random: &mut Random, most: usize, mut make: impl FnMut(&mut Random) -> Value) -> Value {
    (0..1 + random.below(most)).map(|_| make(random)).collect()
}

/// A number as it is written.
pub fn number(text: &str) -> Value {
    serde_json::from_str::<serde_json::Number>(text).map(Value::Number).unwrap()
}

/// A primitive; none when the type is not one that is known here.
pub fn primitive(random: &mut Random, kind: &str, place: Place<'_>) -> Option<Value> {
    const BROKEN_DATES: [&str; 6] =
        ["2023-02-30", "2024-13", "2024-01-01T25:00:00Z", "2024-01-01T10:00:00+15:00", "x", "2024-1-1"];
    Some(match kind {
        "date" | "dateTime" | "instant" if place.is_broken && random.chance(6) => json!(random.pick(&BROKEN_DATES)),
        "date" | "dateTime" | "instant" => json!(dates::value(random, kind)),
        "time" => json!(random.pick(&["10:00:00", "23:59:59.5"])),
        "boolean" => json!(random.chance(50)),
        "decimal" => number(&numbers::number(random)),
        "integer" => {
            let sign = if random.chance(20) { "-" } else { "" };
            number(&format!("{sign}{}", numbers::number_without_fraction(random)))
        }
        "unsignedInt" => number(&numbers::number_without_fraction(random)),
        "positiveInt" => number(&format!("1{}", random.below(30))),
        "string" if place.is_broken && random.chance(3) => json!(random.pick(&["", " ", "\u{301}"])),
        "string" | "markdown" => json!(text(random)),
        "code" => json!(random.pick(&["a", "final", "active", "text/xml", "text/xml; charset=UTF-8", "de", "de-CH"])),
        "id" => json!(random.pick(&["1", "a.b-c"])),
        "uri" | "url" => json!(uri(random)),
        "canonical" if random.chance(25) => json!(literal(random, place)),
        "canonical" => json!(canonical(random)),
        "oid" => json!("urn:oid:1.2.3"),
        "uuid" => json!("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        "base64Binary" => json!("YQ=="),
        _ => return None,
    })
}

/// A value of a complex type; none when it is made of its elements like any other.
pub fn complex(random: &mut Random, kind: &str, place: Place<'_>) -> Option<Value> {
    Some(match kind {
        "Coding" => coding(random),
        "CodeableConcept" => concept(random),
        "Identifier" => identifier(random),
        "ContactPoint" => object([
            ("system", maybe(random, 80, |r| *r.pick(&["phone", "email", "fax", "url"]))),
            ("value", maybe(random, 85, |r| *r.pick(&["555 1234", "Ann@Example.org", "ann@example.org", "a,b|c"]))),
            ("use", maybe(random, 30, |_| "home")),
        ]),
        "HumanName" => object([
            ("use", maybe(random, 30, |_| "official")),
            ("text", maybe(random, 30, text)),
            ("family", maybe(random, 70, short)),
            ("given", maybe(random, 70, |r| list(r, 3, |r| json!(short(r))))),
            ("prefix", maybe(random, 20, |r| list(r, 2, |r| json!(short(r))))),
            ("suffix", maybe(random, 10, |r| list(r, 1, |r| json!(short(r))))),
        ]),
        "Address" => object([
            ("use", maybe(random, 50, |r| *r.pick(&["home", "work", "old"]))),
            ("text", maybe(random, 20, text)),
            ("line", maybe(random, 50, |r| list(r, 2, |r| json!(text(r))))),
            ("city", maybe(random, 60, short)),
            ("district", maybe(random, 20, short)),
            ("state", maybe(random, 40, short)),
            ("postalCode", maybe(random, 40, |r| *r.pick(&["75001", "750-01", "SW1A 1AA"]))),
            ("country", maybe(random, 40, short)),
        ]),
        "Quantity" | "Age" | "Count" | "Distance" | "Duration" => quantity(random, true),
        "Money" => object([
            ("value", maybe(random, 85, |r| number(&numbers::number(r)))),
            ("currency", maybe(random, 85, |r| *r.pick(&["EUR", "USD"]))),
        ]),
        "Range" => range(random),
        "Ratio" => object([
            ("numerator", maybe(random, 80, |r| quantity(r, true))),
            ("denominator", maybe(random, 80, |r| quantity(r, true))),
        ]),
        "SampledData" => json!({"origin": quantity(random, false), "period": 1, "dimensions": 1, "data": "1 2 3"}),
        "Period" => period(random, place.is_broken),
        "Timing" => timing(random, place),
        "Reference" => reference(random, place),
        _ => return None,
    })
}

fn code(random: &mut Random) -> String {
    (*random.pick(&CODES)).to_owned()
}

fn coding(random: &mut Random) -> Value {
    object([
        ("system", maybe(random, 65, |r| *r.pick(&SYSTEMS))),
        ("code", maybe(random, 85, code)),
        ("display", maybe(random, 40, text)),
    ])
}

fn concept(random: &mut Random) -> Value {
    object([("coding", maybe(random, 85, codings)), ("text", maybe(random, 40, text))])
}

/// Some codings, of which one may share its code or its system with the one before it.
fn codings(random: &mut Random) -> Value {
    let mut all = list(random, 3, coding);
    if let Some([first, second, ..]) = all.as_array_mut().map(Vec::as_mut_slice)
        && random.chance(50)
    {
        let shared = *random.pick(&["code", "system"]);
        if let Some(value) = first.get(shared) {
            second[shared] = value.clone();
        }
    }
    all
}

fn identifier(random: &mut Random) -> Value {
    object([
        ("use", maybe(random, 30, |_| "official")),
        ("type", maybe(random, 45, concept)),
        ("system", maybe(random, 65, |r| *r.pick(&SYSTEMS))),
        ("value", maybe(random, 85, code)),
    ])
}

fn quantity(random: &mut Random, may_compare: bool) -> Value {
    let (unit, system, code) = *random.pick(&UNITS);
    // what floating numbers can tell apart after a conversion
    let number_of = |r: &mut Random| {
        let text = numbers::number(r);
        if text.len() > 12 { number("12.5") } else { number(&text) }
    };
    object([
        ("value", maybe(random, 92, number_of)),
        ("comparator", maybe(random, if may_compare { 20 } else { 0 }, |r| *r.pick(&["<", "<=", ">", ">="]))),
        ("unit", unit.map(Value::from)),
        ("system", system.map(Value::from)),
        ("code", code.map(Value::from)),
    ])
}

/// Both sides in one unit; one of them may be absent.
fn range(random: &mut Random) -> Value {
    let (low, mut high) = (quantity(random, false), quantity(random, false));
    for name in ["unit", "system", "code"] {
        match low.get(name) {
            Some(value) => high[name] = value.clone(),
            None => _ = high.as_object_mut().unwrap().remove(name),
        }
    }
    let side = random.below(6);
    object([("low", (side != 0).then_some(low)), ("high", (side != 1).then_some(high))])
}

/// Open on either side; the end may be written with another precision than the start. One that ends before it starts
/// is broken.
pub fn period(random: &mut Random, is_broken: bool) -> Value {
    use super::super::time::Range;
    let (mut start, mut end) = (dates::value(random, "dateTime"), dates::value(random, "dateTime"));
    let of = |text: &str| Range::parse(text).unwrap();
    let is_in_order = |start: &str, end: &str| of(start).start < of(end).end;
    let stays = is_broken && random.chance(20);
    if !stays && !is_in_order(&start, &end) {
        std::mem::swap(&mut start, &mut end);
    }
    if is_broken && random.chance(4) {
        end = "2023-02-30".to_owned();
    }
    match random.below(10) {
        0 | 1 => json!({"start": start}),
        2 | 3 => json!({"end": end}),
        _ => json!({"start": start, "end": end}),
    }
}

/// Events, bounds, both, or neither.
fn timing(random: &mut Random, place: Place<'_>) -> Value {
    let repeat = match random.below(4) {
        0 => json!({"boundsPeriod": period(random, place.is_broken), "frequency": 2}),
        1 => json!({"boundsPeriod": period(random, place.is_broken)}),
        2 => json!({"boundsDuration": quantity(random, false), "count": 3}),
        _ => json!({"frequency": 1, "period": 1, "periodUnit": "d"}),
    };
    object([
        ("event", maybe(random, 55, |r| list(r, 3, |r| primitive(r, "dateTime", place).unwrap()))),
        ("repeat", maybe(random, 60, |_| repeat)),
        ("code", maybe(random, 10, concept)),
    ])
}

/// Where a reference leads: a resource of the server in all its forms, one of another server, a URN, a contained one.
fn literal(random: &mut Random, place: Place<'_>) -> String {
    let any =
        ["Patient", "Practitioner", "Group", "Organization", "Location", "Observation", "Device", "Questionnaire"];
    let is_any = place.targets.is_empty() || place.targets.iter().any(|target| target == "Resource");
    let kind = if is_any || random.chance(8) { *random.pick(&any) } else { random.pick(place.targets).as_str() };
    let long = "x".repeat(64);
    let id = *random.pick(&["1", "1", "2", "a.B-c", long.as_str()]);
    let local = format!("{kind}/{id}");
    match random.below(20) {
        0..=5 => local,
        6..=8 => format!("{}/{local}", place.base),
        9 => format!("{local}/_history/2"),
        10 => format!("{}/{local}/_history/1", place.base),
        11 | 12 => format!("http://other.example.org/fhir/{local}"),
        13 => format!("http://other.example.org/fhir/{local}/_history/3"),
        14 => "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7".to_owned(),
        // as long as the base is not followed by a slash, it is another server
        15 => format!("{}x/{local}", place.base),
        16 | 17 if !place.contained.is_empty() => format!("#{}", random.pick(place.contained)),
        18 if place.is_broken => {
            (*random.pick(&["Patient/", "/Patient/1", "Unknown/1", "Patient/a b", "#"])).to_owned()
        }
        _ => canonical(random),
    }
}

fn reference(random: &mut Random, place: Place<'_>) -> Value {
    let literal = literal(random, place);
    let kind = place.targets.first().filter(|target| *target != "Resource").cloned();
    let has_literal = random.chance(80);
    object([
        ("reference", has_literal.then(|| json!(literal))),
        ("type", kind.filter(|_| !has_literal && random.chance(60)).map(Value::from)),
        ("identifier", maybe(random, if has_literal { 25 } else { 80 }, identifier)),
        ("display", maybe(random, 25, text)),
    ])
}

#[test]
fn values_have_every_form() {
    let mut random = Random::new(11);
    let place = Place { base: "http://host/fhir", targets: &[], contained: &["c".to_owned()], is_broken: false };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        for kind in ["Period", "Quantity", "Reference", "Range", "Timing"] {
            let value = complex(&mut random, kind, place).unwrap();
            let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            seen.insert(format!("{kind} {}", names.join(" ")));
        }
    }
    for form in ["Period start", "Period end", "Period start end", "Reference identifier", "Range low", "Range high"] {
        assert!(seen.contains(form), "{form}: {seen:?}");
    }
    assert!(seen.contains("Timing event") && seen.contains("Timing event repeat") && seen.len() > 40, "{seen:?}");
}
