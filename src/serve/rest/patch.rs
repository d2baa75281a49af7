//! `PATCH [base]/[type]/[id]` and `PATCH [base]/[type]?[search parameters]` (FHIR R4 `http.html`, 3.1.0.6).

use std::sync::Arc;

use super::call::Call;
use super::negotiate::body_format;
use super::which::which;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::patch::{Patch, PatchFormat};
use crate::repo::Change;

/// The change that a patch asks for.
///
/// # Errors
/// 400 for an `If-Match` that cannot be read.
pub fn patch(call: &Call<'_>, patch: Patch) -> Result<Change> {
    Ok(Change::Patch { which: which(call)?, patch: Arc::new(patch), if_match: call.conditions.if_match()? })
}

/// What a media type says of the form of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It is this one.
    Known(PatchFormat),
    /// `application/json`, which many clients send: the document itself tells.
    Told,
}

impl Sort {
    /// The form of a document: an array is a JSON Patch, Parameters are a FHIRPath Patch, any other object is a merge patch.
    pub fn of(self, document: &Json) -> PatchFormat {
        match self {
            Self::Known(format) => format,
            Self::Told if document.as_array().is_some() => PatchFormat::Json,
            Self::Told if document.get("resourceType").and_then(Json::as_str) == Some("Parameters") => {
                PatchFormat::FhirPath
            }
            Self::Told => PatchFormat::Merge,
        }
    }
}

/// The form of the patch in a body: that of its own media type, else FHIRPath Patch in a format of FHIR.
///
/// # Errors
/// 415.
pub fn format(content_type: Option<&str>) -> Result<Sort> {
    let name = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if let Some(format) = PatchFormat::of_media_type(name) {
        return Ok(Sort::Known(format));
    }
    if body_format(content_type).is_ok() {
        let is_plain = name.eq_ignore_ascii_case("application/json");
        return Ok(if is_plain { Sort::Told } else { Sort::Known(PatchFormat::FhirPath) });
    }
    let shown: String = name.chars().take(120).flat_map(char::escape_debug).collect();
    let message = format!(
        "a patch of type \"{shown}\" is not supported; send application/json-patch+json, application/xml-patch+xml, \
         application/merge-patch+json, or a FHIRPath Patch as application/fhir+json or application/fhir+xml"
    );
    Err(Fault::new(Category::UnsupportedMedia, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn patches_have_types() {
        for (content_type, expected) in [
            (Some("application/json-patch+json"), PatchFormat::Json),
            (Some("application/JSON-Patch+json; charset=utf-8"), PatchFormat::Json),
            (Some("application/merge-patch+json"), PatchFormat::Merge),
            (Some("application/xml-patch+xml; charset=utf-8"), PatchFormat::Xml),
            (Some("application/fhir+json; fhirVersion=4.0"), PatchFormat::FhirPath),
            (Some("application/fhir+xml"), PatchFormat::FhirPath),
            (None, PatchFormat::FhirPath),
        ] {
            assert_eq!(format(content_type), Ok(Sort::Known(expected)), "{content_type:?}");
        }
        for (text, expected) in [
            ("[]", PatchFormat::Json),
            (r#"{"resourceType":"Parameters"}"#, PatchFormat::FhirPath),
            (r#"{"active":true}"#, PatchFormat::Merge),
        ] {
            let document = parse(text.as_bytes()).expect("JSON");
            assert_eq!(format(Some("application/json")).map(|sort| sort.of(&document)), Ok(expected), "{text}");
        }
        for bad in ["application/patch+xml", "text/plain", ""] {
            assert_eq!(format(Some(bad)).expect_err(bad).category(), Category::UnsupportedMedia, "{bad}");
        }
    }
}
