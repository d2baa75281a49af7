//! What `$viewdefinition-run` is asked: in the URL, in Parameters, or both (SQL on FHIR 2.1, `$viewdefinition-run`).

use http::HeaderMap;

use super::negotiate::preferred;
use super::params::Params;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::time;

/// A form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// An array of objects.
    Json,
    /// An object a line.
    NdJson,
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Names of forms, the media types of their answers, and the media types by which they can be asked for, the first of each
/// form being preferred.
const FORMATS: [(&str, TableFormat, &str, &[&str]); 4] = [
    ("json", TableFormat::Json, "application/json", &["application/json", "application/fhir+json", "text/json"]),
    (
        "ndjson",
        TableFormat::NdJson,
        "application/x-ndjson",
        &["application/x-ndjson", "application/ndjson", "application/fhir+ndjson", "application/jsonl"],
    ),
    ("csv", TableFormat::Csv, "text/csv; charset=utf-8", &["text/csv"]),
    (
        "parquet",
        TableFormat::Parquet,
        "application/vnd.apache.parquet",
        &["application/vnd.apache.parquet", "application/octet-stream", "application/parquet"],
    ),
];

/// What is asked.
#[derive(Debug, Default)]
pub struct ViewRequest {
    /// `viewResource`
    pub view: Option<Json>,
    /// `viewReference`
    pub reference: Option<String>,
    /// `_format`
    pub format: Option<String>,
    /// `header`
    pub header: Option<bool>,
    /// `patient`
    pub patients: Vec<String>,
    /// `group`
    pub groups: Vec<String>,
    /// `_since`
    pub since: Option<String>,
    /// `_limit`
    pub limit: Option<usize>,
    /// `resource`
    pub resources: Vec<Json>,
}

fn wrong(code: &'static str, place: &str, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, code, message).at(place)
}

impl ViewRequest {
    /// Reads the parameters of the URL and those of the body: Parameters, or a ViewDefinition.
    ///
    /// # Errors
    /// 400 for what is unknown, stands twice, or has another value than it can have.
    pub fn read(params: &Params, body: Option<Json>) -> Result<Self> {
        let mut request = Self { format: params.format.clone(), ..Self::default() };
        for (name, value) in &params.pairs {
            request.text(name, value)?;
        }
        let Some(body) = body else { return Ok(request) };
        match body.get("resourceType").and_then(Json::as_str) {
            Some("ViewDefinition") => request.view = Some(body),
            Some("Parameters") => {
                let list = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
                list.iter().try_for_each(|parameter| request.parameter(parameter))?;
            }
            _ => return Err(Fault::invalid("the body is Parameters or a ViewDefinition")),
        }
        Ok(request)
    }

    fn parameter(&mut self, parameter: &Json) -> Result<()> {
        let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default();
        if let Some(resource) = parameter.get("resource") {
            match name {
                "viewResource" => once(&mut self.view, name, resource.clone())?,
                "resource" => self.resources.push(resource.clone()),
                _ => return Err(wrong("invalid", name, format!("{} is no resource", shown(name)))),
            }
            return Ok(());
        }
        let reference = parameter.get("valueReference").and_then(|value| value.get("reference")?.as_str());
        let text = match reference {
            Some(reference) => Some(reference.to_owned()),
            None => parameter.as_object().into_iter().flat_map(|object| object.iter()).find_map(|(name, value)| {
                name.as_str().strip_prefix("value")?;
                match value {
                    Json::String(text) => Some(text.to_string()),
                    Json::Number(number) => Some(number.as_str().to_owned()),
                    Json::Bool(value) => Some(value.to_string()),
                    _ => None,
                }
            }),
        };
        let text = text.ok_or_else(|| wrong("required", name, format!("{} needs a value", shown(name))))?;
        self.text(name, &text)
    }

    fn text(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "_format" => self.format = Some(value.to_owned()),
            "viewReference" => once(&mut self.reference, name, value.to_owned())?,
            "header" => {
                let value = value.parse().map_err(|_| wrong("value", name, "header is true or false"))?;
                once(&mut self.header, name, value)?;
            }
            "patient" => self.patients.push(value.to_owned()),
            "group" => self.groups.push(value.to_owned()),
            "_since" => {
                time::parse(value).map_err(|_| wrong("value", name, "_since is an instant"))?;
                once(&mut self.since, name, value.to_owned())?;
            }
            "_limit" => {
                let value =
                    value.parse().map_err(|_| wrong("value", name, "_limit is a whole number of at least 0"))?;
                once(&mut self.limit, name, value)?;
            }
            "viewResource" | "resource" => {
                return Err(wrong("invalid", name, format!("{name} goes in the body of a POST")));
            }
            other => {
                let message = format!("the server does not support the {} parameter", shown(other));
                return Err(wrong("not-supported", other, message));
            }
        }
        Ok(())
    }

    /// The form of the table, and the media type of the answer: `_format` decides where it is given, else `Accept`.
    ///
    /// # Errors
    /// 400 for a `_format` that is none, 406 for an `Accept` that has none.
    pub fn form(&self, headers: &HeaderMap) -> Result<(TableFormat, &'static str)> {
        if let Some(format) = self.format.as_deref().filter(|format| !format.is_empty()) {
            let bare = format.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
            let found = FORMATS.iter().find(|row| row.0 == bare || row.3.contains(&bare.as_str()));
            return found.map(|row| (row.1, row.2)).ok_or_else(|| {
                let names: Vec<&str> = FORMATS.iter().map(|row| row.0).collect();
                let message =
                    format!("format '{}' is not supported. Supported formats: {}", shown(format), names.join(", "));
                wrong("not-supported", "_format", message)
            });
        }
        let names: Vec<&str> = FORMATS.iter().flat_map(|row| row.3.iter().copied()).collect();
        let best = preferred(headers, &names);
        let found = best.and_then(|best| FORMATS.iter().find(|row| row.3.contains(&best)));
        found.map(|row| (row.1, row.2)).ok_or_else(|| {
            let message = format!("a table can be had as {}", FORMATS.map(|row| row.3[0]).join(", "));
            Fault::new(Category::NotAcceptable, message)
        })
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(wrong("invalid", name, format!("{name} may stand once only")));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;
    use crate::fhir::json::parse;

    fn read(query: &str, body: Option<&str>) -> Result<ViewRequest> {
        let params = Params::parse(query, 1000).expect("parameters");
        ViewRequest::read(&params, body.map(|body| parse(body.as_bytes()).expect("JSON")))
    }

    #[test]
    fn parameters_come_in_the_url_and_the_body() {
        let body = r#"{"resourceType":"Parameters","parameter":[{"name":"viewResource","resource":{"resourceType":"ViewDefinition"}},
            {"name":"patient","valueReference":{"reference":"Patient/1"}},{"name":"header","valueBoolean":false},
            {"name":"resource","resource":{"resourceType":"Patient"}},{"name":"_limit","valueInteger":3}]}"#;
        let request = read("_format=csv&group=Group/g&_since=2020-01-01T00:00:00Z", Some(body)).expect("a request");
        assert_eq!((request.limit, request.header, request.patients.len()), (Some(3), Some(false), 1));
        assert_eq!((request.groups.len(), request.resources.len(), request.view.is_some()), (1, 1, true));
        assert!(read("", Some(r#"{"resourceType":"ViewDefinition"}"#)).expect("a view").view.is_some());
        for (query, body, code, place) in [
            ("source=s3://x", None, "not-supported", "source"),
            ("_limit=-1", None, "value", "_limit"),
            ("_since=yesterday", None, "value", "_since"),
            ("header=maybe", None, "value", "header"),
            ("_limit=1&_limit=2", None, "invalid", "_limit"),
            ("viewResource=x", None, "invalid", "viewResource"),
            ("", Some(r#"{"resourceType":"Parameters","parameter":[{"name":"patient"}]}"#), "required", "patient"),
        ] {
            let fault = read(query, body).expect_err(query);
            let issue = &fault.issues()[0];
            assert_eq!((fault.category().status(), issue.code), (400, code), "{query}");
            assert_eq!(issue.expression.as_deref(), Some(place), "{query}");
        }
        assert!(read("", Some(r#"{"resourceType":"Patient"}"#)).is_err());
    }

    #[test]
    fn the_form_is_that_of_format_or_accept() {
        let form = |format: &str, accept: Option<&'static str>| {
            let accept = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept)));
            let headers: HeaderMap = accept.into_iter().collect();
            read(&format!("_format={format}"), None).expect("a request").form(&headers).map(|form| form.0)
        };
        assert_eq!(form("", None), Ok(TableFormat::Json));
        assert_eq!(form("", Some("*/*")), Ok(TableFormat::Json));
        assert_eq!(form("", Some("text/html,text/csv;q=0.9")), Ok(TableFormat::Csv));
        assert_eq!(form("", Some("application/x-ndjson")), Ok(TableFormat::NdJson));
        assert_eq!(form("", Some("application/fhir+json")), Ok(TableFormat::Json));
        assert_eq!(form("ndjson", Some("text/csv")), Ok(TableFormat::NdJson));
        assert_eq!(form("text/csv", None), Ok(TableFormat::Csv));
        assert_eq!(form("parquet", None), Ok(TableFormat::Parquet));
        assert_eq!(form("", Some("application/octet-stream")), Ok(TableFormat::Parquet));
        assert_eq!(form("xml", None).expect_err("no table").category().status(), 400);
        assert_eq!(form("", Some("image/png")).expect_err("no table").category().status(), 406);
    }
}
