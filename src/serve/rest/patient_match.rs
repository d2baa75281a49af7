//! `POST [base]/Patient/$match` (FHIR R4 `patient-operation-match.html`): who may be the same person.
//!
//! A few searches (identifier, name with typing errors and birth date, telecom) find candidates; each is compared as a
//! whole (`search::alike`).

use std::collections::HashMap;

use super::call::{Answer, Call};
use super::framing::{Entry, Framing, Head};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::{Json, parse};
use crate::fhir::outcome::outcome_text;
use crate::fhir::types::ResourceKey;
use crate::repo::{Handling, Note, Stored};
use crate::search::alike::{Alike, compare, searches};
use crate::search::context::SearchContext;

/// Most candidates of one search.
const CANDIDATES: &str = "200";
/// Most matches that are answered when the client names no number.
const COUNT: usize = 50;

/// What is asked.
struct Asked<'a> {
    patient: &'a Json,
    only_certain: bool,
    count: usize,
}

/// A searchset of Patients, the most alike first, each with its score and grade.
///
/// # Errors
/// 400 for a body that is neither a Patient nor Parameters with one, or says too little to look for.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let body = body.ok_or_else(|| required("the body is a Patient, or Parameters with one as \"resource\""))?;
    let asked = read(body)?;
    let wanted = asked.patient.as_object().ok_or_else(|| required("the parameter \"resource\" is a Patient"))?;
    let all = searches(wanted);
    if all.is_empty() {
        return Err(required("the Patient has no identifier, name, birth date or telecom to look for"));
    }
    let kind = call.kind()?;
    let mut found: HashMap<ResourceKey, (Alike, Stored)> = HashMap::new();
    for mut pairs in all {
        pairs.extend([("_count".to_owned(), CANDIDATES.to_owned()), ("_total".to_owned(), "none".to_owned())]);
        let answer = call.session.search(SearchContext::Type(kind), &pairs, Handling::Strict).await?;
        for entry in answer.entries {
            if found.contains_key(&entry.stored.key) {
                continue;
            }
            let Some(body) = &entry.stored.body else { continue };
            let json = parse(body).map_err(|error| Fault::internal(format!("a stored Patient: {error}")))?;
            let Some(stored) = json.as_object() else { continue };
            found.insert(entry.stored.key.clone(), (compare(wanted, stored), entry.stored));
        }
    }
    let mut matches: Vec<(Alike, Stored)> = found.into_values().collect();
    matches.retain(|(alike, _)| alike.grade == "certain" || (!asked.only_certain && alike.grade != "certainly-not"));
    matches.sort_by(|(a, x), (b, y)| b.score.total_cmp(&a.score).then_with(|| x.key.id.cmp(&y.key.id)));
    let mut warning = None;
    if asked.only_certain && matches.len() > 1 {
        let message = format!("{} Patients match with certainty: which one is meant is not certain", matches.len());
        warning = Some(Issue::warning("multiple-matches", message));
        matches.clear();
    }
    matches.truncate(asked.count);
    Ok(Answer::whole(searchset(call, &matches, warning)))
}

fn required(message: &str) -> Fault {
    Fault::coded(Category::Invalid, "required", message)
}

fn read(body: &Json) -> Result<Asked<'_>> {
    let name = |json: &Json| json.get("resourceType").and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut asked = Asked { patient: body, only_certain: false, count: COUNT };
    match name(body).as_str() {
        "Patient" => return Ok(asked),
        "Parameters" => {}
        _ => return Err(required("the body is a Patient, or Parameters with one as \"resource\"")),
    }
    let mut patient = None;
    for (at, parameter) in body.get("parameter").and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        let wrong = |what: &str| Fault::invalid(what.to_owned()).at(place.clone());
        match parameter.get("name").and_then(Json::as_str).unwrap_or_default() {
            "resource" => patient = parameter.get("resource").filter(|json| name(json) == "Patient"),
            "onlyCertainMatches" => {
                let flag = parameter.get("valueBoolean").and_then(Json::as_bool);
                asked.only_certain = flag.ok_or_else(|| wrong("onlyCertainMatches is a valueBoolean"))?;
            }
            "count" => {
                let number = parameter.get("valueInteger").and_then(Json::as_number);
                let number = number.and_then(|number| number.as_str().parse().ok()).filter(|count| *count > 0);
                asked.count = number.ok_or_else(|| wrong("count is a valueInteger of at least 1"))?;
            }
            other => {
                let shown: String = other.chars().take(60).flat_map(char::escape_debug).collect();
                return Err(Fault::unsupported(format!("$match has no parameter \"{shown}\"")).at(place));
            }
        }
    }
    asked.patient = patient.ok_or_else(|| required("the parameter \"resource\" is a Patient"))?;
    Ok(asked)
}

fn searchset(call: &Call<'_>, matches: &[(Alike, Stored)], warning: Option<Issue>) -> bytes::Bytes {
    let base = &call.site.base;
    let (id, updated) = (call.site.ids.uuid(), call.site.clock.now());
    let links = [("self", format!("{base}/Patient/$match"))];
    let head = Head { kind: "searchset", id: &id, updated, total: Some(matches.len() as u64), links: &links };
    let mut bundle = Framing::start(head, 4096);
    for (alike, stored) in matches {
        bundle.entry(Entry {
            full_url: Some(&format!("{base}/{}", stored.key)),
            resource: stored.body.as_deref(),
            mode: Some("match"),
            note: Note { score: Some((alike.score * 1e6).round() as u32), grade: Some(alike.grade), ..Note::default() },
            ..Entry::default()
        });
    }
    if let Some(warning) = warning {
        let (outcome, url) = (outcome_text(&[warning]), format!("urn:uuid:{}", call.site.ids.uuid()));
        bundle.entry(Entry {
            full_url: Some(&url),
            resource: Some(&outcome),
            mode: Some("outcome"),
            ..Entry::default()
        });
    }
    bundle.finish()
}
