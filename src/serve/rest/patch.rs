//! `PATCH [base]/[type]/[id]` and `PATCH [base]/[type]?[search parameters]` (FHIR R4 `http.html`, 3.1.0.6).

use std::sync::Arc;

use super::call::Call;
use super::negotiate::json_body;
use super::which::which;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::patch::{Patch, PatchFormat};
use crate::repo::Change;

/// The change that a patch asks for.
///
/// # Errors
/// 400 for an `If-Match` that cannot be read.
pub fn patch(call: &Call<'_>, patch: Patch) -> Result<Change> {
    Ok(Change::Patch { which: which(call)?, patch: Arc::new(patch), if_match: call.conditions.version()? })
}

/// The form of the patch in a body: that of its own media type, else FHIRPath Patch in a format of FHIR.
///
/// # Errors
/// 415.
pub fn format(content_type: Option<&str>) -> Result<PatchFormat> {
    let name = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if let Some(format) = PatchFormat::of_media_type(name) {
        return Ok(format);
    }
    if json_body(content_type).is_ok() {
        return Ok(PatchFormat::FhirPath);
    }
    let shown: String = name.chars().take(120).flat_map(char::escape_debug).collect();
    let message = format!(
        "a patch of type \"{shown}\" is not supported; send application/json-patch+json, application/merge-patch+json, or \
         a FHIRPath Patch as application/fhir+json"
    );
    Err(Fault::new(Category::UnsupportedMedia, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_have_types() {
        for (content_type, expected) in [
            (Some("application/json-patch+json"), PatchFormat::Json),
            (Some("application/JSON-Patch+json; charset=utf-8"), PatchFormat::Json),
            (Some("application/merge-patch+json"), PatchFormat::Merge),
            (Some("application/fhir+json; fhirVersion=4.0"), PatchFormat::FhirPath),
            (None, PatchFormat::FhirPath),
        ] {
            assert_eq!(format(content_type), Ok(expected), "{content_type:?}");
        }
        for bad in ["application/xml-patch+xml", "text/plain", ""] {
            assert_eq!(format(Some(bad)).expect_err(bad).category(), Category::UnsupportedMedia, "{bad}");
        }
    }
}
