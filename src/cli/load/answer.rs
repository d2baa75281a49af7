//! Reads what the server says of a request.

use crate::base::net::Answer;
use crate::cli::load::outline::{items, member, members};

/// What became of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that went in.
    pub done: usize,
    /// Entries that did not.
    pub failed: usize,
    /// Why, of the first few.
    pub reasons: Vec<String>,
}

/// Reasons that are kept of one request.
const REASONS: usize = 5;

/// The verdict over a request of `resources` entries.
pub fn verdict(answer: &Answer, resources: usize) -> Verdict {
    let text = String::from_utf8_lossy(&answer.body);
    if !answer.status.is_success() {
        return Verdict { done: 0, failed: resources, reasons: vec![format!("{}: {}", answer.status, reason(&text))] };
    }
    let mut verdict = Verdict::default();
    let entries = member(&text, "entry").and_then(|entries| items(entries).ok()).unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        let response = member(entry, "response").unwrap_or_default();
        let status = member(response, "status").unwrap_or("\"no status\"").trim_matches('"');
        if status.starts_with('2') || status.starts_with("304") {
            verdict.done += 1;
            continue;
        }
        verdict.failed += 1;
        if verdict.reasons.len() < REASONS {
            let outcome = member(response, "outcome").map(reason).unwrap_or_default();
            verdict.reasons.push(format!("entry {index}: {status}: {outcome}"));
        }
    }
    let silent = resources.saturating_sub(entries.len());
    if silent > 0 {
        verdict.failed += silent;
        verdict.reasons.push(format!("the server said nothing of {silent} entries"));
    }
    verdict
}

/// The texts of an OperationOutcome; of anything else its beginning.
fn reason(text: &str) -> String {
    let issues = member(text, "issue").and_then(|issues| items(issues).ok()).unwrap_or_default();
    let texts: Vec<_> = issues.iter().filter_map(|issue| one(issue)).take(3).collect();
    if texts.is_empty() { text.chars().take(300).collect() } else { texts.join("; ") }
}

fn one(issue: &str) -> Option<String> {
    let members = members(issue).ok()?;
    let value = |name: &str| members.iter().find(|(member, _)| *member == name).map(|(_, value)| *value);
    let diagnostics = value("diagnostics").or_else(|| value("details").and_then(|details| member(details, "text")))?;
    let diagnostics: String = serde_json::from_str(diagnostics).ok()?;
    let places: Vec<String> = value("expression").and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    Some(if places.is_empty() { diagnostics } else { format!("{diagnostics} (at {})", places.join(", ")) })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: StatusCode, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    #[test]
    fn tells_which_entries_failed_and_why() {
        let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","diagnostics":"no \"x\" here","expression":["Patient.x"]}]}"#;
        let body = format!(
            r#"{{"resourceType":"Bundle","entry":[{{"response":{{"status":"201 Created"}}}},{{"response":{{"status":"400 Bad Request","outcome":{outcome}}}}}]}}"#
        );
        let found = verdict(&answer(StatusCode::OK, &body), 2);
        assert_eq!((found.done, found.failed), (1, 1));
        assert_eq!(found.reasons, ["entry 1: 400 Bad Request: no \"x\" here (at Patient.x)"]);

        let found = verdict(&answer(StatusCode::UNPROCESSABLE_ENTITY, outcome), 7);
        assert_eq!((found.done, found.failed), (0, 7));
        assert!(found.reasons[0].starts_with("422 Unprocessable Entity: no \"x\" here"));

        let found = verdict(&answer(StatusCode::OK, "<html>"), 3);
        assert_eq!((found.done, found.failed), (0, 3));
    }
}
