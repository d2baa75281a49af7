//! What is expected of an answer, and whether it is so.

use http::HeaderName;
use regex::Regex;

use super::fill::{Values, fill};
use super::scenario::Step;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::net::Answer;
use crate::fhir::fhirpath::{Collection, Context, Node, boolean, compile, to_text};
use crate::fhir::json::{Json, parse};
use crate::fhir::xml;

/// How deep an answer in XML may be.
const DEPTH: usize = 512;

/// What does not hold, one line each; empty when everything does. What is saved goes into `values`.
pub fn check(step: &Step, answer: &Answer, values: &mut Values, now: Timestamp) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = answer.status.as_u16();
    if !step.status.has(status) {
        wrong.push(format!("status {status}, not {}", step.status));
    }
    for (name, pattern) in &step.answer {
        wrong.extend(header(name, pattern, answer, values).err().map(|fault| fault.message().to_owned()));
    }
    for pattern in &step.text {
        wrong.extend(text(pattern, answer, values).err().map(|fault| fault.message().to_owned()));
    }
    for (name, from) in &step.save_header {
        match found(from, answer) {
            Some(value) => _ = values.insert(name.clone(), value),
            None => wrong.push(format!("there is no header {from}")),
        }
    }
    if step.expect.is_empty() && step.save.is_empty() {
        return wrong;
    }
    match resource(answer) {
        Ok(resource) => paths(step, &resource, values, now, &mut wrong),
        Err(fault) => wrong.push(format!("the body is not a resource: {}", fault.message())),
    }
    wrong
}

/// The resource in the body, in the format that the answer says.
fn resource(answer: &Answer) -> Result<Json> {
    let is_xml = found("content-type", answer).is_some_and(|format| format.contains("xml"));
    if is_xml { xml::parse(&answer.body, DEPTH) } else { parse(&answer.body) }
}

fn paths(step: &Step, resource: &Json, values: &mut Values, now: Timestamp, wrong: &mut Vec<String>) {
    for expression in &step.expect {
        let is_true = fill(expression, values).and_then(|text| {
            let found = evaluate(&text, resource, now)?;
            if boolean(&found, "the expectation")? == Some(true) { Ok(()) } else { Err(untrue(&text)) }
        });
        wrong.extend(is_true.err().map(|fault| format!("{expression}: {}", fault.message())));
    }
    for (name, expression) in &step.save {
        let value = fill(expression, values).and_then(|text| {
            let found = evaluate(&text, resource, now)?;
            let single = if found.len() == 1 { to_text(&found[0]) } else { None };
            single.map(|text| text.to_string()).ok_or_else(|| Fault::invalid(format!("{} values", found.len())))
        });
        match value {
            Ok(value) => _ = values.insert(name.clone(), value),
            Err(fault) => wrong.push(format!("save {name} = {expression}: {}", fault.message())),
        }
    }
}

fn untrue(text: &str) -> Fault {
    Fault::invalid(format!("is not true ({text})"))
}

fn evaluate<'a>(text: &str, resource: &'a Json, now: Timestamp) -> Result<Collection<'a>> {
    let root = Node::resource(resource);
    compile(text)?.eval(root, &Context { now: Some(now), ..Context::new(root) })
}

fn found(name: &str, answer: &Answer) -> Option<String> {
    let name = HeaderName::try_from(name).ok()?;
    let all: Vec<String> = answer
        .headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn header(name: &str, pattern: &str, answer: &Answer, values: &Values) -> Result<()> {
    let value = found(name, answer);
    if pattern.is_empty() {
        return value
            .map_or(Ok(()), |value| Err(Fault::invalid(format!("header {name}: {value}, where none is expected"))));
    }
    let value = value.ok_or_else(|| Fault::invalid(format!("there is no header {name}")))?;
    let pattern = fill(pattern, values)?;
    if regular(&format!("^(?:{pattern})$"))?.is_match(&value) {
        return Ok(());
    }
    Err(Fault::invalid(format!("header {name}: {value}, where {pattern} is expected")))
}

fn text(pattern: &str, answer: &Answer, values: &Values) -> Result<()> {
    let pattern = fill(pattern, values)?;
    if regular(&pattern)?.is_match(&String::from_utf8_lossy(&answer.body)) {
        return Ok(());
    }
    Err(Fault::invalid(format!("{pattern} is not in the text of the answer")))
}

fn regular(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| Fault::invalid(format!("{pattern}: {error}")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::super::scenario::read;
    use super::*;

    fn verdict(wanted: &str, body: &'static str) -> (Vec<String>, Values) {
        let text = format!("title='t'\nspec='s'\n[[step]]\nsay='x'\nrequest='GET x'\n{wanted}");
        let scenario = read("a", &text).expect("a scenario");
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("W/\"1\""));
        let answer = Answer { status: StatusCode::OK, headers, body: Bytes::from_static(body.as_bytes()) };
        let mut values = Values::from([("v".to_owned(), "1".to_owned())]);
        let wrong = check(&scenario.steps[0], &answer, &mut values, Timestamp(0));
        (wrong, values)
    }

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"A"},{"family":"B"}]}"#;

    #[test]
    fn only_what_is_true_passes() {
        for right in [
            "status=200",
            "status=[201,200]",
            "status=200\nanswer={ETag='W/\"{{v}}\"'}",
            "status=200\nanswer={Location=''}",
            "status=200\nexpect=[\"name.family.first() = 'A'\", 'active', 'name.count() = 2']",
            "status=200\ntext=['\"family\":\"B\"']",
        ] {
            assert_eq!(verdict(right, PATIENT).0, Vec::<String>::new(), "{right}");
        }
        for wrong in [
            "status=201",
            "status=200\nanswer={ETag='1'}",
            "status=200\nanswer={ETag=''}",
            "status=200\nanswer={Location='.*'}",
            "status=200\nexpect=[\"name.family = 'A'\"]",
            "status=200\nexpect=['birthDate']",
            "status=200\nexpect=['nonsense(']",
            "status=200\nexpect=[\"id = '{{none}}'\"]",
            "status=200\ntext=['C']",
            "status=200\nsave={x='name.family'}",
            "status=200\nsave_header={x='Location'}",
        ] {
            assert_eq!(verdict(wrong, PATIENT).0.len(), 1, "{wrong}");
        }
        assert_eq!(verdict("status=200\nexpect=['active']", "no JSON").0.len(), 1);
    }

    #[test]
    fn an_answer_is_read_in_the_format_that_it_says() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/fhir+xml; charset=utf-8"));
        let body = Bytes::from_static(b"<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/></Patient>");
        let answer = Answer { status: StatusCode::OK, headers, body };
        let read = resource(&answer).expect("a resource in XML");
        assert_eq!(evaluate("Patient.id = 'p'", &read, Timestamp(0)).expect("a value").len(), 1);
        assert!(resource(&Answer { body: Bytes::from_static(b"{}"), ..answer }).is_err());
    }

    #[test]
    fn saves_what_later_steps_need() {
        let (wrong, values) = verdict("status=200\nsave={id='id'}\nsave_header={tag='ETag'}", PATIENT);
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!((values["id"].as_str(), values["tag"].as_str()), ("p", "W/\"1\""));
    }
}
