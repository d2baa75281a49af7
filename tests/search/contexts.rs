//! Searches over all types and in compartments, against the raw JSON.

use serde_json::json;

use super::joined::{Ask, EACH, ask, compare, data, filled, has, led, load, those};
use crate::support::{TestApp, on_both_databases};

/// Types, and the elements that make them members: from the pages of the compartments, for what the data has.
const MEMBERS: &[(&str, &[(&str, &str)])] = &[
    (
        "Patient",
        &[
            ("Condition", "subject|asserter"),
            ("Encounter", "subject"),
            ("Observation", "subject|performer"),
            ("RiskAssessment", "subject"),
            ("ServiceRequest", "subject"),
            ("RelatedPerson", "patient"),
            ("Group", "member.entity"),
            ("List", "subject|source"),
            ("Provenance", "target"),
            ("Patient", "link.other"),
        ],
    ),
    ("Encounter", &[("Condition", "encounter"), ("Observation", "encounter"), ("Encounter", "")]),
    (
        "Practitioner",
        &[
            ("Condition", "asserter"),
            ("Observation", "performer"),
            ("Patient", "generalPractitioner"),
            ("List", "source"),
            ("Provenance", "agent.who"),
            ("Practitioner", ""),
        ],
    ),
    ("RelatedPerson", &[("Condition", "asserter"), ("Observation", "performer"), ("RelatedPerson", "")]),
    ("Device", &[("Observation", "subject|device"), ("Group", "member.entity")]),
];

/// Whether a resource is in the compartment of another: by the elements, or as its own resource.
fn belongs(n: usize, of: usize, paths: &[(&str, &str)]) -> bool {
    let kind = data().resources[n].kind.as_str();
    paths
        .iter()
        .any(|(member, path)| *member == kind && if path.is_empty() { n == of } else { led(n, path).contains(&of) })
}

fn compartments() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (kind, paths) in MEMBERS {
        for of in those(kind, |_, _| true).into_iter().take(EACH + 2) {
            asks.push(ask(format!("{{{of}}}/*"), those("", |n, _| belongs(n, of, paths))));
        }
        for (at, (member, _)) in paths.iter().enumerate() {
            let of = those(kind, |_, _| true)[at % 6];
            asks.push(ask(format!("{{{of}}}/{member}"), those(member, |n, _| belongs(n, of, paths))));
            let tagged = |n: usize, json: &_| belongs(n, of, paths) && has(json, "meta.tag.code", "j1");
            asks.push(ask(format!("{{{of}}}/{member}?_tag=j1"), those(member, tagged)));
        }
        let of = those(kind, |_, _| true)[3];
        let two = |n: usize| ["Observation", "Condition"].contains(&data().resources[n].kind.as_str());
        asks.push(ask(
            format!("{{{of}}}/*?_type=Observation,Condition"),
            those("", |n, _| two(n) && belongs(n, of, paths)),
        ));
    }
    let of = those("Patient", |_, _| true)[5];
    let coded = |n: usize, json: &_| belongs(n, of, MEMBERS[0].1) && has(json, "code.coding.code", "29463-7");
    asks.push(ask(format!("{{{of}}}/Observation?code=29463-7&_sort=-date"), those("Observation", coded)));
    asks
}

fn over_types() -> Vec<Ask> {
    let mut asks = Vec::new();
    for code in ["j0", "j1", "j2", "even", "odd"] {
        asks.push(ask(format!("?_tag={code}"), those("", |_, json| has(json, "meta.tag.code", code))));
        let not = |n: usize, json: &_| {
            ["Patient", "Device"].contains(&data().resources[n].kind.as_str()) && !has(json, "meta.tag.code", code)
        };
        asks.push(ask(format!("?_type=Patient,Device&_tag:not={code}"), those("", not)));
    }
    for kind in ["Patient,Practitioner", "Condition,Observation", "Group,List,Device", "Encounter"] {
        let of = |n: usize| kind.split(',').any(|k| data().resources[n].kind == k);
        asks.push(ask(format!("?_type={kind}"), those("", |n, _| of(n))));
        asks.push(ask(
            format!("?_type={kind}&_profile:missing=false"),
            those("", |n, json| of(n) && json["meta"]["profile"].is_array()),
        ));
    }
    for n in [0, 20, 40, 60] {
        asks.push(ask(format!("?_id={{#{n}}},{{#{}}}", n + 1), vec![n, n + 1]));
    }
    // parameters that both types have by one definition
    let clinical = |n: usize| ["Condition", "Observation"].contains(&data().resources[n].kind.as_str());
    for code in ["29463-7", "38341003", "55418-8", "73211009", "3141-9"] {
        let found = those("", |n, json| clinical(n) && has(json, "code.coding.code", code));
        asks.push(ask(format!("?_type=Condition,Observation&code={code}"), found));
    }
    for n in those("Patient", |_, _| true).into_iter().take(5) {
        let found = those("", |m, _| clinical(m) && led(m, "subject").contains(&n));
        asks.push(ask(format!("?_type=Condition,Observation&patient={{{n}}}"), found));
    }
    for gender in ["male", "female", "other", "unknown", "female,male"] {
        let found = those("", |n, json| {
            let person = ["Patient", "Practitioner"].contains(&data().resources[n].kind.as_str());
            person && gender.split(',').any(|g| has(json, "gender", g))
        });
        asks.push(ask(format!("?_type=Patient,Practitioner&gender={gender}"), found));
    }
    asks
}

fn joins_over_types() -> Vec<Ask> {
    let mut asks = Vec::new();
    let clinical = |n: usize| ["Condition", "Observation"].contains(&data().resources[n].kind.as_str());
    for n in 0..5 {
        let doctor = those("Practitioner", |_, json| has(json, "name.family", &format!("Doc{n}")))[0];
        let seen: Vec<usize> = those("Provenance", |m, _| led(m, "agent.who").contains(&doctor));
        let found: Vec<usize> = those("", |m, _| seen.iter().any(|p| led(*p, "target").contains(&m)));
        asks.push(ask(format!("?_has:Provenance:target:agent={{{doctor}}}"), found));
        let family = format!("Doc{n}");
        let patients = those("Patient", |m, _| led(m, "generalPractitioner").contains(&doctor));
        let chained = those("", |m, _| clinical(m) && led(m, "subject").iter().any(|p| patients.contains(p)));
        asks.push(ask(format!("?_type=Condition,Observation&patient.general-practitioner.family={family}"), chained));
        let kin = format!("Kin{n}");
        let patient = led(those("RelatedPerson", |_, json| has(json, "name.family", &kin))[0], "patient");
        let found = those("", |m, _| clinical(m) && led(m, "subject").iter().any(|p| patient.contains(p)));
        asks.push(ask(format!("?_type=Condition,Observation&patient._has:RelatedPerson:patient:name={kin}"), found));
    }
    asks
}

on_both_databases! {
    fn compartments_hold_their_members(database) {
        compare(&TestApp::start(database), &compartments());
    }

    fn all_types_are_searched(database) {
        let mut asks = over_types();
        asks.extend(joins_over_types());
        compare(&TestApp::start(database), &asks);
    }

    fn an_order_goes_through_several_types(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let names = load(&mut client);
        let value = |entry: &serde_json::Value, sort: &str| match sort {
            "_id" => entry["id"].as_str().map(str::to_owned),
            "_tag" => entry["meta"]["tag"][0]["code"].as_str().map(str::to_owned),
            _ => entry["meta"]["profile"][0].as_str().map(str::to_owned),
        };
        for sort in ["_id", "_profile", "_tag"] {
            for descending in [false, true] {
                let sign = if descending { "-" } else { "" };
                // resources of the edges have several tags
                let target = format!("?_type=Practitioner,Device,Condition,RelatedPerson,Group&_sort={sign}{sort}&_count=5");
                let (found, total) = client.search_all(&target);
                assert_eq!(total, Some(found.len() as u64), "{target}");
                let values: Vec<Option<String>> = found.iter().map(|entry| value(entry, sort)).collect();
                let some: Vec<&String> = values.iter().flatten().collect();
                assert!(values[..some.len()].iter().all(Option::is_some), "missing last: {target} {values:?}");
                let ordered = if descending { some.is_sorted_by(|a, b| a >= b) } else { some.is_sorted() };
                assert!(ordered && some.len() > 15, "{target}: {some:?}");
            }
        }
        let updated = client.get("?_type=Patient,Group&_sort=-_lastUpdated&_count=1").expect(200).json();
        assert_eq!(updated["total"], json!(those("Patient", |_, _| true).len() + EACH));
        let refused = filled("{0}/*", &names);
        client.get(&refused).expect_outcome(404);
    }
}
