//! The plan: queries made from the data with a seed, several of every class.

use serde_json::Value;

use super::dataset::Dataset;
use super::evaluate::{Condition, Wanted, at_param, evaluate, fold, is_open_question, range, targets, texts, tokens};
use super::paths::{Kind, PARAMS, Param, composite, param};
use super::units::{UCUM, unit};

/// Queries of each class.
pub const EACH: usize = 6;

/// What is compared beside the set and the total.
#[derive(Debug, Clone)]
pub enum Check {
    /// Nothing more.
    Set,
    /// The order of the matches by a parameter.
    Sorted { code: &'static str, descending: bool },
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

/// Makes the plan. Its random numbers are a plain linear congruence, equal everywhere.
pub struct Planner<'a> {
    data: &'a Dataset,
    state: u64,
    /// What it has made.
    pub queries: Vec<Query>,
}

impl<'a> Planner<'a> {
    /// A planner with a seed.
    pub fn new(data: &'a Dataset, seed: u64) -> Self {
        Self { data, state: seed, queries: Vec::new() }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap() % n.max(1)
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let n = self.below(all.len());
        all.get(n).cloned()
    }

    /// Everything.
    pub fn all(mut self) -> Vec<Query> {
        self.strings_and_uris();
        self.tokens();
        self.references();
        self.ranges();
        self.composites();
        self.missing();
        self.together();
        self.joins();
        self.results();
        self.queries
    }

    /// Adds up to [`EACH`] queries of a class; at most one whose answer is empty or everything.
    fn class(&mut self, class: &str, mut make: impl FnMut(&mut Self, usize) -> Option<(&'static str, Vec<Condition>)>) {
        let (mut made, mut trivial) = (0, 0);
        for attempt in 0..EACH * 40 {
            if made == EACH {
                break;
            }
            let Some((kind, conditions)) = make(self, attempt) else { continue };
            let expected = evaluate(self.data, kind, &conditions);
            let is_trivial = expected.is_empty() || expected.len() == self.data.of(kind).count();
            let known = self
                .queries
                .iter()
                .any(|q| q.kind == kind && format!("{:?}", q.conditions) == format!("{conditions:?}"));
            // A class whose answers are all trivial takes them at the end of its attempts.
            if known || (is_trivial && trivial > 0 && attempt < EACH * 30) {
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
    fn sample(&mut self, kind: Kind, turn: usize) -> Option<(&'static Param, &'a Value, usize)> {
        let data = self.data;
        let params: Vec<&'static Param> =
            PARAMS.iter().filter(|p| p.kind == kind && data.of(p.owner).next().is_some()).collect();
        let param = *params.get((turn * 7 + self.below(3)) % params.len().max(1))?;
        let (value, n) = self.value_of(param)?;
        Some((param, value, n))
    }

    fn value_of(&mut self, param: &Param) -> Option<(&'a Value, usize)> {
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
                    _ if turn % 2 == 0 => fold(&text).chars().take(3 + p.below(4)).collect(),
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

    fn ranges(&mut self) {
        for prefix in ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"] {
            for kind in [Kind::Date, Kind::Number, Kind::Quantity] {
                self.class(&format!("{kind:?} {prefix}").to_lowercase(), |p, turn| {
                    let (param, value, _) = p.sample(kind, turn)?;
                    let wanted = Wanted { prefix, ..p.range_value(kind, value, turn)? };
                    p.is_clear(param, &wanted).then(|| (param.owner, vec![one(param.code, "", wanted)]))
                });
            }
        }
        for form in ["number", "unit of the same dimension", "unit without system"] {
            self.class(&format!("quantity {form}"), |p, turn| {
                let (param, value, _) = p.sample(Kind::Quantity, turn)?;
                let (number, code) = (value["value"].to_string(), value["code"].as_str()?);
                let text = match form {
                    "number" => number,
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
                    let value = *super::paths::at(root, path).first()?;
                    parts.push(match kind {
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
        let whole = |root: &&Value| components.iter().all(|(_, path)| !super::paths::at(root, path).is_empty());
        let roots: Vec<&'a Value> =
            data.of(param.owner).flat_map(|n| at_param(&data.resources[n], param)).filter(whole).collect();
        self.pick(&roots)
    }

    fn missing(&mut self) {
        for kind in [Kind::String, Kind::Token, Kind::Reference, Kind::Date, Kind::Number, Kind::Quantity, Kind::Uri] {
            self.class(&format!("{kind:?}:missing").to_lowercase(), |p, turn| {
                let (param, _, _) = p.sample(kind, turn)?;
                let mut conditions =
                    vec![one(param.code, ":missing", word(if turn % 2 == 0 { "true" } else { "false" }))];
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

    /// Includes, sorting and paging over sets of a size that can be looked at.
    fn results(&mut self) {
        let fitting: Vec<Query> =
            self.queries.iter().filter(|q| (2..150).contains(&q.expected.len())).cloned().collect();
        for (class, owner, parameter, source, code) in super::run::INCLUDES {
            for query in fitting.iter().filter(|q| q.kind == *owner).take(EACH) {
                let found: Vec<usize> = match *source {
                    "" => query
                        .expected
                        .iter()
                        .flat_map(|n| targets(&self.data.resources[*n], param(owner, code)))
                        .collect(),
                    source => self
                        .data
                        .of(source)
                        .filter(|n| refers(self.data, *n, param(source, code), &query.expected))
                        .collect(),
                };
                let wanted_type = class.split(" to ").nth(1);
                let mut found: Vec<usize> = found.into_iter().filter(|n| !query.expected.contains(n)).collect();
                found.retain(|n| wanted_type.is_none_or(|t| self.data.resources[*n].kind == t));
                found.sort_unstable();
                found.dedup();
                let options = format!("&{parameter}&_count=1000");
                self.queries.push(Query {
                    class: (*class).to_owned(),
                    options,
                    check: Check::Included(found),
                    ..query.clone()
                });
            }
        }
        for (owner, code) in super::run::SORTS {
            for descending in [false, true] {
                let some: Vec<&Query> = fitting.iter().filter(|q| q.kind == *owner).collect();
                for query in some.into_iter().rev().take(3) {
                    let options =
                        format!("&_sort={}{code}&_count={}", if descending { "-" } else { "" }, 5 + self.below(40));
                    let class = format!("sort {} {descending}", if descending { "descending" } else { "ascending" });
                    let check = Check::Sorted { code, descending };
                    self.queries.push(Query { class, options, check, ..query.clone() });
                }
            }
        }
        for (turn, query) in fitting.iter().filter(|q| q.expected.len() < 60).step_by(5).enumerate() {
            let size = [1, 2, 7, 20, 59][turn % 5];
            self.queries.push(Query {
                class: format!("paging {size}"),
                options: format!("&_count={size}"),
                ..query.clone()
            });
        }
    }
}

fn refers(data: &Dataset, n: usize, param: &Param, to: &[usize]) -> bool {
    targets(&data.resources[n], param).iter().any(|t| to.contains(t))
}

fn word(text: &str) -> Wanted {
    Wanted { prefix: "", text: text.to_owned(), target: None, parts: vec![] }
}

fn one(code: &'static str, modifier: &'static str, value: Wanted) -> Condition {
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

/// The same quantity in another unit, where the factor is a power of ten.
fn converted(number: &str, code: &str, turn: usize) -> Option<String> {
    let pairs = [
        ("kg", "g", 3),
        ("g", "mg", 3),
        ("cm", "m", -2),
        ("g/dL", "g/L", 1),
        ("mg/dL", "mg/L", 1),
        ("kg", "mg", 6),
        ("mmol/L", "umol/L", 3),
    ];
    let fitting: Vec<_> = pairs.into_iter().filter(|(from, ..)| *from == code).collect();
    let (_, to, power) = *fitting.get(turn % fitting.len().max(1))?;
    unit(to)?;
    (!number.contains(['e', 'E'])).then(|| format!("{number}e{power}|{UCUM}|{to}"))
}

/// The order of two values: `None` where the sort order is not clear (overlapping ranges).
pub fn order(kind: Kind, a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match kind {
        Kind::Date => {
            let (a, b) = (range(a)?, range(b)?);
            (a.start.cmp(&b.start) == a.end.cmp(&b.end)).then(|| a.start.cmp(&b.start))
        }
        Kind::Number => Some(
            super::decimal::Decimal::parse(&a.to_string())?
                .value
                .cmp(&super::decimal::Decimal::parse(&b.to_string())?.value),
        ),
        Kind::String => Some(fold(a.as_str()?).cmp(&fold(b.as_str()?))),
        _ => None,
    }
}
