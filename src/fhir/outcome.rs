//! OperationOutcome (FHIR R4 `operationoutcome.html`): how issues are told.

use crate::base::fault::{Detail, Issue};
use crate::fhir::json::{Json, Object, write};

/// The extension with the key of a message.
const MESSAGE_ID: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id";

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
    outcome(&[Issue::information(diagnostics)])
}

fn issue_json(issue: &Issue) -> Json {
    let mut json = Json::object([("severity", Json::string(issue.severity)), ("code", Json::string(issue.code))]);
    let Some(object) = json.as_object_mut() else { return json };
    let mut diagnostics = issue.diagnostics.clone();
    if let Some((line, column)) = issue.position {
        diagnostics.push_str(&format!(" (line {line}, column {column})"));
    }
    if let Some(detail) = &issue.detail {
        tell_detail(object, detail, diagnostics);
    } else if !diagnostics.is_empty() {
        object.set("diagnostics", Json::string(diagnostics));
    }
    if let Some(expression) = &issue.expression {
        let places = std::iter::once(expression).chain(&issue.also);
        let place = Json::Array(places.map(|place| Json::string(place.as_str())).collect());
        if issue.detail.is_some() {
            object.set("location", place.clone());
        }
        object.set("expression", place);
    }
    json
}

/// The exact code with the text, and the key of the message, as terminology services tell them.
fn tell_detail(object: &mut Object, detail: &Detail, text: String) {
    if !detail.message_id.is_empty() {
        let key = [("url", Json::string(MESSAGE_ID)), ("valueString", Json::string(detail.message_id))];
        object.set("extension", Json::Array(vec![Json::object(key)]));
    }
    let coding = Json::object([("system", Json::string(detail.system)), ("code", Json::string(detail.code))]);
    let mut details = Json::object([("coding", Json::Array(vec![coding]))]);
    if let Some(details) = details.as_object_mut().filter(|_| !text.is_empty()) {
        details.set("text", Json::string(text));
    }
    object.set("details", details);
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
