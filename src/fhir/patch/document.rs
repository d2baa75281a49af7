//! A patch of any form, from its document to the patched resource.

use super::budget::{Budget, PatchBounds};
use super::fhirpath_patch::FhirPathPatch;
use super::json_patch::JsonPatch;
use super::merge::MergePatch;
use super::xml_patch::XmlPatch;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::fhirpath::from_base64;
use crate::fhir::json::{Json, Object, parse_with};
use crate::fhir::labels::Labels;
use crate::fhir::name::Name;

/// The forms of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFormat {
    /// JSON Patch, `application/json-patch+json`.
    Json,
    /// Merge patch, `application/merge-patch+json`.
    Merge,
    /// FHIRPath Patch, a Parameters resource.
    FhirPath,
    /// XML Patch, `application/xml-patch+xml`.
    Xml,
}

impl PatchFormat {
    /// The form that a media type names (without parameters).
    pub fn of_media_type(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("application/json-patch+json") {
            return Some(Self::Json);
        }
        if is("application/xml-patch+xml") {
            return Some(Self::Xml);
        }
        is("application/merge-patch+json").then_some(Self::Merge)
    }
}

/// A patch.
#[derive(Debug)]
pub struct Patch(Form);

#[derive(Debug)]
enum Form {
    Json(JsonPatch),
    Merge(MergePatch),
    FhirPath(FhirPathPatch),
    Xml(XmlPatch),
    /// Labels are added, or taken away.
    Labels(Labels, bool),
}

impl Patch {
    /// Adds labels (`$meta-add`), or takes them away (`$meta-delete`).
    pub fn labels(labels: Labels, is_added: bool) -> Self {
        Self(Form::Labels(labels, is_added))
    }

    /// Reads the text of a document that is no resource.
    ///
    /// # Errors
    /// 400 when it is none of this form.
    pub fn parse(format: PatchFormat, text: &[u8], bounds: PatchBounds) -> Result<Self> {
        match format {
            PatchFormat::Xml => XmlPatch::read(text, bounds).map(Form::Xml).map(Self),
            format => Self::read(format, parse_with(text, bounds.nesting)?, bounds),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// 400 when it is none of this form.
    pub fn read(format: PatchFormat, document: Json, bounds: PatchBounds) -> Result<Self> {
        Ok(Self(match format {
            PatchFormat::Json => Form::Json(JsonPatch::read(document, bounds)?),
            PatchFormat::Merge => Form::Merge(MergePatch::read(document, bounds)?),
            PatchFormat::FhirPath => Form::FhirPath(FhirPathPatch::read(document, bounds)?),
            PatchFormat::Xml => return Err(Fault::invalid("an XML Patch is a document in XML, not in JSON")),
        }))
    }

    /// Reads the resource of an entry of a Bundle: Parameters, or a Binary whose data is a document of another form.
    ///
    /// # Errors
    /// 400 when it is neither, or its document is wrong.
    pub fn of_entry(resource: Json, bounds: PatchBounds) -> Result<Self> {
        if resource.get("resourceType").and_then(Json::as_str) != Some("Binary") {
            return Self::read(PatchFormat::FhirPath, resource, bounds);
        }
        let name = resource.get("contentType").and_then(Json::as_str).unwrap_or_default();
        let name = name.split(';').next().unwrap_or_default().trim();
        let format = PatchFormat::of_media_type(name).ok_or_else(|| {
            let message = "the contentType of a Binary with a patch is application/json-patch+json, application/merge-patch+json \
                 or application/xml-patch+xml";
            Fault::coded(Category::Invalid, "value", message).at("Binary.contentType")
        })?;
        let data: String = resource.get("data").and_then(Json::as_str).unwrap_or_default().split_whitespace().collect();
        let text = from_base64(&data).ok_or_else(|| Fault::invalid("data is not base64").at("Binary.data"))?;
        Self::parse(format, &text, bounds).map_err(|fault| fault.at("Binary.data"))
    }

    /// Applies it to a resource.
    ///
    /// # Errors
    /// 422 when it does not fit the resource or costs too much; 400 when the result is not the same resource.
    pub fn apply(&self, resource: Json, bounds: PatchBounds, now: Timestamp) -> Result<Json> {
        let before = resource.clone();
        let mut budget = Budget::new(bounds);
        let mut result = match &self.0 {
            Form::Json(patch) => patch.apply(resource, &mut budget),
            Form::Merge(patch) => patch.apply(resource, &mut budget),
            Form::FhirPath(patch) => patch.apply(resource, &mut budget, now),
            Form::Xml(patch) => patch.apply(&resource, &mut budget),
            Form::Labels(labels, is_added) => {
                let mut resource = resource;
                match is_added {
                    true => labels.add_to(&mut resource)?,
                    false => labels.remove_from(&mut resource)?,
                }
                Ok(resource)
            }
        }?;
        let Json::Object(after) = &mut result else {
            return Err(Fault::invalid(format!("the result is {}, not a resource", result.kind())));
        };
        for name in ["resourceType", "id"] {
            if before.get(name) != after.get(name) {
                return Err(Fault::coded(Category::Invalid, "invariant", format!("a patch cannot change {name}")));
            }
        }
        if let Json::Object(before) = &before {
            narrative(before, after)?;
        }
        Ok(result)
    }
}

/// Keeps a narrative from telling what is no longer so.
fn narrative(before: &Object, after: &mut Object) -> Result<()> {
    let Some(text) = before.get("text").filter(|text| after.get("text") == Some(*text)) else { return Ok(()) };
    let told = |object: &Object| -> Vec<_> {
        let is_told = |(name, _): &(&Name, &Json)| !matches!(name.as_str(), "text" | "meta" | "language");
        object.iter().filter(is_told).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    if told(before) == told(after) {
        return Ok(());
    }
    match text.get("status").and_then(Json::as_str) {
        Some("generated" | "extensions") => _ = after.remove("text"),
        Some("additional") => {
            let message =
                "the narrative holds more than the data (status \"additional\"); patch text with the data it tells";
            return Err(Fault::coded(Category::Unprocessable, "business-rule", message).at("text"));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    const BOUNDS: PatchBounds = PatchBounds { operations: 100, nesting: 64, bytes: 1 << 20 };

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text)
    }

    fn merged(resource: &str, patch: &str) -> Result<Json> {
        Patch::read(PatchFormat::Merge, json(patch), BOUNDS)?.apply(json(resource), BOUNDS, Timestamp(0))
    }

    #[test]
    fn the_resource_stays_the_same_one() {
        let patient = r#"{"resourceType":"Patient","id":"a"}"#;
        for other in [r#"{"id":"b"}"#, r#"{"id":null}"#, r#"{"resourceType":"Person"}"#] {
            assert_eq!(merged(patient, other).expect_err(other).category().status(), 400, "{other}");
        }
        assert!(merged(patient, r#"{"active":true}"#).is_ok());
        let list = Patch::read(PatchFormat::Json, json(r#"[{"op":"add","path":"","value":[]}]"#), BOUNDS);
        let fault = list.expect("a patch").apply(json(patient), BOUNDS, Timestamp(0)).expect_err("no resource");
        assert_eq!(fault.category().status(), 400);
    }

    #[test]
    fn a_narrative_does_not_tell_what_is_no_longer_so() {
        let with = |status: &str| {
            format!(r#"{{"resourceType":"Patient","id":"a","text":{{"status":"{status}","div":"<div>x</div>"}}}}"#)
        };
        let text = |result: Result<Json>| result.expect("patched").get("text").is_some();
        assert!(!text(merged(&with("generated"), r#"{"active":true}"#)));
        assert!(!text(merged(&with("extensions"), r#"{"active":true}"#)));
        assert!(text(merged(&with("empty"), r#"{"active":true}"#)));
        assert!(text(merged(&with("generated"), r#"{"meta":{"tag":[{"code":"x"}]}}"#)));
        assert!(text(merged(&with("generated"), r#"{"active":true,"text":{"div":"<div>y</div>"}}"#)));
        let fault = merged(&with("additional"), r#"{"active":true}"#).expect_err("more than the data");
        assert_eq!(fault.category().status(), 422);
        assert!(text(merged(&with("additional"), r#"{"active":true,"text":{"div":"<div>y</div>"}}"#)));
    }

    #[test]
    fn an_entry_holds_parameters_or_a_binary() {
        let of = |text: &str| Patch::of_entry(json(text), BOUNDS);
        assert!(of(r#"{"resourceType":"Parameters"}"#).is_ok());
        // [{"op":"remove","path":"/active"}]
        let data = "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2FjdGl2ZSJ9XQ==";
        let binary = |kind: &str, data: &str| {
            of(&format!(r#"{{"resourceType":"Binary","contentType":"{kind}","data":"{data}"}}"#))
        };
        let patch = binary("application/json-patch+json", data).expect("a patch");
        let result = patch.apply(json(r#"{"resourceType":"Patient","active":true}"#), BOUNDS, Timestamp(0));
        assert_eq!(result.expect("patched").get("active"), None);
        for bad in [
            binary("text/plain", data),
            binary("application/json-patch+json", "?"),
            of(r#"{"resourceType":"Patient"}"#),
        ] {
            assert_eq!(bad.expect_err("bad").category().status(), 400);
        }
    }
}
