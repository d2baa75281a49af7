//! Attachments: whether their content is what size and hash say (FHIR R4 `datatypes.html#attachment`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::state::{Check, STRUCTURE};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks one Attachment. The format of its elements was checked before; white space is not content, so that it is told here,
/// though base64 may have it elsewhere.
pub fn check(check: &mut Check<'_, '_>, attachment: &Json, path: &Path) {
    let text = |name: &str| attachment.get(name).and_then(Json::as_str);
    let is_spaced = |text: &str| text.bytes().any(|byte| byte.is_ascii_whitespace());
    if text("hash").is_some_and(is_spaced) {
        check.fail("value", || "the hash must not have white space".to_owned(), &path.child("hash"));
    }
    let Some(data) = text("data") else { return };
    let Ok(content) = STANDARD.decode(data) else {
        if is_spaced(data) {
            check.fail(
                "value",
                || "the base64 of an attachment must not have white space".to_owned(),
                &path.child("data"),
            );
        }
        return;
    };
    let size = attachment.get("size").and_then(Json::as_number).and_then(|size| size.as_str().parse::<usize>().ok());
    if let Some(size) = size.filter(|size| *size != content.len()) {
        let text = || format!("the size is {size}, but the data has {} bytes", content.len());
        check.fail(STRUCTURE, text, &path.child("size"));
    }
    let hash = text("hash").and_then(|hash| STANDARD.decode(hash).ok());
    if hash.is_some_and(|hash| *hash != *Sha1::digest(&content)) {
        check.fail("value", || "the hash is not the SHA-1 of the data".to_owned(), &path.child("hash"));
    }
}
