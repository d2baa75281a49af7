//! The evaluator: whether a condition holds for a resource, decided on its raw JSON.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::dataset::{Dataset, Resource};
use super::decimal::{Decimal, ONE};
use super::paths::{Kind, Param, at, composite, param};
use super::time::Range;
use super::units::{Unit, unit};

/// A value of a parameter.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `gt`, `sa` ...; empty without.
    pub prefix: &'static str,
    /// The text after it, not escaped; for references the form (`id`, `Type/id` ...) in which it is asked.
    pub text: String,
    /// The resource that a reference leads to.
    pub target: Option<usize>,
    /// The components of a composite.
    pub parts: Vec<Wanted>,
}

/// What must hold.
#[derive(Debug, Clone)]
pub enum Condition {
    /// A parameter, with its modifier (`:not`, or empty) and alternatives.
    Param { code: &'static str, modifier: &'static str, values: Vec<Wanted> },
    /// A chain over a reference parameter to a type.
    Chain { code: &'static str, target: &'static str, typed: bool, inner: Box<Condition> },
    /// `_has`.
    Has { source: &'static str, code: &'static str, inner: Box<Condition> },
}

/// Now, for `ap`: any time of the year in which the tests run will do, since open questions are left out.
pub const NOW: i64 = 1_795_000_000_000_000;

/// All resources of a type for which all conditions hold, in order.
pub fn evaluate(data: &Dataset, kind: &'static str, conditions: &[Condition]) -> Vec<usize> {
    let sets: Vec<BTreeSet<usize>> = conditions.iter().map(|c| set(data, kind, c)).collect();
    data.of(kind).filter(|n| sets.iter().all(|s| s.contains(n))).collect()
}

/// The resources of a type for which a condition holds. Joins are sets, so that a large type is walked once per step.
fn set(data: &Dataset, kind: &'static str, condition: &Condition) -> BTreeSet<usize> {
    match condition {
        Condition::Param { code: "_id", values, .. } => values.iter().filter_map(|v| v.target).collect(),
        Condition::Param { code, modifier, values } => {
            let param = param(kind, code);
            data.of(kind).filter(|n| holds(data, &data.resources[*n], param, modifier, values)).collect()
        }
        Condition::Chain { code, target, inner, .. } => {
            let wanted = set(data, target, inner);
            let leads = |n: &usize| targets(&data.resources[*n], param(kind, code)).iter().any(|t| wanted.contains(t));
            data.of(kind).filter(leads).collect()
        }
        Condition::Has { source, code, inner } => {
            let sources = set(data, source, inner);
            let found = sources.iter().flat_map(|s| targets(&data.resources[*s], param(source, code)));
            found.filter(|t| data.resources[*t].kind == kind).collect()
        }
    }
}

fn holds(data: &Dataset, resource: &Resource, param: &Param, modifier: &str, values: &[Wanted]) -> bool {
    let any = |test: &str| values.iter().any(|v| one(data, resource, param, test, v));
    match modifier {
        ":missing" => at_param(resource, param).is_empty() == (values[0].text == "true"),
        ":not" => !any(""),
        other => any(other),
    }
}

/// The resources that a reference parameter leads to. `patient` leads only to patients.
pub fn targets(resource: &Resource, param: &Param) -> Vec<usize> {
    let texts = at(&resource.json, param.path);
    texts.iter().filter_map(|r| resource.references.get(r["reference"].as_str()?).copied()).collect()
}

/// The values of a parameter.
pub fn at_param<'a>(resource: &'a Resource, param: &Param) -> Vec<&'a Value> {
    at(&resource.json, if param.kind == Kind::Composite { composite(param.path).0 } else { param.path })
}

fn one(data: &Dataset, resource: &Resource, param: &Param, modifier: &str, wanted: &Wanted) -> bool {
    match param.kind {
        Kind::Reference if modifier == ":identifier" => {
            let texts = at(&resource.json, param.path);
            texts.iter().any(|r| at(r, "identifier").into_iter().any(|i| token(i, &wanted.text)))
        }
        Kind::Reference => {
            let kind = modifier.trim_start_matches(':');
            let fits = |t: &usize| wanted.target == Some(*t) && (kind.is_empty() || data.resources[*t].kind == kind);
            targets(resource, param).iter().any(fits)
        }
        Kind::Composite => {
            let (root, components) = composite(param.path);
            let fits = |tuple: &&Value| {
                let mut parts = components.iter().zip(&wanted.parts);
                parts.all(|((kind, path), wanted)| at(tuple, path).iter().any(|v| value(*kind, "", v, wanted)))
            };
            at(&resource.json, root).iter().any(fits)
        }
        Kind::String if modifier != ":exact" => {
            let values = at(&resource.json, param.path);
            values.iter().any(|v| texts(v).iter().any(|text| string(modifier, text, &wanted.text)))
                || modifier.is_empty()
                    && families(&resource.json, param.path).iter().any(|name| later_part(name, &wanted.text))
        }
        kind => at(&resource.json, param.path).iter().any(|v| value(kind, modifier, v, wanted)),
    }
}

fn value(kind: Kind, modifier: &str, json: &Value, wanted: &Wanted) -> bool {
    match kind {
        Kind::String => texts(json).iter().any(|text| string(modifier, text, &wanted.text)),
        Kind::Token => token(json, &wanted.text),
        Kind::Date => range(json).is_some_and(|r| Range::parse(&wanted.text).unwrap().compare(wanted.prefix, r, NOW)),
        Kind::Number => number(json, wanted),
        Kind::Quantity => quantity(json, wanted),
        Kind::Uri => json.as_str() == Some(&wanted.text),
        Kind::Reference | Kind::Composite => false,
    }
}

/// Case and combining marks do not count (3.1.1.4.8). Two texts differ in case only when their full upper case is equal,
/// as Unicode has it (chapter 3.13): so `ß`, whose upper case is `SS`, is `ss`, and both small sigmas are one. Strokes are
/// marks as well, which no decomposition takes off.
pub fn fold(text: &str) -> String {
    const STRUCK: &str = "ɃȻĐɆǤĦƗɈŁØɌŦɄɎƵ";
    const PLAIN: &str = "BCDEGHIJLORTUYZ";
    let base = text.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>();
    let upper = base.to_lowercase().to_uppercase().replace('Æ', "AE").replace('Œ', "OE");
    let plain =
        |c: char| STRUCK.chars().zip(PLAIN.chars()).find(|(struck, _)| *struck == c).map_or(c, |(_, plain)| plain);
    upper.nfkd().filter(|c| !is_combining_mark(*c)).map(plain).collect()
}

/// The texts of a string, or of the parts of a HumanName or Address.
pub fn texts(json: &Value) -> Vec<&str> {
    const PARTS: [&str; 11] =
        ["family", "given", "prefix", "suffix", "text", "line", "city", "district", "state", "country", "postalCode"];
    match json {
        Value::String(text) => vec![text],
        _ => PARTS.iter().flat_map(|part| at(json, part)).filter_map(Value::as_str).collect(),
    }
}

/// A folded text as it may be written without punctuation, which is ignored (3.1.1.4.8): left out, or a blank.
fn spellings(text: &str) -> [String; 2] {
    let is_sign = |c: char| "$+<=>^`|~".contains(c);
    let is_punctuation = |c: char| c.is_ascii_punctuation() && !is_sign(c) || "‐‑‒–—―‘’‚“”„†‡•‰′″‹›«»¡¿§¶·".contains(c);
    ["", " "].map(|blank| {
        let plain: String =
            fold(text).chars().map(|c| if is_punctuation(c) { blank.to_owned() } else { c.to_string() }).collect();
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        // of punctuation only
        if plain.is_empty() { fold(text).split_whitespace().collect::<Vec<_>>().join(" ") } else { plain }
    })
}

/// Whether a text passes.
pub fn string(modifier: &str, text: &str, wanted: &str) -> bool {
    let any = |test: &dyn Fn(&str, &str) -> bool| {
        spellings(text).iter().any(|text| spellings(wanted).iter().any(|wanted| test(text, wanted)))
    };
    match modifier {
        ":exact" => text == wanted,
        ":contains" => any(&|text, wanted| text.contains(wanted)),
        _ => any(&|text, wanted| text.starts_with(wanted)),
    }
}

/// The family names at a path: "servers should search the parts of a family name independently".
fn families<'a>(json: &'a Value, path: &str) -> Vec<&'a str> {
    let names: Vec<&Value> = match path.strip_suffix(".family") {
        Some(names) => at(json, names),
        None => at(json, path).into_iter().filter(|v| v.is_object()).collect(),
    };
    names.into_iter().filter_map(|name| name["family"].as_str()).collect()
}

/// Whether a part of a name after the first begins with a text.
pub fn later_part(name: &str, wanted: &str) -> bool {
    let [_, spaced] = spellings(name);
    let words: Vec<&str> = spaced.split(' ').collect();
    (1..words.len()).any(|at| spellings(wanted).iter().any(|wanted| words[at..].join(" ").starts_with(wanted.as_str())))
}

/// System and code of everything that a token can stand in.
pub fn tokens(json: &Value) -> Vec<(Option<&str>, Option<String>)> {
    match json {
        Value::String(code) => vec![(None, Some(code.clone()))],
        Value::Bool(flag) => vec![(None, Some(flag.to_string()))],
        _ if json.get("coding").is_some() => at(json, "coding").into_iter().flat_map(tokens).collect(),
        _ => {
            let code = json.get("code").or_else(|| json.get("value")).and_then(Value::as_str);
            vec![(json["system"].as_str(), code.map(str::to_owned))]
        }
    }
}

fn token(json: &Value, wanted: &str) -> bool {
    let (system, code) = wanted.split_once('|').map_or((None, wanted), |(system, code)| (Some(system), code));
    tokens(json).into_iter().any(|(s, c)| {
        let system_fits = system.is_none_or(|system| s.unwrap_or_default() == system);
        system_fits && (code.is_empty() || c.as_deref() == Some(code))
    })
}

/// The range of a date, Period or Timing. Of a Timing "only the outer limits matter" (3.1.1.4.7): from the first of its
/// events and bounds to the last.
pub fn range(json: &Value) -> Option<Range> {
    let end = |json: &Value, name: &str| json[name].as_str().and_then(Range::parse);
    let period = |json: &Value| Range::period(end(json, "start"), end(json, "end"));
    match json {
        Value::String(text) => Range::parse(text),
        _ if json.get("event").is_some() || json.get("repeat").is_some() => {
            let mut limits: Vec<Range> =
                at(json, "event").into_iter().filter_map(|e| Range::parse(e.as_str()?)).collect();
            limits.extend(at(json, "repeat.boundsPeriod").into_iter().map(period));
            let start = limits.iter().map(|l| l.start).min()?;
            Some(Range { start, end: limits.iter().map(|l| l.end).max()? })
        }
        _ => Some(period(json)),
    }
}

/// What is searched for: the value, the half of its last digit, and its size, of which `ap` takes a tenth.
struct Search {
    value: i128,
    half: i128,
    size: i128,
}

impl From<Decimal> for Search {
    fn from(decimal: Decimal) -> Self {
        Self { value: decimal.value, half: decimal.half, size: decimal.value.abs() }
    }
}

/// Compares exact numbers: the search with its precision, `value` as it is.
fn compare(prefix: &str, search: &Search, value: i128) -> bool {
    let distance = (value - search.value).abs();
    let near = value >= search.value - search.half && value < search.value + search.half;
    match prefix {
        "" | "eq" => near,
        "ne" => !near,
        "gt" | "sa" => value > search.value,
        "lt" | "eb" => value < search.value,
        "ge" => value >= search.value,
        "le" => value <= search.value,
        "ap" => distance <= search.size / 10,
        "nearly ap" => distance <= search.size / 8 + search.half,
        "surely ap" => distance <= search.size / 12,
        _ => panic!("prefix {prefix}"),
    }
}

fn number(json: &Value, wanted: &Wanted) -> bool {
    let (Some(value), Some(search)) = (Decimal::parse(&json.to_string()), Decimal::parse(&wanted.text)) else {
        return false;
    };
    compare(wanted.prefix, &search.into(), value.value)
}

fn quantity(json: &Value, wanted: &Wanted) -> bool {
    let parts: Vec<&str> = wanted.text.split('|').collect();
    let (Some(value), Some(search)) = (Decimal::parse(&json["value"].to_string()), Decimal::parse(parts[0])) else {
        return false;
    };
    let (system, code) = (parts.get(1).copied().unwrap_or(""), parts.get(2).copied().unwrap_or(""));
    if code.is_empty() {
        return compare(wanted.prefix, &search.into(), value.value);
    }
    let own = json["code"].as_str().unwrap_or_default();
    if system.is_empty() {
        // Without a system the unit is compared as written: as code or as unit.
        let same = own == code || json["unit"] == code;
        return same && compare(wanted.prefix, &search.into(), value.value);
    }
    if json["system"].as_str() != Some(system) {
        return false;
    }
    match (unit(own), unit(code)) {
        (Some(from), Some(to)) if from.dimension == to.dimension && own != code => {
            converted(wanted.prefix, (&search, to), (value.value, from))
        }
        _ => own == code && compare(wanted.prefix, &search.into(), value.value),
    }
}

/// Compares in the base units of UCUM.
fn converted(prefix: &str, (search, asked): (&Decimal, Unit), (value, own): (i128, Unit)) -> bool {
    let real = |n: i128| n as f64 / ONE as f64;
    let place = |unit: Unit, n: i128| (real(n) + unit.offset) * unit.factor;
    let (middle, value) = (place(asked, search.value), place(own, value));
    let (half, size) = (real(search.half) * asked.factor, real(search.value.abs()) * asked.factor);
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    let below = |a: f64, b: f64| a < b && !same(a, b);
    let near = !below(value, middle - half) && below(value, middle + half);
    let within = |part: f64, more: f64| !below(size / part + more, (value - middle).abs());
    match prefix {
        "" | "eq" => near,
        "ne" => !near,
        "gt" | "sa" => below(middle, value),
        "lt" | "eb" => below(value, middle),
        "ge" => !below(value, middle),
        "le" => !below(middle, value),
        "ap" => within(10.0, 0.0),
        "nearly ap" => within(8.0, half),
        "surely ap" => within(12.0, 0.0),
        _ => panic!("prefix {prefix}"),
    }
}

/// Whether FHIR leaves the answer open for a value in the data: the edges of `ap`, and numbers within the
/// precision of `sa` and `eb`.
pub fn is_open_question(kind: Kind, json: &Value, wanted: &Wanted) -> bool {
    let with = |prefix: &'static str, text: &str| {
        value(kind, "", json, &Wanted { prefix, text: text.to_owned(), ..wanted.clone() })
    };
    match (kind, wanted.prefix) {
        (Kind::Date, "ap") => range(json).is_some_and(|r| Range::parse(&wanted.text).unwrap().is_open_question(r, NOW)),
        (Kind::Number | Kind::Quantity, "sa" | "eb") => {
            with("eq", &wanted.text) && (with("gt", &wanted.text) || with("lt", &wanted.text))
        }
        (Kind::Number | Kind::Quantity, "ap") => with("nearly ap", &wanted.text) != with("surely ap", &wanted.text),
        _ => false,
    }
}
