//! OperationOutcome (FHIR R4 `operationoutcome.html`): how issues are told.

use crate::base::fault::Issue;
use crate::fhir::json::{Json, write};

/// An OperationOutcome with these issues. A line and column stand at the end of the diagnostics.
pub fn outcome(issues: &[Issue]) -> Json {
    let issues = issues.iter().map(issue_json).collect();
    Json::object([("resourceType", Json::string("OperationOutcome")), ("issue", Json::Array(issues))])
}

/// The compact JSON text of [`outcome`].
pub fn outcome_text(issues: &[Issue]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(&outcome(issues), &mut out);
    out
}

/// The outcome of something that went well: one issue of severity `information`.
pub fn success(diagnostics: &str) -> Json {
    let issue = Issue { severity: "information", ..Issue::error("informational", diagnostics) };
    outcome(&[issue])
}

fn issue_json(issue: &Issue) -> Json {
    let mut json = Json::object([("severity", Json::string(issue.severity)), ("code", Json::string(issue.code))]);
    let Some(object) = json.as_object_mut() else { return json };
    let mut diagnostics = issue.diagnostics.clone();
    if let Some((line, column)) = issue.position {
        diagnostics.push_str(&format!(" (line {line}, column {column})"));
    }
    if !diagnostics.is_empty() {
        object.set("diagnostics", Json::string(diagnostics));
    }
    if let Some(expression) = &issue.expression {
        object.set("expression", Json::Array(vec![Json::string(expression.as_str())]));
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_place() {
        let mut issue = Issue::error("value", "bad date").at("Patient.birthDate");
        issue.position = Some((3, 5));
        let text = String::from_utf8(outcome_text(&[issue])).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","diagnostics":"bad date (line 3, column 5)","expression":["Patient.birthDate"]}]}"#
        );
    }
}
