//! A server is given arbitrary resources in transactions, and finds what the evaluator finds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::definitions::{Definitions, Param, definitions};
use super::super::holds::holds;
use super::super::values::{Found, values};
use super::asks::{Asker, Search};
use super::random::Random;
use super::resources::Maker;
use crate::support::{Client, StillApp, on_both_databases, variable};

/// The base URL of [`StillApp`].
const BASE: &str = "http://cresset.test/fhir";

/// Its clock, in microseconds.
const NOW: i64 = 1_709_210_096_789_000;

/// Resources of each type.
const EACH: usize = 30;

/// Searches by each parameter.
const SEARCHES: usize = 6;

const KINDS: [&str; 8] = [
    "Observation",
    "Patient",
    "RiskAssessment",
    "DocumentReference",
    "Location",
    "PlanDefinition",
    "CarePlan",
    "ImmunizationRecommendation",
];

/// Of what a server is given, so many of a hundred must be taken.
const TAKEN: usize = 95;

/// Writes the resources in one transaction for each type; one by one where that is refused.
fn write(client: &mut Client, resources: Vec<Value>) -> Vec<Value> {
    let path = |json: &Value| format!("{}/{}", json["resourceType"].as_str().unwrap(), json["id"].as_str().unwrap());
    let entry = |json: &Value| json!({"resource": json, "request": {"method": "PUT", "url": path(json)}});
    let entries: Vec<Value> = resources.iter().map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = client.post("", &bundle);
    if answer.status == 200 {
        return resources;
    }
    let taken = resources.into_iter().filter(|json| {
        let answer = client.put(&path(json), json);
        if answer.status != 201 {
            eprintln!("{} is refused: {}", path(json), answer.text());
        }
        answer.status == 201
    });
    taken.collect()
}

/// The ids of the matches.
fn ids(client: &mut Client, query: &str) -> Result<BTreeSet<String>, String> {
    let target = format!("/fhir/{query}&_elements=id&_count=1000");
    let answer = client.send("GET", &target, &[("Prefer", "handling=strict")], &[]);
    if answer.status != 200 {
        return Err(format!("{}: {}", answer.status, answer.text()));
    }
    let page = answer.json();
    let entries = page["entry"].as_array().into_iter().flatten().filter(|entry| entry["search"]["mode"] == "match");
    let found: BTreeSet<String> = entries.map(|e| e["resource"]["id"].as_str().unwrap().to_owned()).collect();
    match page["total"] == json!(found.len()) {
        true => Ok(found),
        false => Err(format!("the total is {} of {}", page["total"], found.len())),
    }
}

/// What is wrong with the answer to a search.
fn wrong(
    client: &mut Client,
    (kind, param): (&str, &Param),
    search: &Search,
    all: &[(&str, Vec<Found<'_>>)],
) -> Option<String> {
    let query = format!("{kind}?{}", search.ask.query(&param.code, BASE));
    let found = match ids(client, &query) {
        Ok(found) => found,
        Err(what) => return Some(format!("{query}: {what}")),
    };
    let differs = |(id, values): &&(&str, Vec<Found<'_>>)| {
        holds(param, values, &search.ask, NOW).is_some_and(|expected| expected != found.contains(*id))
    };
    all.iter().find(differs).map(|(id, values)| {
        format!("{query}: {id} is {}found; {values:?}", if found.contains(*id) { "" } else { "not " })
    })
}

/// Whether a server says the same of this search as of one that looks at the values alone: a plain id by which
/// resources of several types are referred to is refused.
fn is_served(param: &Param, search: &Search) -> bool {
    let is_plain_id = search.classes.iter().any(|class| class == "reference id" || class == "composite reference id");
    !(is_plain_id && param.targets.len() != 1)
}

fn run(all: &'static Definitions, client: &mut Client, seed: u64) -> (usize, Vec<String>) {
    let mut random = Random::new(seed);
    let (mut asked, mut complaints) = (0, Vec::new());
    for kind in KINDS {
        let mut maker = Maker { all, random: &mut random, base: BASE, is_sound: true };
        let made: Vec<Value> = (0..EACH).map(|n| maker.resource(kind, &format!("r{n}"))).collect();
        let stored = write(client, made);
        assert!(stored.len() * 100 >= EACH * TAKEN, "{kind}: {} are taken", stored.len());
        for param in all.params_of(kind).filter(|p| p.expression.is_some() && !p.code.starts_with('_')) {
            let found: Vec<(&str, Vec<Found<'_>>)> =
                stored.iter().map(|json| (json["id"].as_str().unwrap(), values(all, param, json, BASE))).collect();
            let flat: Vec<&Found<'_>> = found.iter().flat_map(|(_, values)| values).collect();
            let start = random.below(1000);
            for turn in 0..SEARCHES {
                let search = Asker { all, random: &mut random }.search(param, &flat, start + turn);
                let Some(search) = search.filter(|search| is_served(param, search)) else { continue };
                asked += 1;
                complaints.extend(wrong(client, (kind, param), &search, &found));
            }
        }
    }
    (asked, complaints)
}

on_both_databases! {
    fn a_server_finds_arbitrary_resources(database) {
        let Some(all) = definitions() else { return };
        let seed = variable("CRESSET_AGREEMENT_SEED").map_or(20_261_128, |text| text.parse().unwrap());
        let app = StillApp::without_validation(database);
        let (asked, complaints) = run(all, &mut app.client(), seed);
        eprintln!("seed {seed}: {asked} searches");
        assert!(complaints.is_empty(), "{} of {asked} searches are wrong, seed {seed}:\n{}", complaints.len(), complaints.join("\n"));
        assert!(asked > 400, "{asked}");
    }
}
