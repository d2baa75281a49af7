//! `GET [base]/metadata`: the CapabilityStatement, made of the table of routes and the definitions
//! (FHIR R4 `capabilitystatement.html`).

use bytes::Bytes;

use super::routes::{Interaction, ROUTES, Route, Shape, has_endpoint};
use crate::base::clock::Timestamp;
use crate::fhir::json::{Json, write};
use crate::fhir::types::ResourceType;

/// The text of the statement of a server that started at `started`.
pub fn statement(base: &str, started: Timestamp) -> Bytes {
    let resources = ResourceType::all().filter(|kind| has_endpoint(*kind)).map(resource).collect();
    let rest = Json::object([
        ("mode", Json::string("server")),
        ("resource", Json::Array(resources)),
        ("interaction", interactions(|shape| shape == Shape::Base)),
    ]);
    let software = [("name", Json::string("Cresset")), ("version", Json::string(env!("CARGO_PKG_VERSION")))];
    let implementation = [("description", Json::string("Cresset, a FHIR R4 server")), ("url", Json::string(base))];
    let json = Json::object([
        ("resourceType", Json::string("CapabilityStatement")),
        ("status", Json::string("active")),
        ("date", Json::string(started.to_string())),
        ("kind", Json::string("instance")),
        ("software", Json::object(software)),
        ("implementation", Json::object(implementation)),
        ("fhirVersion", Json::string("4.0.1")),
        ("format", Json::Array(vec![Json::string("application/fhir+json"), Json::string("json")])),
        ("rest", Json::Array(vec![rest])),
    ]);
    let mut out = Vec::new();
    write(&json, &mut out);
    out.into()
}

fn resource(kind: ResourceType) -> Json {
    Json::object([
        ("type", Json::string(kind.name())),
        ("interaction", interactions(|shape| shape != Shape::Base)),
        ("versioning", Json::string("versioned")),
        ("readHistory", Json::Bool(true)),
        ("updateCreate", Json::Bool(true)),
        ("conditionalCreate", Json::Bool(true)),
        ("conditionalRead", Json::string("full-support")),
        ("conditionalUpdate", Json::Bool(false)),
        ("conditionalDelete", Json::string("not-supported")),
    ])
}

fn interactions(is_here: impl Fn(Shape) -> bool) -> Json {
    let offered = |route: &&Route| !matches!(route.interaction, Interaction::Absent(_));
    let codes = ROUTES.iter().filter(offered).filter(|route| is_here(route.shape)).flat_map(|route| route.codes);
    Json::Array(codes.map(|code| Json::object([("code", Json::string(*code))])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn lists_every_type_with_its_interactions() {
        let json = parse(&statement("http://h/fhir", Timestamp(0))).expect("JSON");
        let rest = json.get("rest").and_then(Json::as_array).map(|rest| &rest[0]).expect("rest");
        let resources = rest.get("resource").and_then(Json::as_array).expect("resources");
        assert_eq!(resources.len(), 145);
        let codes = |json: &Json| -> Vec<String> {
            let list = json.get("interaction").and_then(Json::as_array).unwrap_or_default();
            list.iter().filter_map(|item| Some(item.get("code")?.as_str()?.to_owned())).collect()
        };
        let all = ["read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"];
        assert_eq!(codes(&resources[0]), all);
        assert_eq!(codes(rest), ["transaction", "batch"]);
    }
}
