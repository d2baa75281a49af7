//! GraphQL: what is a query is answered within its bounds, always with the same, and a comment before it changes nothing; what is
//! refused says where.

use std::sync::Arc;

use cresset::base::clock::Timestamp;
use cresset::base::fault::{Category, Result};
use cresset::base::limits;
use cresset::fhir::graphql::{Entry, Found, Request, Root, Search, Source, answer_text, error_text, execute};
use cresset::fhir::json::{Json, parse};
use cresset::fhir::types::{ResourceId, ResourceType};
use serde_json::Value;

const RESOURCES: [&str; 3] = [
    r##"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","family":"Ångström","given":["Ada","Berta"]},
      {"use":"usual","given":["A. \n b"]}],"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://x/time","valueDateTime":"1974"}]},
      "contained":[{"resourceType":"Organization","id":"c","name":"In"}],"managingOrganization":{"reference":"#c"},
      "generalPractitioner":[{"reference":"Organization/o"},{"reference":"Patient/p"},{"display":"x"}]}"##,
    r#"{"resourceType":"Observation","id":"a","status":"final","code":{"text":"t"},"subject":{"reference":"Patient/p"},
      "valueQuantity":{"value":1.50,"unit":"mg"},"component":[{"code":{"text":"a"},"valueString":"b"}]}"#,
    r#"{"resourceType":"Organization","id":"o","name":"Org","partOf":{"reference":"Organization/o"}}"#,
];

/// Most bytes of an answer: its bound, and what stands around it.
const LONGEST: usize = limits::GRAPHQL_BYTES + (1 << 20);

/// Laws of queries. After a line of three dashes come the variables.
pub fn graphql(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (query, variables) = text.split_once("\n---\n").unwrap_or((text, ""));
    let pairs = [("query", query), ("variables", variables)];
    let Ok(request) = Request::of_pairs(pairs.into_iter(), 64) else { return false };
    let commented = Request { query: format!("# }} \" {{\n{query}"), ..request.clone() };
    let world = World(RESOURCES.iter().map(|text| Arc::new(parse(text.as_bytes()).expect("JSON"))).collect());
    let mut is_taken = false;
    for root in [Root::System, Root::Resource(world.0[0].clone())] {
        let answer = told(execute(&request, &root, &world, Timestamp(0)));
        assert_eq!(told(execute(&request, &root, &world, Timestamp(0))), answer, "twice the same");
        let other = told(execute(&commented, &root, &world, Timestamp(0)));
        assert_eq!(other.as_ref().ok(), answer.as_ref().ok(), "a comment changes nothing");
        let Ok(text) = answer else { continue };
        is_taken = true;
        assert!(text.len() <= LONGEST, "{} bytes", text.len());
        let json: Value = serde_json::from_slice(&text).expect("an answer is JSON");
        assert!(json["data"].is_object() && json.get("errors").is_none(), "{json}");
    }
    is_taken
}

/// An answer as text; of a fault its text without the places.
fn told(answer: Result<Json>) -> std::result::Result<Vec<u8>, String> {
    answer.map(answer_text).map_err(|fault| {
        assert!(!matches!(fault.category(), Category::Internal), "{fault}");
        let text = error_text(fault.issues());
        let json: Value = serde_json::from_slice(&text).expect("a refusal is JSON");
        let errors = json["errors"].as_array().expect("errors");
        assert!(json["data"].is_null() && !errors.is_empty(), "{json}");
        assert!(text.len() < 64 << 10, "a refusal of {} bytes", text.len());
        fault.message().to_owned()
    })
}

/// What is stored.
struct World(Vec<Arc<Json>>);

impl World {
    fn find(&self, kind: &str, id: &str) -> Option<Arc<Json>> {
        let is = |json: &Json, name: &str, value: &str| json.get(name).and_then(Json::as_str) == Some(value);
        self.0.iter().find(|json| is(json, "resourceType", kind) && is(json, "id", id)).cloned()
    }
}

impl Source for World {
    fn read(&self, kind: ResourceType, id: &ResourceId) -> Result<Option<Arc<Json>>> {
        Ok(self.find(kind.name(), id.as_str()))
    }

    fn resolve(&self, reference: &str) -> Result<Option<Arc<Json>>> {
        Ok(reference.split_once('/').and_then(|(kind, id)| self.find(kind, id)))
    }

    fn params(&self, _: ResourceType) -> Vec<String> {
        ["_id", "code", "status", "subject", "name", "_sort", "_filter"].map(str::to_owned).to_vec()
    }

    fn search(&self, search: &Search) -> Result<Found> {
        let is_it = |json: &&Arc<Json>| json.get("resourceType").and_then(Json::as_str) == Some(search.kind.name());
        let matches: Vec<_> = self.0.iter().filter(is_it).cloned().collect();
        let size = search.count.unwrap_or(2).min(self.most());
        let entry = |resource: Arc<Json>| Entry { resource, mode: Some("match"), score: None };
        let total = Some(matches.len() as u64);
        let entries = matches.into_iter().take(size).map(entry).collect();
        Ok(Found { total, size, entries, next: search.cursor.clone(), ..Found::default() })
    }

    fn most(&self) -> usize {
        3
    }
}
