//! Signatures: whether the data of a JSON Digital Signature is one (FHIR R4 `datatypes.html#Signature`, RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::state::Check;
use crate::fhir::fhirpath::from_base64;
use crate::fhir::json::{Json, parse};
use crate::fhir::path::Path;

/// Checks one Signature. Whether it is that of anything is not asked.
pub fn check(check: &mut Check<'_, '_>, signature: &Json, path: &Path) {
    let text = |name: &str| signature.get(name).and_then(Json::as_str);
    let Some(data) = text("data").filter(|_| text("sigFormat") == Some("application/jose")) else { return };
    if from_base64(data).is_some_and(|bytes| !is_jws(&bytes)) {
        let text = || "the data of a signature in the format application/jose must be a JWS (RFC 7515)".to_owned();
        check.fail("value", text, &path.child("data"));
    }
}

/// Whether bytes are a JWS: compact, perhaps without its payload, or in one of the forms that are JSON.
fn is_jws(bytes: &[u8]) -> bool {
    let is_object = |bytes: &[u8]| parse(bytes).is_ok_and(|json| json.as_object().is_some());
    if bytes.first() == Some(&b'{') {
        return is_object(bytes);
    }
    let parts: Vec<Option<Vec<u8>>> =
        bytes.split(|b| *b == b'.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect();
    match parts.as_slice() {
        [Some(header), Some(_), Some(_)] => is_object(header),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_jws;

    #[test]
    fn what_is_a_jws() {
        for text in [
            "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln",
            "eyJhbGciOiJub25lIn0..c2ln",
            r#"{"payload":"eyJhIjoxfQ","protected":"eyJhbGciOiJub25lIn0","signature":"c2ln"}"#,
        ] {
            assert!(is_jws(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "ABC",
            "ABC.ABC.ABC",
            "eyJhbGciOiJub25lIn0.eyJhIjoxfQ",
            "eyJhbGciOiJub25lIn0.a+b.c",
            "{",
            "W10.e30.e30",
        ] {
            assert!(!is_jws(text.as_bytes()), "{text}");
        }
    }
}
