//! Forged page tokens: a page, or a 4xx that says why; never a 5xx.

use super::bundle::is_refusal;
use super::server::{WHOLE, server};

/// Laws of `_page`. The data is what follows the base URL, up to a token and with it; in it `FORM`, `NODE` and
/// `SEQ` stand for what begins a token and names a snapshot that is held.
pub fn page(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut guard = server(&WHOLE);
    let Some(server) = guard.as_mut() else { return false };
    let [form, node, seq] = server.snapshot();
    let text = text.replace("FORM", &form).replace("NODE", &node).replace("SEQ", &seq);
    let is_sendable = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !text.bytes().all(is_sendable) {
        return false;
    }
    let answer = server.client.get(&text);
    let is_json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/fhir+json"));
    if answer.status == 200 {
        assert!(!is_json || answer.json()["resourceType"].is_string(), "{}", answer.text());
        return true;
    }
    if is_json {
        is_refusal(answer.status, &answer.json());
    } else {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.text().contains("<OperationOutcome "), "{}", answer.text());
    }
    false
}
