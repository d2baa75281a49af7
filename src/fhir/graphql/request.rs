//! Requests and answers on the wire (GraphQL over HTTP; FHIR R4 `graphql.html`, 3.1.2.2 and 3.1.2.3.1).

use std::collections::HashMap;

use super::ast::{Operation, OperationKind, Value, VariableType};
use super::parser::parse;
use super::trouble;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::{Json, Number, Object, parse_with, write};
use crate::fhir::outcome::outcome;
use crate::fhir::validate::primitive::Primitive;

/// A request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The document.
    pub query: String,
    /// The values of its variables.
    pub variables: Object,
    /// Which of its operations is meant, where there are several.
    pub operation: Option<String>,
}

impl Request {
    /// Whether the query can be read; whether it fits what it is put to is told when it runs.
    ///
    /// # Errors
    /// 400 with line and column.
    pub fn readable(&self) -> Result<()> {
        parse(&self.query).map(|_| ())
    }

    /// Of the parameters of a URL; `variables` is JSON there.
    ///
    /// # Errors
    /// 400 when `query` is missing, a parameter stands twice, or `variables` is no object.
    pub fn of_pairs<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>, nesting: usize) -> Result<Self> {
        let (mut query, mut request) = (None, Self::default());
        let mut variables = None;
        for (name, value) in pairs {
            let is_first = match name {
                "query" => query.replace(value.to_owned()).is_none(),
                "operationName" => request.operation.replace(value.to_owned()).is_none(),
                "variables" => variables.replace(value).is_none(),
                _ => true,
            };
            if !is_first {
                return Err(Fault::invalid(format!("parameter {name} stands twice")));
            }
        }
        if let Some(text) = variables.filter(|text| !text.is_empty()) {
            let json = parse_with(text.as_bytes(), nesting).map_err(|fault| fault.context("variables"))?;
            request.variables = object(Some(&json), "variables")?;
        }
        request.operation = request.operation.filter(|name| !name.is_empty());
        request.query = query.ok_or_else(missing)?;
        Ok(request)
    }

    /// Of a body of `application/json`.
    ///
    /// # Errors
    /// 400 when it is no object, has no `query`, or its parts are of other types.
    pub fn of_json(text: &[u8], nesting: usize) -> Result<Self> {
        let json = parse_with(text, nesting)?;
        if json.as_object().is_none() {
            return Err(Fault::invalid(format!("the request is an object, not {}", json.kind())));
        }
        let text = |name: &str| match json.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(Fault::invalid(format!("`{name}` is a string, not {}", other.kind()))),
        };
        let operation = text("operationName")?.filter(|name| !name.is_empty());
        let query = text("query")?.ok_or_else(missing)?;
        Ok(Self { query, variables: object(json.get("variables"), "variables")?, operation })
    }
}

fn missing() -> Fault {
    Fault::coded(Category::Invalid, "required", "there is no query")
}

fn object(json: Option<&Json>, name: &str) -> Result<Object> {
    match json {
        None | Some(Json::Null) => Ok(Object::new()),
        Some(Json::Object(object)) => Ok(object.clone()),
        Some(other) => Err(Fault::invalid(format!("`{name}` is an object, not {}", other.kind()))),
    }
}

/// A document, and which of its operations is done with which values.
#[derive(Debug)]
pub struct Prepared {
    /// The document.
    pub document: super::ast::Document,
    /// The position of the operation.
    pub at: usize,
    /// The values of its variables.
    pub variables: HashMap<String, Value>,
}

impl Prepared {
    /// Reads the document of a request, finds the operation and gives its variables their values.
    ///
    /// # Errors
    /// 400 for a document that is none, an operation that cannot be told or is no query, and variables that are missing or
    /// of another type.
    pub fn of(request: &Request) -> Result<Self> {
        let document = parse(&request.query)?;
        let wanted = request.operation.as_deref();
        let mut found = (0..document.operations.len())
            .filter(|at| wanted.is_none() || document.operations[*at].name.as_deref() == wanted);
        let at = match (found.next(), found.next()) {
            (Some(at), None) => at,
            (None, _) => return Err(Fault::invalid("the document has no operation of that name")),
            (Some(_), Some(_)) => {
                return Err(Fault::invalid("the document has several operations: operationName says which"));
            }
        };
        let operation = &document.operations[at];
        if operation.kind != OperationKind::Query {
            return Err(trouble::unsupported(operation.place, "mutations and subscriptions are not supported"));
        }
        let variables = values(operation, &request.variables)?;
        Ok(Self { document, at, variables })
    }
}

fn values(operation: &Operation, given: &Object) -> Result<HashMap<String, Value>> {
    let mut values = HashMap::new();
    for variable in &operation.variables {
        let name = || trouble::shown(&variable.name);
        let kind = trouble::shown(&variable.kind.name);
        if !is_known(&variable.kind.name) {
            let message = format!("variable ${} is of the type {kind}, which is none of an input", name());
            return Err(trouble::wrong(variable.place, message));
        }
        let value = match given.get(&variable.name) {
            Some(json) => of_json(json),
            None => variable.default.clone().unwrap_or(Value::Null),
        };
        if value == Value::Null && variable.kind.is_needed {
            return Err(trouble::wrong(variable.place, format!("variable ${} needs a value", name())));
        }
        if [Some(&value), variable.default.as_ref()].into_iter().flatten().any(|value| !fits(value, &variable.kind)) {
            let message = format!("the value of variable ${} is no {kind}", name());
            return Err(trouble::wrong(variable.place, message));
        }
        if values.insert(variable.name.clone(), value).is_some() {
            return Err(trouble::wrong(variable.place, format!("variable ${} is defined twice", name())));
        }
    }
    Ok(values)
}

fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Number(number.as_str().to_owned()),
        Json::String(text) => Value::Text(text.to_string()),
        Json::Array(items) => Value::List(items.iter().map(of_json).collect()),
        Json::Object(object) => {
            Value::Object(object.iter().map(|(name, json)| (name.as_str().to_owned(), of_json(json))).collect())
        }
    }
}

/// Whether a type is one that a variable may have: a scalar of GraphQL, or a primitive type of FHIR.
fn is_known(kind: &str) -> bool {
    matches!(kind, "Boolean" | "Int" | "Float" | "String" | "ID") || Primitive::find(kind).is_some()
}

/// Whether a value may be that of a variable; one value may stand for a list of it (GraphQL, 3.11). What must be there is
/// looked at by itself, but for the items of lists.
fn fits(value: &Value, kind: &VariableType) -> bool {
    let item = |value: &Value, items: &VariableType| fits(value, items) && !(items.is_needed && *value == Value::Null);
    match (value, &kind.items) {
        (Value::Null, _) => true,
        (Value::List(values), Some(items)) => values.iter().all(|value| item(value, items)),
        (value, Some(items)) => fits(value, items),
        (value, None) => is_scalar(value, &kind.name),
    }
}

fn is_scalar(value: &Value, kind: &str) -> bool {
    match (kind, value) {
        ("Boolean", value) => matches!(value, Value::Boolean(_)),
        ("Int", value) => matches!(value, Value::Number(text) if text.parse::<i32>().is_ok()),
        ("Float", value) => matches!(value, Value::Number(_)),
        ("String", value) => matches!(value, Value::Text(_)),
        ("ID", Value::Number(text)) => text.parse::<i64>().is_ok(),
        ("ID", value) => matches!(value, Value::Text(_)),
        (kind, value) => {
            let json = match value {
                Value::Boolean(value) => Some(Json::Bool(*value)),
                Value::Number(text) => Number::from_text(text).map(Json::Number),
                Value::Text(text) | Value::Enum(text) => Some(Json::string(text.as_str())),
                _ => None,
            };
            Primitive::find(kind).zip(json).is_some_and(|(kind, json)| kind.check(&json).is_ok())
        }
    }
}

/// The text of an answer with data.
pub fn answer_text(data: Json) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write(&Json::object([("data", data)]), &mut out);
    out
}

/// The text of an answer with errors: one for every issue, each with its OperationOutcome.
pub fn error_text(issues: &[Issue]) -> Vec<u8> {
    let error = |issue: &Issue| {
        let mut error = Object::new();
        error.set("message", Json::string(issue.diagnostics.as_str()));
        if let Some((line, column)) = issue.position {
            let number = |value: u32| Json::Number(Number::from(i64::from(value)));
            let place = Json::object([("line", number(line)), ("column", number(column))]);
            error.set("locations", Json::Array(vec![place]));
        }
        let resource = outcome(std::slice::from_ref(issue));
        error.set("extensions", Json::object([("resource", resource)]));
        Json::Object(error)
    };
    let errors = issues.iter().map(error).collect();
    let mut out = Vec::with_capacity(512);
    write(&Json::object([("data", Json::Null), ("errors", Json::Array(errors))]), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_from_urls_and_bodies() {
        let pairs = [("query", "{a}"), ("variables", r#"{"x":[1]}"#), ("operationName", ""), ("_pretty", "true")];
        let of_url = Request::of_pairs(pairs.into_iter(), 9).expect("a request");
        let body = br#"{"query":"{a}","variables":{"x":[1]},"operationName":null,"extensions":{}}"#;
        assert_eq!(of_url, Request::of_json(body, 9).expect("a request"));
        for (body, message) in [
            (&b"[]"[..], "an object"),
            (b"{}", "no query"),
            (br#"{"query":1}"#, "a string"),
            (br#"{"query":"","variables":[]}"#, "an object"),
            (br#"{"query":"","operationName":1}"#, "a string"),
            (b"{", "line"),
        ] {
            let fault = Request::of_json(body, 9).expect_err(message);
            assert_eq!(fault.category().status(), 400);
            assert!(fault.message().contains(message) || fault.issues()[0].position.is_some(), "{fault}");
        }
        for pairs in [vec![("q", "")], vec![("query", "a"), ("query", "b")], vec![("query", "a"), ("variables", "1")]] {
            assert!(Request::of_pairs(pairs.into_iter(), 9).is_err());
        }
    }

    fn prepared(query: &str, variables: &str, operation: Option<&str>) -> Result<Prepared> {
        let variables = parse_with(variables.as_bytes(), 9).expect("JSON").as_object().expect("an object").clone();
        Prepared::of(&Request { query: query.to_owned(), variables, operation: operation.map(str::to_owned) })
    }

    #[test]
    fn variables_get_their_values() {
        let query = "query q($a: Boolean!, $b: [Int] = 3, $c: code) { x }";
        let found = prepared(query, r#"{"a":true,"z":1}"#, None).expect("prepared").variables;
        assert_eq!(found["a"], Value::Boolean(true));
        assert_eq!((&found["b"], &found["c"]), (&Value::Number("3".into()), &Value::Null));
        for (query, variables) in [
            ("query ($a: [[Int]!]) { x }", r#"{"a":[[1,null],2]}"#),
            ("query ($a: date, $b: code = final) { x }", r#"{"a":"2020-01"}"#),
            ("query ($a: decimal, $b: positiveInt) { x }", r#"{"a":1.50,"b":1}"#),
        ] {
            prepared(query, variables, None).unwrap_or_else(|fault| panic!("{query}: {fault}"));
        }
        for (query, variables, message) in [
            (query, "{}", "$a needs a value"),
            (query, r#"{"a":"true"}"#, "is no Boolean"),
            (query, r#"{"a":true,"b":["x"]}"#, "is no Int"),
            ("query ($a: String) { x }", r#"{"a":["x"]}"#, "is no String"),
            ("query ($a: ID, $a: ID) { x }", r#"{"a":1}"#, "defined twice"),
            ("query ($a: Bogus!) { x }", "{}", "of the type Bogus"),
            ("query ($a: [Patient]) { x }", r#"{"a":[]}"#, "of the type Patient"),
            ("query ($a: code) { x }", r#"{"a":{"b":1}}"#, "is no code"),
            ("query ($a: date) { x }", r#"{"a":"yesterday"}"#, "is no date"),
            ("query ($a: [Int!]) { x }", r#"{"a":[1,null]}"#, "is no Int"),
            ("query ($a: [Int]) { x }", r#"{"a":[[1]]}"#, "is no Int"),
            ("query ($a: Int = \"1\") { x }", r#"{"a":1}"#, "is no Int"),
        ] {
            let fault = prepared(query, variables, None).expect_err(message);
            assert!(fault.message().contains(message), "{fault}");
        }
    }

    #[test]
    fn the_operation_is_the_one_that_is_named() {
        let two = "query a { x } query b { y }";
        assert_eq!(prepared(two, "{}", Some("b")).expect("b").at, 1);
        assert!(prepared(two, "{}", None).expect_err("which").message().contains("several"));
        assert!(prepared(two, "{}", Some("c")).expect_err("none").message().contains("no operation"));
        let fault = prepared("mutation { PatientDelete(id: x) { id } }", "{}", None).expect_err("a mutation");
        assert_eq!(fault.issues()[0].code, "not-supported");
    }

    #[test]
    fn errors_have_places_and_outcomes() {
        let fault = Fault::invalid("x").on(2, 3);
        let text = String::from_utf8(error_text(fault.issues())).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"data":null,"errors":[{"message":"x","locations":[{"line":2,"column":3}],"extensions":{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"x (line 2, column 3)"}]}}}]}"#
        );
    }
}
