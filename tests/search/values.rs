//! The values of a search parameter: what the elements that its expression yields are found by (FHIR R4 `search.html`,
//! 3.1.1.4.4 to 3.1.1.4.17), read from raw JSON.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;

use super::decimal::Decimal;
use super::definitions::{Definitions, Param};
use super::fhirpath::{Expression, Node, resource};
use super::time::Range;

/// A number of 10^-18; what is larger than fits is the largest.
pub type Amount = i128;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// A text.
    Text(&'a str),
    /// A coded value.
    Token(Token<'a>),
    /// A reference.
    Reference(Reference<'a>),
    /// A span of time.
    Date(Date<'a>),
    /// A number or Range.
    Number(Sides),
    /// A quantity or Range.
    Quantity(Measure<'a>),
    /// A URI.
    Uri(&'a str),
    /// Latitude and longitude.
    Place(f64, f64),
    /// The values of each component.
    Tuple(Vec<Vec<Found<'a>>>),
}

/// A coded value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Token<'a> {
    /// Its system.
    pub system: Option<&'a str>,
    /// Its code.
    pub code: Option<String>,
    /// What `:text` looks at.
    pub text: Option<&'a str>,
    /// System and code of an identifier's types.
    pub types: Vec<(&'a str, &'a str)>,
    /// Whether case does not matter.
    pub any_case: bool,
    /// Whether it is a MIME type.
    pub is_mime: bool,
    /// Whether its type has no system: a contact point, a URI, a truth value.
    pub has_no_system: bool,
    /// Whether its type is that of truth values.
    pub is_truth: bool,
}

/// A reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference<'a> {
    /// Where it leads.
    pub to: Option<To<'a>>,
    /// System and value of the identifier.
    pub identifier: Option<(Option<&'a str>, &'a str)>,
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq)]
pub enum To<'a> {
    /// A resource of the server: type and id.
    Local(&'a str, &'a str),
    /// Anything else, without its version of history.
    Url(&'a str),
    /// A contained resource.
    Inside,
}

/// A span of time, and the texts that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Date<'a> {
    /// The span.
    pub range: Range,
    /// The text where there is one for both sides, or the texts of start and end.
    pub texts: (Option<&'a str>, Option<&'a str>),
    /// It is a date, which has no zone.
    pub is_calendar: bool,
}

/// Lowest and highest number, both included; none: open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sides {
    /// Lowest.
    pub low: Option<Amount>,
    /// Highest.
    pub high: Option<Amount>,
    /// The side that is there is itself outside: `<` and `>`.
    pub is_beyond: bool,
}

/// A quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure<'a> {
    /// Its value.
    pub sides: Sides,
    /// The system of the unit.
    pub system: Option<&'a str>,
    /// Its code.
    pub code: Option<&'a str>,
    /// How it is shown.
    pub unit: Option<&'a str>,
    /// The number as it is written, where there is one.
    pub text: Option<String>,
}

static EXPRESSIONS: Mutex<Option<HashMap<String, Expression>>> = Mutex::new(None);

fn expression(text: &str) -> Expression {
    let mut known = EXPRESSIONS.lock().unwrap();
    known.get_or_insert_default().entry(text.to_owned()).or_insert_with(|| Expression::read(text)).clone()
}

/// The values of a parameter in a resource. `base`: below it URLs are local.
pub fn values<'a>(all: &'static Definitions, param: &Param, json: &'a Value, base: &str) -> Vec<Found<'a>> {
    let (Some(root), Some(text)) = (resource(all, json), &param.expression) else { return Vec::new() };
    let nodes = expression(text).of(all, root, root);
    if param.kind != "composite" {
        return nodes.into_iter().flat_map(|node| found(all, &param.kind, node, base)).collect();
    }
    let components: Vec<(&str, Expression)> =
        param.components.iter().map(|(url, text)| (all.params[url].kind.as_str(), expression(text))).collect();
    let tuple = |node: Node<'a>| {
        let of = |(kind, path): &(&str, Expression)| -> Vec<Found<'a>> {
            path.of(all, root, node).into_iter().flat_map(|node| found(all, kind, node, base)).collect()
        };
        components.iter().map(of).collect::<Vec<_>>()
    };
    let tuples = nodes.into_iter().map(tuple).filter(|parts| parts.iter().all(|part| !part.is_empty()));
    tuples.map(Found::Tuple).collect()
}

/// What an element is found by under a parameter of a type.
fn found<'a>(all: &Definitions, kind: &str, node: Node<'a>, base: &str) -> Vec<Found<'a>> {
    let Some(json) = node.json else { return Vec::new() };
    match kind {
        "string" => texts(node.kind, json).into_iter().filter(|text| !text.is_empty()).map(Found::Text).collect(),
        "token" => tokens(node, json).into_iter().map(Found::Token).collect(),
        "reference" => reference(json, all, base).map(Found::Reference).into_iter().collect(),
        "date" => date(node.kind, json)
            .filter(|date| date.range.start < date.range.end)
            .map(Found::Date)
            .into_iter()
            .collect(),
        "number" => number(node.kind, json).map(Found::Number).into_iter().collect(),
        "quantity" => measure(all, node.kind, json).map(Found::Quantity).into_iter().collect(),
        "uri" => json.as_str().filter(|text| !text.is_empty()).map(Found::Uri).into_iter().collect(),
        "special" => place(json).into_iter().collect(),
        other => panic!("a component of type {other}"),
    }
}

fn list<'a>(json: &'a Value, name: &str) -> Vec<&'a Value> {
    match json.get(name) {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn texts<'a>(kind: &str, json: &'a Value) -> Vec<&'a str> {
    let parts: &[&str] = match kind {
        "HumanName" => &["family", "given", "prefix", "suffix", "text"],
        "Address" => &["line", "city", "district", "state", "postalCode", "country", "text"],
        _ => return json.as_str().into_iter().collect(),
    };
    parts.iter().flat_map(|part| list(json, part)).filter_map(Value::as_str).collect()
}

fn tokens<'a>(node: Node<'a>, json: &'a Value) -> Vec<Token<'a>> {
    let text = |json: &'a Value, name: &str| json[name].as_str();
    let coding = |json: &'a Value| Token {
        system: text(json, "system"),
        code: text(json, "code").map(str::to_owned),
        text: text(json, "display"),
        ..Token::default()
    };
    let any_case = matches!(node.kind, "string" | "ContactPoint");
    let mut all = match (node.kind, json) {
        ("CodeableConcept", _) => {
            let mut all: Vec<Token<'a>> = list(json, "coding").into_iter().map(coding).collect();
            all.push(Token { text: text(json, "text"), ..Token::default() });
            all
        }
        ("Coding", _) => vec![coding(json)],
        ("Identifier", _) => {
            let kinds = json.get("type").map(|kind| list(kind, "coding")).unwrap_or_default();
            vec![Token {
                system: text(json, "system"),
                code: text(json, "value").map(str::to_owned),
                text: json.get("type").and_then(|kind| text(kind, "text")),
                types: kinds.into_iter().filter_map(|c| Some((text(c, "system")?, text(c, "code")?))).collect(),
                ..Token::default()
            }]
        }
        // the system of a contact point is no URI
        ("ContactPoint", _) => vec![Token { code: text(json, "value").map(str::to_owned), ..Token::default() }],
        (_, Value::String(code)) => {
            let is_mime = node.kind == "code" && code.contains('/');
            vec![Token { system: node.system, code: Some(code.clone()), is_mime, ..Token::default() }]
        }
        (_, Value::Bool(truth)) => vec![Token { code: Some(truth.to_string()), ..Token::default() }],
        (_, Value::Number(number)) => vec![Token { code: Some(number.to_string()), ..Token::default() }],
        _ => Vec::new(),
    };
    let has_no_system = matches!(node.kind, "ContactPoint" | "boolean" | "uri");
    for token in &mut all {
        (token.any_case, token.has_no_system, token.is_truth) = (any_case, has_no_system, node.kind == "boolean");
    }
    all.retain(|token| token.system.is_some() || token.code.is_some() || token.text.is_some());
    all
}

/// Whether a text is an id.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Where a text leads.
pub fn to<'a>(text: &'a str, all: &Definitions, base: &str) -> Option<To<'a>> {
    if text.starts_with('#') {
        return (text.len() > 1).then_some(To::Inside);
    }
    if text.is_empty() {
        return None;
    }
    let plain = text.split("/_history/").next().unwrap_or(text);
    // http and https name the same thing (http.html, 3.1.0.1.2)
    let schemes = [base.to_owned(), base.replacen("http:", "https:", 1)];
    let below = schemes.iter().find_map(|base| plain.strip_prefix(base.as_str()));
    let own = below.and_then(|rest| rest.strip_prefix('/')).unwrap_or(plain);
    match own.split_once('/') {
        Some((kind, id)) if all.resources.contains(kind) && is_id(id) => Some(To::Local(kind, id)),
        _ => Some(To::Url(plain)),
    }
}

fn reference<'a>(json: &'a Value, all: &Definitions, base: &str) -> Option<Reference<'a>> {
    if let Some(text) = json.as_str() {
        return Some(Reference { to: Some(to(text, all, base)?), identifier: None });
    }
    if let Some(kind) = json["resourceType"].as_str() {
        let id = json["id"].as_str().filter(|id| is_id(id))?;
        return Some(Reference { to: Some(To::Local(kind, id)), identifier: None });
    }
    let identifier = json.get("identifier").and_then(|i| Some((i["system"].as_str(), i["value"].as_str()?)));
    let to = json["reference"].as_str().and_then(|text| to(text, all, base));
    (to.is_some() || identifier.is_some()).then_some(Reference { to, identifier })
}

fn period(json: &Value) -> Option<Date<'_>> {
    let texts = (json["start"].as_str(), json["end"].as_str());
    let side = |text: Option<&str>| match text {
        Some(text) => Range::parse(text).map(Some),
        None => Some(None),
    };
    let (start, end) = (side(texts.0)?, side(texts.1)?);
    (start.is_some() || end.is_some()).then(|| Date { range: Range::period(start, end), texts, is_calendar: false })
}

/// An instant has no width; of a Timing the outer limits count (3.1.1.4.7).
fn date<'a>(kind: &str, json: &'a Value) -> Option<Date<'a>> {
    let one = |text: &'a str| {
        Some(Date { range: Range::parse(text)?, texts: (Some(text), Some(text)), is_calendar: kind == "date" })
    };
    match kind {
        "instant" => one(json.as_str()?).map(|date| {
            let start = date.range.start;
            Date { range: Range { start, end: start + 1 }, ..date }
        }),
        "Period" => period(json),
        "Timing" => {
            let mut parts: Vec<Date<'a>> = list(json, "event").into_iter().filter_map(|e| one(e.as_str()?)).collect();
            parts.extend(json.get("repeat").and_then(|repeat| period(repeat.get("boundsPeriod")?)));
            let first = parts.iter().min_by_key(|part| part.range.start)?.clone();
            let last = parts.iter().max_by_key(|part| part.range.end)?.clone();
            let range = Range { start: first.range.start, end: last.range.end };
            Some(Date { range, texts: (first.texts.0, last.texts.1), is_calendar: false })
        }
        _ => one(json.as_str()?),
    }
}

/// The number of a JSON number.
pub fn amount(json: Option<&Value>) -> Option<Amount> {
    let text = json.filter(|json| json.is_number())?.to_string();
    let rough = || text.parse::<f64>().ok().map(|number| (number * 1e18) as Amount);
    Decimal::parse(&text).map(|decimal| decimal.value).or_else(rough)
}

fn range(json: &Value) -> Option<Sides> {
    let side = |name: &str| amount(json.get(name).and_then(|side| side.get("value")));
    let sides = Sides { low: side("low"), high: side("high"), is_beyond: false };
    (sides.low.is_some() || sides.high.is_some()).then_some(sides)
}

fn number(kind: &str, json: &Value) -> Option<Sides> {
    if kind == "Range" {
        return range(json);
    }
    amount(Some(json)).map(|value| Sides { low: Some(value), high: Some(value), is_beyond: false })
}

fn measure<'a>(all: &Definitions, kind: &str, json: &'a Value) -> Option<Measure<'a>> {
    let text = |json: &'a Value, name: &str| json[name].as_str();
    if kind == "Range" {
        let unit = json.get("low").or_else(|| json.get("high"))?;
        let names = ["system", "code", "unit"].map(|name| text(unit, name));
        return Some(Measure { sides: range(json)?, system: names[0], code: names[1], unit: names[2], text: None });
    }
    let value = amount(json.get("value"))?;
    let written = Some(json["value"].to_string());
    let both = Sides { low: Some(value), high: Some(value), is_beyond: false };
    if kind == "Money" {
        let code = text(json, "currency");
        return Some(Measure {
            sides: both,
            system: code.map(|_| "urn:iso:std:iso:4217"),
            code,
            unit: None,
            text: written,
        });
    }
    if !all.is(kind, "Quantity") {
        return None;
    }
    let sides = match text(json, "comparator") {
        Some("<=") => Sides { low: None, ..both },
        Some("<") => Sides { low: None, is_beyond: true, ..both },
        Some(">=") => Sides { high: None, ..both },
        Some(">") => Sides { high: None, is_beyond: true, ..both },
        _ => both,
    };
    let [system, code, unit] = ["system", "code", "unit"].map(|name| text(json, name));
    Some(Measure { sides, system, code, unit, text: written })
}

fn place(json: &Value) -> Option<Found<'_>> {
    let degrees = |name: &str, most: f64| json[name].to_string().parse().ok().filter(|d: &f64| d.abs() <= most);
    Some(Found::Place(degrees("latitude", 90.0)?, degrees("longitude", 180.0)?))
}

#[test]
fn values_are_read() {
    let Some(all) = super::definitions::definitions() else { return };
    let json = serde_json::json!({"resourceType": "Observation", "status": "final", "issued": "2020-01-01T00:00:00Z",
        "code": {"coding": [{"system": "s", "code": "c"}, {"code": "d"}], "text": "t"}, "effectivePeriod": {"end": "2020"},
        "subject": {"reference": "http://host/fhir/Patient/1/_history/2"}, "performer": [{"reference": "#a"}, {"identifier": {"value": "v"}}],
        "valueQuantity": {"value": 1.50, "comparator": "<", "code": "g"}});
    let of = |code: &str| values(all, all.param("Observation", code).unwrap(), &json, "http://host/fhir");
    assert_eq!(of("code").len(), 3);
    assert!(
        matches!(&of("status")[..], [Found::Token(t)] if t.system == Some("http://hl7.org/fhir/observation-status"))
    );
    assert!(matches!(&of("patient")[..], [Found::Reference(r)] if r.to == Some(To::Local("Patient", "1"))));
    assert!(
        matches!(&of("performer")[..], [Found::Reference(a), Found::Reference(r)] if a.to == Some(To::Inside) && r.to.is_none() && r.identifier == Some((None, "v")))
    );
    assert!(
        matches!(&of("date")[..], [Found::Date(d)] if d.range.start == i64::MIN && d.texts == (None, Some("2020")))
    );
    assert!(
        matches!(&of("value-quantity")[..], [Found::Quantity(m)] if m.sides.low.is_none() && m.sides.is_beyond && m.sides.high == Some(1_500_000_000_000_000_000))
    );
    assert!(
        matches!(&of("code-value-quantity")[..], [Found::Tuple(parts)] if parts[0].len() == 3 && parts[1].len() == 1)
    );
    assert!(of("value-concept").is_empty());
}
