//! Names with children of `_filter` (FHIR R4 `search_filter.html`, 3.1.3.3): random elements and random filters, decided
//! here on the raw JSON, element by element.

use serde_json::{Value, json};

use super::product::World;
use crate::search::arbitrary::random::Random;

/// Resources of each type.
const EACH: usize = 60;

/// Filters of each type, and of these at least so many that find some and not all.
const FILTERS: usize = 250;
const TELLING: usize = 90;

const CODES: [&str; 4] = ["a", "b", "long-code-of-more-than-20-bytes", "d"];
const SYSTEMS: [&str; 2] = ["http://loinc.org", "http://x.test/s"];
const RELATIONS: [&str; 4] = ["replaces", "transforms", "signs", "appends"];

/// A filter over elements, and whether it holds for one of them.
struct Asked {
    text: String,
    holds: Box<dyn Fn(&Value) -> bool>,
}

fn asked(text: impl Into<String>, holds: impl Fn(&Value) -> bool + 'static) -> Asked {
    Asked { text: text.into(), holds: Box::new(holds) }
}

fn concept(random: &mut Random) -> Value {
    let coding = |random: &mut Random| match random.chance(80) {
        true => json!({"system": *random.pick(&SYSTEMS), "code": *random.pick(&CODES)}),
        false => json!({"code": *random.pick(&CODES)}),
    };
    let count = random.below(3);
    let codings: Vec<Value> = (0..=count).map(|_| coding(random)).collect();
    json!({ "coding": codings })
}

fn reference(random: &mut Random, kinds: &[&str]) -> Value {
    let (kind, id) = (*random.pick(kinds), random.below(3));
    match random.below(10) {
        0 => json!({"display": "nobody"}),
        1 => json!({"reference": format!("{}/{kind}/t{id}", super::BASE)}),
        2 => json!({"reference": format!("{kind}/t{id}/_history/2")}),
        _ => json!({"reference": format!("{kind}/t{id}")}),
    }
}

fn group(random: &mut Random) -> Value {
    let count = random.below(4);
    let characteristics = (0..count).map(|_| {
        let mut one = json!({"code": concept(random), "exclude": false});
        match random.below(4) {
            0 => one["valueBoolean"] = json!(random.chance(50)),
            1 => one["valueQuantity"] = json!({"value": 1}),
            _ => one["valueCodeableConcept"] = concept(random),
        }
        one
    });
    json!({"characteristic": characteristics.collect::<Vec<_>>()})
}

fn document(random: &mut Random) -> Value {
    let count = random.below(4);
    let relations = (0..count)
        .map(|_| json!({"code": *random.pick(&RELATIONS), "target": reference(random, &["DocumentReference"])}));
    json!({"relatesTo": relations.collect::<Vec<_>>()})
}

fn observation(random: &mut Random) -> Value {
    let list = |random: &mut Random, kinds: &[&str]| {
        let count = random.below(3);
        (0..count).map(|_| reference(random, kinds)).collect::<Vec<_>>()
    };
    let members = list(random, &["Observation", "QuestionnaireResponse"]);
    json!({"hasMember": members, "derivedFrom": list(random, &["Observation", "Media"])})
}

/// The elements that a name stands for, in one form.
fn elements(kind: &str, resource: &Value) -> Vec<Value> {
    let all = |name: &str| resource[name].as_array().cloned().unwrap_or_default();
    match kind {
        "Group" => all("characteristic"),
        "DocumentReference" => all("relatesTo"),
        _ => {
            let related = |name, code: &'static str| {
                all(name).into_iter().map(move |target| json!({"code": code, "target": target}))
            };
            related("hasMember", "has-member").chain(related("derivedFrom", "derived-from")).collect()
        }
    }
}

/// Comparisons of a concept.
fn coded(random: &mut Random, child: &str, at: &'static str) -> Asked {
    let (code, system) = (*random.pick(&CODES), *random.pick(&SYSTEMS));
    let is_other = random.chance(30);
    let operation = if is_other { "ne" } else { "eq" };
    let shown = if random.chance(50) { code.to_uppercase() } else { code.to_owned() };
    let values = move |element: &Value| {
        let mut all = element[at]["coding"].as_array().cloned().unwrap_or_default();
        // the other form of a value
        let truth = element["valueBoolean"].as_bool().filter(|_| at != "code");
        all.extend(truth.map(|truth| json!({"code": truth.to_string()})));
        all
    };
    let any = move |element: &Value, test: &dyn Fn(&Value) -> bool| {
        values(element).iter().any(|coding| test(coding) != is_other)
    };
    let short = if system == SYSTEMS[0] && random.chance(50) { "loinc" } else { system };
    match random.below(4) {
        0 => asked(format!("{child} {operation} {shown}"), move |e| any(e, &|coding| coding["code"] == code)),
        1 => asked(format!("{child} {operation} |{shown}"), move |e| {
            any(e, &|coding| coding["code"] == code && coding["system"].is_null())
        }),
        2 => asked(format!("{child} {operation} {short}|{shown}"), move |e| {
            any(e, &|coding| coding["code"] == code && coding["system"] == system)
        }),
        _ if at != "code" && random.chance(60) => {
            let truth = random.chance(50);
            asked(format!("{child} eq {truth}"), move |e| e["valueBoolean"] == truth)
        }
        _ => {
            let there = random.chance(50);
            asked(format!("{child} pr {there}"), move |e| values(e).is_empty() != there)
        }
    }
}

fn target(random: &mut Random) -> Asked {
    let reference = |e: &Value| e["target"]["reference"].as_str().map(|text| text.replace(super::BASE, ""));
    if random.chance(20) {
        let there = random.chance(70);
        return asked(format!("target pr {there}"), move |e| reference(e).is_some() == there);
    }
    let kind = *random.pick(&["Observation", "Media", "DocumentReference"]);
    let wanted = format!("{kind}/t{}", random.below(3));
    let is = wanted.clone();
    asked(format!("target re {wanted}"), move |e| {
        reference(e).is_some_and(|text| text.trim_start_matches('/').trim_end_matches("/_history/2") == is)
    })
}

/// A comparison of a child.
fn child(random: &mut Random, kind: &str) -> Asked {
    match (kind, random.chance(50)) {
        ("Group", true) => coded(random, "code", "code"),
        ("Group", false) => coded(random, "value", "valueCodeableConcept"),
        (_, true) => target(random),
        ("DocumentReference", false) => {
            let (code, is_other) = (*random.pick(&RELATIONS), random.chance(30));
            let system = if random.chance(30) { "http://hl7.org/fhir/document-relationship-type|" } else { "" };
            let operation = if is_other { "ne" } else { "eq" };
            asked(format!("code {operation} {system}{code}"), move |e| (e["code"] == code) != is_other)
        }
        _ => {
            let (word, code) = *random.pick(&[
                ("has-member", "has-member"),
                ("HAS-component", "has-member"),
                ("derived-from", "derived-from"),
                ("sequel-to", ""),
            ]);
            let is_other = random.chance(30);
            let operation = if is_other { "ne" } else { "eq" };
            asked(format!("type {operation} \"{word}\""), move |e| (e["code"] == code) != is_other)
        }
    }
}

/// What stands in brackets.
fn inner(random: &mut Random, kind: &str, depth: usize) -> Asked {
    if depth == 0 || random.chance(40) {
        return child(random, kind);
    }
    let (a, b) = (inner(random, kind, depth - 1), inner(random, kind, depth - 1));
    let (f, g) = (a.holds, b.holds);
    match random.below(3) {
        0 => asked(format!("({} and {})", a.text, b.text), move |e| f(e) && g(e)),
        1 => asked(format!("({} or {})", a.text, b.text), move |e| f(e) || g(e)),
        _ => asked(format!("not ({})", a.text), move |e| !f(e)),
    }
}

/// A filter of a type, and the resources' verdict.
fn filter(random: &mut Random, kind: &'static str, name: &str) -> (String, impl Fn(&Value) -> bool) {
    let (bracket, end) = (inner(random, kind, 2), child(random, kind));
    let is_absent = end.text.ends_with(" pr false");
    // `pr false` at the end of a path is the absence of the whole
    let end = match end.text.strip_suffix(" pr false").map(str::to_owned) {
        Some(child) => asked(format!("{child} pr false"), move |e| !(end.holds)(e)),
        None => end,
    };
    let text = format!("{name}[{}].{}", bracket.text, end.text);
    let is_not = random.chance(20);
    let text = if is_not { format!("not ({text})") } else { text };
    let holds = move |resource: &Value| {
        let found = elements(kind, resource).iter().any(|e| (bracket.holds)(e) && (end.holds)(e));
        (found != is_absent) != is_not
    };
    (text, holds)
}

/// A target without a URL has no value, so that the element has no type either.
fn is_open(kind: &str, resource: &Value) -> bool {
    kind == "Observation" && elements(kind, resource).iter().any(|e| e["target"]["reference"].is_null())
}

#[test]
fn children_of_one_element_stay_together() {
    let mut random = Random::new(11);
    for (kind, name, make) in [
        ("Group", "characteristic", group as fn(&mut Random) -> Value),
        ("DocumentReference", "relatesTo", document),
        ("Observation", "related", observation),
    ] {
        let resources: Vec<Value> = (0..EACH)
            .map(|n| {
                let mut made = make(&mut random);
                made["resourceType"] = json!(kind);
                made["id"] = json!(format!("r{n}"));
                made
            })
            .collect();
        let world = World::new(resources.iter());
        let of: Vec<usize> = (0..EACH).collect();
        let mut telling = 0;
        for _ in 0..FILTERS {
            let (text, holds) = filter(&mut random, kind, name);
            let found = world.found(kind, "_filter", &text, &of).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            let hits = found.iter().filter(|(_, index)| *index).count();
            telling += usize::from(hits > 0 && hits < EACH);
            for ((resource, (memory, index)), n) in resources.iter().zip(found).zip(0..) {
                assert_eq!(memory, index, "{kind}?_filter={text}: {resource}");
                if !is_open(kind, resource) {
                    assert_eq!(index, holds(resource), "{kind}?_filter={text}: number {n}, {resource}");
                }
            }
        }
        assert!(telling >= TELLING, "{kind}: {telling}");
    }
}

#[test]
fn what_is_no_child_is_refused() {
    let world = World::new([json!({"resourceType": "Group", "id": "g"})].iter());
    for (kind, text, reason) in [
        ("Observation", "related.target re Observation/1", "has a filter in brackets"),
        ("Observation", "related eq x", "has a filter in brackets"),
        ("Observation", "related[status eq final].target re Observation/1", "\"status\" of \"related\" is none of"),
        ("Observation", "related[type eq has-member].code eq x", "\"code\" of \"related\" is none of"),
        ("Observation", "related[type eq has-member].type.code eq x", "not a reference"),
        ("Observation", "related[type co has].target pr true", "does not apply"),
        ("Observation", "related[type eq has-member].target.nothing eq x", "unknown search parameter"),
        ("Group", "characteristic.code eq x", "has a filter in brackets"),
        ("Group", "characteristic[code eq x].value.code eq y", "is not a reference"),
        ("ServiceRequest", "item[status eq active].code eq x", "no elements for \"item\" in R4"),
        ("ServiceRequest", "item-event[date eq 2000].actor re Practitioner/1", "no elements for \"item-event\""),
        ("Patient", "related[type eq has-member].target pr true", "unknown search parameter \"related\" of Patient"),
    ] {
        let fault = world.found(kind, "_filter", text, &[]).expect_err(text);
        assert!(fault.contains(reason), "{text}: {fault}");
    }
    // the parameter of the same name stays one
    assert_eq!(world.found("Group", "_filter", "characteristic eq x", &[0]), Ok(vec![(false, false)]));
}
