//! All official examples through the server: written in one format, read back equal in the other.

use std::collections::BTreeMap;

use cresset::fhir::json;
use cresset::fhir::xml::parse;
use serde_json::Value;

use crate::support::{Client, Database, TestApp, official};

/// How many examples the server answers with which status, when they are written.
type Statuses = BTreeMap<u16, usize>;

fn of_xml(text: &[u8]) -> Value {
    let tree = parse(text, 64).unwrap_or_else(|fault| panic!("{fault}"));
    let mut out = Vec::new();
    json::write(&tree, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// Without what the server assigns.
fn own(mut resource: Value, has_id: bool) -> Value {
    if let Some(object) = resource.as_object_mut() {
        if !has_id {
            object.remove("id");
        }
        if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            if meta.is_empty() {
                object.remove("meta");
            }
        }
    }
    resource
}

/// Writes an example as it is and reads it back in both formats.
fn through(client: &mut Client, name: &str, text: &[u8], format: &str, expected: Value) -> u16 {
    let kind = expected["resourceType"].as_str().unwrap().to_owned();
    let id = expected["id"].as_str().map(str::to_owned);
    let (method, target) = match &id {
        Some(id) => ("PUT", format!("/fhir/{kind}/{id}")),
        None => ("POST", format!("/fhir/{kind}")),
    };
    let written = client.send(method, &target, &[("Content-Type", format)], text);
    if written.status >= 400 {
        assert_eq!(written.json()["resourceType"], "OperationOutcome", "{name}");
        return written.status;
    }
    let place = format!("/fhir/{}", written.location().0);
    let expected = own(expected, id.is_some());
    let read = client.send("GET", &place, &[("Accept", "application/fhir+json")], &[]).expect(200);
    assert_eq!(own(read.json(), id.is_some()), expected, "{name}");
    let read = client.send("GET", &place, &[("Accept", "application/fhir+xml")], &[]).expect(200);
    assert_eq!(own(of_xml(&read.body), id.is_some()), expected, "{name}");
    written.status
}

#[test]
fn what_is_written_in_either_format_is_read_in_both() {
    let Some(folder) = official::folder() else { return };
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    let (mut json, mut xml) = (Statuses::new(), Statuses::new());
    for (name, text) in official::json(&folder) {
        let expected: Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text)).unwrap();
        *json.entry(through(&mut client, &name, &text, "application/fhir+json", expected)).or_default() += 1;
    }
    for (name, text) in official::xml(&folder) {
        let expected = of_xml(&text);
        *xml.entry(through(&mut client, &name, &text, "application/fhir+xml", expected)).or_default() += 1;
    }
    assert_eq!((json, xml), (Statuses::from(JSON), Statuses::from(XML)));
}

/// Created, updated (the second of a type and id that occurs twice), refused by the structure checks (one of them for an
/// id of 69 characters), and refused as `Parameters`, which have no endpoint.
const JSON: [(u16, usize); 4] = [(200, 7), (201, 2696), (400, 198), (404, 1)];
/// The same in XML; what the JSON has created is updated.
const XML: [(u16, usize); 3] = [(200, 2446), (400, 199), (404, 1)];
