//! The plan: queries made from the data with a seed, several of every class.

use std::collections::HashSet;

use serde_json::Value;

use super::dataset::Dataset;
use super::evaluate::{Condition, Wanted, at_param, evaluate, fold, is_open_question, targets, texts, tokens};
use super::paths::{Kind, PARAMS, Param, at, composite, param};
use super::units::{UCUM, unit};

/// Queries of each class.
pub const EACH: usize = 6;

/// All prefixes of ranges; empty: none, which is `eq`.
const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// What is compared beside the set and the total.
#[derive(Debug, Clone)]
pub enum Check {
    /// Nothing more.
    Set,
    /// The order of the matches by the keys of `_sort`.
    Sorted(&'static str),
    /// The resources with the mode `include`.
    Included(Vec<usize>),
}

/// A search and its answer.
#[derive(Debug, Clone)]
pub struct Query {
    /// What it stands for: parameter type and modifier, or the form.
    pub class: String,
    /// The type that is searched.
    pub kind: &'static str,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// More parameters, encoded, each with a leading `&`.
    pub options: String,
    /// The matches.
    pub expected: Vec<usize>,
    /// What else is compared.
    pub check: Check,
}

impl Query {
    /// Whether the answer is neither empty nor everything; of an include, whether it includes something.
    pub fn is_telling(&self, data: &Dataset) -> bool {
        let includes = !matches!(&self.check, Check::Included(found) if found.is_empty());
        includes && !self.expected.is_empty() && self.expected.len() < data.of(self.kind).count()
    }
}

/// Makes the plan. Its random numbers are a plain linear congruence, equal everywhere.
pub struct Planner<'a> {
    /// What is loaded.
    pub data: &'a Dataset,
    state: u64,
    asked: HashSet<String>,
    /// What it has made.
    pub queries: Vec<Query>,
}

impl<'a> Planner<'a> {
    /// A planner with a seed.
    pub fn new(data: &'a Dataset, seed: u64) -> Self {
        Self { data, state: seed, asked: HashSet::new(), queries: Vec::new() }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap() % n.max(1)
    }

    /// One of them.
    pub fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let n = self.below(all.len());
        all.get(n).cloned()
    }

    /// Everything.
    pub fn all(mut self) -> Vec<Query> {
        self.strings_and_uris();
        self.spellings();
        self.tokens();
        self.references();
        self.identifiers();
        self.ranges();
        self.timings();
        self.composites();
        self.missing();
        self.together();
        self.joins();
        self.large();
        self.results();
        self.queries
    }

    /// Adds up to [`EACH`] queries of a class; at most one whose answer is empty or everything.
    pub fn class(
        &mut self,
        class: &str,
        mut make: impl FnMut(&mut Self, usize) -> Option<(&'static str, Vec<Condition>)>,
    ) {
        let (mut made, mut trivial) = (0, 0);
        for attempt in 0..EACH * 120 {
            if made == EACH {
                break;
            }
            let Some((kind, conditions)) = make(self, attempt) else { continue };
            if !self.asked.insert(format!("{kind} {conditions:?}")) {
                continue;
            }
            let expected = evaluate(self.data, kind, &conditions);
            let is_trivial = expected.is_empty() || expected.len() == self.data.of(kind).count();
            if is_trivial && trivial > 0 {
                continue;
            }
            (made, trivial) = (made + 1, trivial + usize::from(is_trivial));
            let query = Query {
                class: class.to_owned(),
                kind,
                conditions,
                options: String::new(),
                expected,
                check: Check::Set,
            };
            self.queries.push(query);
        }
    }

    /// A parameter of a kind, in turn, with a value that occurs.
    pub fn sample(&mut self, kind: Kind, turn: usize) -> Option<(&'static Param, &'a Value, usize)> {
        let data = self.data;
        let params: Vec<&'static Param> =
            PARAMS.iter().filter(|p| p.kind == kind && data.of(p.owner).next().is_some()).collect();
        let param = *params.get((turn * 7 + self.below(3)) % params.len().max(1))?;
        let (value, n) = self.value_of(param)?;
        Some((param, value, n))
    }

    pub fn value_of(&mut self, param: &Param) -> Option<(&'a Value, usize)> {
        let data = self.data;
        let owners: Vec<usize> = data.of(param.owner).collect();
        for _ in 0..20 {
            let n = self.pick(&owners)?;
            let values = at_param(&data.resources[n], param);
            if let Some(value) = self.pick(&values) {
                return Some((value, n));
            }
        }
        None
    }

    fn strings_and_uris(&mut self) {
        for modifier in ["", ":exact", ":contains"] {
            self.class(&format!("string{modifier}"), |p, turn| {
                let (param, value, _) = p.sample(Kind::String, turn)?;
                let text = p.pick(&texts(value))?.to_owned();
                let text = match modifier {
                    ":exact" if turn % 4 == 3 => text.to_uppercase(),
                    ":exact" => text,
                    ":contains" => text.chars().skip(1 + p.below(2)).take(4).collect(),
                    // What is folded must find what is not, and the other way round.
                    _ if turn.is_multiple_of(2) => fold(&text).chars().take(3 + p.below(4)).collect(),
                    _ => text.to_uppercase().chars().take(3 + p.below(9)).collect(),
                };
                (!text.trim().is_empty() && text.trim() == text)
                    .then(|| (param.owner, vec![one(param.code, modifier, word(&text))]))
            });
        }
        self.class("uri", |p, turn| {
            let (param, value, _) = p.sample(Kind::Uri, turn)?;
            Some((param.owner, vec![one(param.code, "", word(value.as_str()?))]))
        });
    }

    fn tokens(&mut self) {
        for form in ["code", "system|code", "|code", "system|", ":not", "code,code"] {
            self.class(&format!("token {form}"), |p, turn| {
                let (param, value) = match form {
                    "|code" => {
                        let param = param("Patient", ["identifier", "_tag"][turn % 2]);
                        (param, p.value_of(param)?.0)
                    }
                    _ => p.sample(Kind::Token, turn).map(|(param, value, _)| (param, value))?,
                };
                let (system, code) = p.pick(&tokens(value))?;
                let code = code.filter(|c| !c.contains(['|', ',', '$', '\\']))?;
                let contact = value.get("value").is_some() && param.path.starts_with("telecom");
                let wanted = match form {
                    "system|code" => word(&format!("{}|{code}", system.filter(|_| !contact)?)),
                    // Without a system: only where the element could have one.
                    "|code" if value.is_object() && !contact && (system.is_none() || turn % 6 == 0) => {
                        word(&format!("|{code}"))
                    }
                    "system|" => word(&format!("{}|", system.filter(|_| !contact)?)),
                    _ => word(&code),
                };
                let mut values = vec![wanted];
                if form == "code,code" {
                    let (other, _) = p.value_of(param)?;
                    values.push(word(
                        tokens(other).first()?.1.as_deref().filter(|c| !c.contains(['|', ',', '$', '\\']))?,
                    ));
                }
                let modifier = if form == ":not" { ":not" } else { "" };
                Some((param.owner, vec![Condition::Param { code: param.code, modifier, values }]))
            });
        }
    }

    fn references(&mut self) {
        for form in ["id", "Type/id", "absolute", ":Type"] {
            self.class(&format!("reference {form}"), |p, turn| {
                let (param, _, n) = p.sample(Kind::Reference, turn)?;
                let target = p.pick(&targets(&p.data.resources[n], param))?;
                let modifier = if form == ":Type" { type_modifier(&p.data.resources[target].kind)? } else { "" };
                let single = matches!(
                    param.code,
                    "patient" | "encounter" | "organization" | "service-provider" | "location" | "result"
                );
                // A bare id is only clear where one type can have it.
                (form != "id" || single).then_some(())?;
                let wanted = Wanted { prefix: "", text: form.to_owned(), target: Some(target), parts: vec![] };
                Some((param.owner, vec![one(param.code, modifier, wanted)]))
            });
        }
        self.class("_id", |p, _| {
            let param = p.pick(&PARAMS.iter().collect::<Vec<_>>())?;
            let all: Vec<usize> = p.data.of(param.owner).collect();
            let id = |n| Wanted { prefix: "", text: "id".to_owned(), target: Some(n), parts: vec![] };
            let values = vec![id(p.pick(&all)?), id(p.pick(&all)?)];
            Some((param.owner, vec![Condition::Param { code: "_id", modifier: "", values }]))
        });
    }

    fn identifiers(&mut self) {
        // Those at the top, so that a circle has somebody below.
        self.class("token of several organizations", |p, _| {
            let (first, second) = (p.below(4), p.below(8));
            let values = vec![word(&format!("http://example.org/org|ORG-{first}")), word(&format!("ORG-{second}"))];
            Some(("Organization", vec![Condition::Param { code: "identifier", modifier: "", values }]))
        });
        self.class("reference:identifier", |p, turn| {
            let param = param("Encounter", "participant");
            let (value, _) = p.value_of(param)?;
            let identifier = *at(value, "identifier").first()?;
            let (system, value) = (identifier["system"].as_str()?, identifier["value"].as_str()?);
            let text = [format!("{system}|{value}"), value.to_owned(), format!("{system}|")][turn % 3].clone();
            Some((param.owner, vec![one(param.code, ":identifier", word(&text))]))
        });
    }

    /// Dates whose values are Timings.
    fn timings(&mut self) {
        for prefix in PREFIXES {
            self.class(&format!("timing {prefix}"), |p, turn| {
                let param = param("ServiceRequest", "occurrence");
                let (value, _) = p.value_of(param)?;
                let texts =
                    [at(value, "event"), at(value, "repeat.boundsPeriod.start"), at(value, "repeat.boundsPeriod.end")];
                let text = p.pick(&texts.concat())?.as_str()?;
                let cut = [4, 7, 10, text.len()][turn % 4].min(text.len());
                let wanted = Wanted { prefix, ..word(&text[..cut]) };
                p.is_clear(param, &wanted).then(|| (param.owner, vec![one(param.code, "", wanted)]))
            });
        }
    }

    fn ranges(&mut self) {
        for prefix in PREFIXES {
            for kind in [Kind::Date, Kind::Number, Kind::Quantity] {
                self.class(&format!("{kind:?} {prefix}").to_lowercase(), |p, turn| {
                    let (param, value, _) = p.sample(kind, turn)?;
                    let wanted = Wanted { prefix, ..p.range_value(kind, value, turn)? };
                    p.is_clear(param, &wanted).then(|| (param.owner, vec![one(param.code, "", wanted)]))
                });
            }
        }
        for form in ["number", "number with an exponent", "unit of the same dimension", "unit without system"] {
            self.class(&format!("quantity {form}"), |p, turn| {
                let (param, value, _) = p.sample(Kind::Quantity, turn)?;
                let (number, code) = (value["value"].to_string(), value["code"].as_str()?);
                let text = match form {
                    "number" => number,
                    "number with an exponent" => exponential(&number, turn)?,
                    "unit without system" => format!("{number}||{code}"),
                    _ => converted(&number, code, turn)?,
                };
                let wanted = Wanted { prefix: ["", "gt", "le"][turn % 3], ..word(&text) };
                p.is_clear(param, &wanted).then(|| (param.owner, vec![one(param.code, "", wanted)]))
            });
        }
    }

    /// A value to search for, from one that occurs: dates cut to a precision, quantities with their unit.
    fn range_value(&mut self, kind: Kind, value: &Value, turn: usize) -> Option<Wanted> {
        let text = match kind {
            Kind::Date => {
                let text = value.as_str().or_else(|| value["start"].as_str()).or_else(|| value["end"].as_str())?;
                let cut = [4, 7, 10, text.len()][turn % 4].min(text.len());
                text[..cut].to_owned()
            }
            Kind::Quantity if value["system"] == UCUM => {
                format!("{}|{UCUM}|{}", value["value"], value["code"].as_str()?)
            }
            Kind::Quantity => value["value"].to_string(),
            _ => value.to_string(),
        };
        Some(word(&text))
    }

    /// Whether FHIR gives one answer for every value in the data.
    fn is_clear(&self, param: &Param, wanted: &Wanted) -> bool {
        let resources = self.data.of(param.owner).map(|n| &self.data.resources[n]);
        !resources.flat_map(|r| at_param(r, param)).any(|v| is_open_question(param.kind, v, wanted))
    }

    fn composites(&mut self) {
        let all: Vec<&'static Param> = PARAMS.iter().filter(|p| p.kind == Kind::Composite).collect();
        for param in all {
            self.class(&format!("composite {}", param.code), |p, turn| {
                let root = p.tuple(param)?;
                let mut parts = Vec::new();
                for (kind, path) in composite(param.path).1 {
                    // Now and then the second part of another resource: a pair that does not exist.
                    let root = if turn % 5 == 4 && !parts.is_empty() { p.tuple(param)? } else { root };
                    let value = *at(root, path).first()?;
                    parts.push(match kind {
                        Kind::String => word(&fold(value.as_str()?).chars().take(4).collect::<String>()),
                        Kind::Token => word(
                            &tokens(value).first().and_then(|(s, c)| Some(format!("{}|{}", (*s)?, c.as_deref()?)))?,
                        ),
                        _ => Wanted { prefix: ["", "gt", "le", "lt"][turn % 4], ..p.range_value(kind, value, turn)? },
                    });
                }
                let wanted = Wanted { prefix: "", text: String::new(), target: None, parts };
                Some((param.owner, vec![one(param.code, "", wanted)]))
            });
        }
    }

    /// The root of a tuple that has all components.
    fn tuple(&mut self, param: &'static Param) -> Option<&'a Value> {
        let data = self.data;
        let (_, components) = composite(param.path);
        let whole = |root: &&Value| components.iter().all(|(_, path)| !at(root, path).is_empty());
        let roots: Vec<&'a Value> =
            data.of(param.owner).flat_map(|n| at_param(&data.resources[n], param)).filter(whole).collect();
        self.pick(&roots)
    }

    fn missing(&mut self) {
        for kind in [Kind::String, Kind::Token, Kind::Reference, Kind::Date, Kind::Number, Kind::Quantity, Kind::Uri] {
            self.class(&format!("{kind:?}:missing").to_lowercase(), |p, turn| {
                let (param, _, _) = p.sample(kind, turn)?;
                let mut conditions =
                    vec![one(param.code, ":missing", word(if turn.is_multiple_of(2) { "true" } else { "false" }))];
                // Together with another condition, so that also the few parameters of a rare kind make several queries.
                if turn > 1 {
                    let tokens: Vec<_> =
                        PARAMS.iter().filter(|q| q.owner == param.owner && q.kind == Kind::Token).collect();
                    let other = p.pick(&tokens)?;
                    conditions.push(p.leaf(other.owner, other.code)?);
                }
                Some((param.owner, conditions))
            });
        }
    }

    /// Repeated parameters (AND) and mixtures.
    fn together(&mut self) {
        self.class("and", |p, turn| {
            let (first, value, n) = p.sample(Kind::Token, turn)?;
            let second = PARAMS.iter().filter(|q| q.owner == first.owner && q.kind == Kind::Date).collect::<Vec<_>>();
            let second = p.pick(&second)?;
            let date = *at_param(&p.data.resources[n], second).first()?;
            let token =
                tokens(value).into_iter().find_map(|(_, c)| c).filter(|c| !c.contains(['|', ',', '$', '\\']))?;
            let wanted = Wanted { prefix: ["ge", "lt"][turn % 2], ..p.range_value(Kind::Date, date, turn)? };
            Some((first.owner, vec![one(first.code, "", word(&token)), one(second.code, "", wanted)]))
        });
    }

    /// Answers of more than 2000, over several pages also at the largest size of a page.
    fn large(&mut self) {
        self.class("more than 2000", |p, turn| {
            let code = ["date", "value-quantity", "status", "category", "patient", "encounter"][turn % 6];
            let condition = match code {
                "patient" => Condition::Chain {
                    code,
                    target: "Patient",
                    typed: false,
                    inner: Box::new(p.leaf("Patient", "gender")?),
                },
                "encounter" => Condition::Chain {
                    code,
                    target: "Encounter",
                    typed: true,
                    inner: Box::new(p.leaf("Encounter", "date")?),
                },
                _ => p.leaf("Observation", code)?,
            };
            (evaluate(p.data, "Observation", std::slice::from_ref(&condition)).len() > 2000)
                .then(|| ("Observation", vec![condition]))
        });
    }

    fn joins(&mut self) {
        for (class, owner, steps, last) in super::run::CHAINS {
            self.class(class, |p, _| {
                let target = steps.last().map(|(_, target, _)| *target)?;
                let mut condition = p.leaf(target, last)?;
                for (code, target, typed) in steps.iter().rev() {
                    condition = match code.strip_prefix("_has:") {
                        Some(code) => Condition::Has { source: target, code, inner: Box::new(condition) },
                        None => Condition::Chain { code, target, typed: *typed, inner: Box::new(condition) },
                    };
                }
                Some((owner, vec![condition]))
            });
        }
    }

    /// A condition on the last type of a chain, with a value that occurs.
    fn leaf(&mut self, owner: &'static str, code: &'static str) -> Option<Condition> {
        let param = param(owner, code);
        let (value, _) = self.value_of(param)?;
        let wanted = match param.kind {
            Kind::String => word(texts(value).first()?.chars().take(4).collect::<String>().trim()),
            Kind::Token => word(
                tokens(value).into_iter().find_map(|(_, c)| c).filter(|c| !c.contains(['|', ',', '$', '\\']))?.as_str(),
            ),
            _ => Wanted { prefix: "ge", ..self.range_value(param.kind, value, 2)? },
        };
        Some(one(code, "", wanted))
    }
}

pub fn word(text: &str) -> Wanted {
    Wanted { prefix: "", text: text.to_owned(), target: None, parts: vec![] }
}

pub fn one(code: &'static str, modifier: &'static str, value: Wanted) -> Condition {
    Condition::Param { code, modifier, values: vec![value] }
}

fn type_modifier(kind: &str) -> Option<&'static str> {
    let all = [
        ":Patient",
        ":Encounter",
        ":Organization",
        ":Practitioner",
        ":Location",
        ":Observation",
        ":Condition",
        ":CareTeam",
    ];
    all.into_iter().find(|m| &m[1..] == kind)
}

/// The same quantity in another unit of its dimension, where the factor is a power of ten.
fn converted(number: &str, code: &str, turn: usize) -> Option<String> {
    let pairs = [
        ("kg", "g", 3),
        ("g", "mg", 3),
        ("cm", "m", -2),
        ("mm[Hg]", "m[Hg]", -3),
        ("g/dL", "g/L", 1),
        ("mg/dL", "mg/L", 1),
        ("kg", "mg", 6),
        ("mmol/L", "umol/L", 3),
        ("10*3/uL", "10*9/L", 0),
        ("10*3/uL", "/uL", 3),
        ("fL", "pL", -3),
    ];
    let fitting: Vec<_> = pairs.into_iter().filter(|(from, ..)| *from == code).collect();
    let (_, to, power) = *fitting.get(turn % fitting.len().max(1))?;
    unit(to)?;
    (!number.contains(['e', 'E'])).then(|| format!("{number}e{power}|{UCUM}|{to}"))
}

/// A number with its first one or two digits and an exponent: `72.5` as `7e1` or `7.2e1`.
fn exponential(number: &str, turn: usize) -> Option<String> {
    let whole = number.split('.').next()?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    (whole.len() > 1 && whole.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    let power = whole.len() - 1;
    Some(if turn.is_multiple_of(2) {
        format!("{}e{power}", &digits[..1])
    } else {
        format!("{}.{}e{power}", &digits[..1], &digits[1..2])
    })
}
