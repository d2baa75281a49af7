//! Patches: the result is the same resource and within the bounds, and JSON Patch and merge patch do what their RFCs say,
//! as a plain reading of those does it.

use cresset::base::clock::Timestamp;
use cresset::base::fault::{Category, Fault};
use cresset::fhir::json::{Json, parse, write};
use cresset::fhir::patch::{Patch, PatchBounds, PatchFormat};
use serde_json::Value;

use super::json::depth;
use super::rfc::{merged, patched};

const BOUNDS: PatchBounds = PatchBounds { operations: 50, nesting: 32, bytes: 64 << 10 };

/// Laws of patches. The data is a JSON array of a resource and a patch: an array is JSON Patch, Parameters and Binary are
/// as in an entry of a Bundle, any other object is a merge patch.
pub fn patch(data: &[u8]) -> bool {
    let Ok(Json::Array(mut pair)) = parse(data) else { return false };
    let (Some(document), Some(resource), None) = (pair.pop(), pair.pop(), pair.pop()) else { return false };
    if resource.as_object().is_none() || depth(&resource) > BOUNDS.nesting {
        return false;
    }
    let format = match document.get("resourceType").and_then(Json::as_str) {
        Some("Parameters" | "Binary") => None,
        _ if document.as_array().is_some() => Some(PatchFormat::Json),
        _ => Some(PatchFormat::Merge),
    };
    let read = match format {
        Some(format) => Patch::read(format, document.clone(), BOUNDS),
        None => Patch::of_entry(document.clone(), BOUNDS),
    };
    let read = match read {
        Ok(read) => read,
        Err(fault) => {
            assert_eq!(fault.category(), Category::Invalid, "{fault}");
            return false;
        }
    };
    let apply = || read.apply(resource.clone(), BOUNDS, Timestamp(0));
    let result = apply();
    assert_eq!(apply(), result, "twice the same");
    match &result {
        Ok(result) => is_the_same_resource(result, &resource),
        Err(fault) => {
            assert!(matches!(fault.category(), Category::Invalid | Category::Unprocessable), "{fault}");
            if fault.issues()[0].code == "too-costly" {
                return false;
            }
        }
    }
    match format {
        Some(PatchFormat::Json) => json_patch(&resource, &document, &result),
        Some(PatchFormat::Merge) => agrees(Some(Ok(merged(plain(&resource), &plain(&document)))), &result, &resource),
        _ => {}
    }
    result.is_ok()
}

fn is_the_same_resource(result: &Json, resource: &Json) {
    for name in ["resourceType", "id"] {
        assert_eq!(result.get(name), resource.get(name), "{name}");
    }
    assert!(result.as_object().is_some() && depth(result) <= BOUNDS.nesting, "{} levels", depth(result));
    let mut text = Vec::new();
    write(result, &mut text);
    assert_eq!(parse(&text).as_ref(), Ok(result), "what was patched is JSON");
}

fn json_patch(resource: &Json, document: &Json, result: &Result<Json, Fault>) {
    agrees(patched(plain(resource), &plain(document)), result, resource);
    let more = |resource: &Json, operations: &[Json]| {
        let all = document.as_array().into_iter().flatten().chain(operations).cloned().collect();
        Patch::read(PatchFormat::Json, Json::Array(all), BOUNDS)
            .and_then(|p| p.apply(resource.clone(), BOUNDS, Timestamp(0)))
    };
    let Ok(result) = result else { return };
    if resource.get("text").is_some() {
        // The narrative may have been taken away at the end.
        return;
    }
    let operation = |op: &str, path: &str, value: &Json| {
        Json::object([("op", Json::string(op)), ("path", Json::string(path)), ("value", value.clone())])
    };
    let is = more(resource, &[operation("test", "", result)]);
    assert!(is_or_costs(&is, result), "the result passes as its own test");
    let there_and_back =
        [operation("add", "/not~0there", &Json::Null), operation("remove", "/not~0there", &Json::Null)];
    assert!(is_or_costs(&more(resource, &there_and_back), result), "what is added and removed leaves nothing");
}

fn is_or_costs(found: &Result<Json, Fault>, expected: &Json) -> bool {
    match found {
        Ok(found) => found == expected,
        Err(fault) => fault.issues()[0].code == "too-costly",
    }
}

/// The plain reading and the product's agree; the product also keeps type, id and narrative.
fn agrees(expected: Option<Result<Value, ()>>, found: &Result<Json, Fault>, resource: &Json) {
    match (expected, found) {
        (None, _) => {}
        (Some(Ok(mut expected)), Ok(found)) => {
            let mut found = plain(found);
            if resource.get("text").is_some() {
                for side in [&mut expected, &mut found] {
                    _ = side.as_object_mut().and_then(|object| object.shift_remove("text"));
                }
            }
            assert_eq!(found, expected);
        }
        (Some(Err(())), Err(_)) => {}
        (Some(Err(())), Ok(_)) => panic!("it should have failed"),
        (Some(Ok(expected)), Err(fault)) => {
            let is_kept = ["resourceType", "id"].iter().all(|name| expected.get(*name) == plain(resource).get(*name));
            let is_rule = !expected.is_object() || !is_kept || resource.get("text").is_some();
            assert!(is_rule, "it should have become {expected}: {fault}");
        }
    }
}

/// The same as a value of another library.
fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.as_str().parse().expect("a number")),
        Json::String(text) => Value::String(text.to_string()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(object) => {
            Value::Object(object.iter().map(|(name, value)| (name.as_str().to_owned(), plain(value))).collect())
        }
    }
}
