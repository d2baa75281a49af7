//! A fault on the wire: status and OperationOutcome, made here and nowhere else.

use bytes::Bytes;

use crate::base::fault::{Category, Fault, Issue};
use crate::fhir::outcome::outcome_text;

/// The status code and the OperationOutcome of a fault.
///
/// The text of an internal fault is for the operator: it goes to the log, and the caller learns only that
/// there was one.
pub fn wire(fault: &Fault) -> (u16, Bytes) {
    let status = fault.category().status();
    if fault.category() != Category::Internal {
        return (status, outcome_text(fault.issues()).into());
    }
    tracing::error!(fault = %fault, "internal fault");
    let issue = Issue::error("exception", "an internal error; the log of the server tells more under X-Request-Id");
    (status, outcome_text(&[issue]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_text_stays_inside() {
        let (status, body) = wire(&Fault::internal("table versions, row 7"));
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 500);
        assert!(text.contains("\"exception\"") && !text.contains("row 7"), "{text}");
        let (status, body) = wire(&Fault::invalid("no such thing"));
        assert_eq!(status, 400);
        assert!(String::from_utf8_lossy(&body).contains("no such thing"));
    }
}
