//! The answer to `_explain`: an OperationOutcome, with an issue for people for each thing to say and an extension that
//! says the same for machines.

use std::time::Duration;

use crate::base::fault::Issue;
use crate::fhir::json::{Json, write};
use crate::fhir::outcome::outcome;
use crate::search::explain::Explanation;

/// The outcome of a search that was explained, with the warnings that it has anyway first. JSON text.
pub fn explained(
    explanation: &Explanation,
    phases: &[(&'static str, Duration)],
    warnings: &[Issue],
    base: &str,
) -> Vec<u8> {
    let mut issues = warnings.to_vec();
    let mut tell = |text: String| {
        issues.push(Issue { severity: "information", ..Issue::error("informational", text) });
    };
    let part = |url: &str, name: &str, value: Json| Json::object([("url", Json::string(url)), (name, value)]);
    let group =
        |url: &str, parts: Vec<Json>| Json::object([("url", Json::string(url)), ("extension", Json::Array(parts))]);
    let whole = |number: u128| Json::integer(i32::try_from(number).unwrap_or(i32::MAX).into());
    let mut parts = Vec::new();
    for (name, took) in phases {
        tell(format!("{name} took {} us", took.as_micros()));
        let took = part("micros", "valueInteger", whole(took.as_micros()));
        parts.push(group("phase", vec![part("name", "valueCode", Json::string(*name)), took]));
    }
    for found in &explanation.clauses {
        tell(format!("{} candidates: {}", found.count, found.clause));
        let count = part("candidates", "valueInteger", whole(found.count.into()));
        parts.push(group("clause", vec![part("condition", "valueString", Json::string(found.clause.as_str())), count]));
    }
    let left = explanation.conditions - explanation.clauses.len();
    if left > 0 {
        tell(format!("{left} more conditions, whose candidates were not counted"));
    }
    tell(format!("compiled: {}", explanation.compiled));
    parts.push(part("types", "valueInteger", whole(explanation.types.len() as u128)));
    parts.push(part("conditions", "valueInteger", whole(explanation.conditions as u128)));
    parts.push(part("compiled", "valueString", Json::string(explanation.compiled.as_str())));
    let mut json = outcome(&issues);
    if let Some(object) = json.as_object_mut() {
        let extension = group(&format!("{base}/StructureDefinition/search-explanation"), parts);
        object.set("extension", Json::Array(vec![extension]));
    }
    let mut out = Vec::new();
    write(&json, &mut out);
    out
}
