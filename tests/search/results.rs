//! How to answer: includes, order and pages, over sets of a size that can be looked at.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::dataset::Dataset;
use super::decimal::Decimal;
use super::evaluate::{at_param, fold, range, texts, tokens};
use super::paths::{Kind, Param, REFERENCES, at, param};
use super::plan::{Check, EACH, Planner, Query};
use super::units::unit;

/// Class, type searched, and the parameters as written.
const INCLUDES: &[(&str, &str, &str)] = &[
    ("_include", "Observation", "_include=Observation:patient"),
    ("_include", "Encounter", "_include=Encounter:service-provider"),
    ("_include", "Condition", "_include=Condition:encounter"),
    ("_include of two", "Observation", "_include=Observation:encounter&_include=Observation:patient"),
    ("_include to a type", "Observation", "_include=Observation:subject:Patient"),
    ("_include to a type", "Encounter", "_include=Encounter:participant:Practitioner"),
    ("_include Type:*", "Observation", "_include=Observation:*"),
    ("_include *", "Encounter", "_include=*"),
    ("_include:iterate", "Observation", "_include=Observation:encounter&_include:iterate=Encounter:service-provider"),
    (
        "_include:iterate",
        "Observation",
        "_include:iterate=Encounter:service-provider&_include:iterate=Observation:encounter",
    ),
    (
        "_include:iterate in a circle",
        "Encounter",
        "_include=Encounter:service-provider&_include:iterate=Organization:partof",
    ),
    ("_include:iterate in a circle", "Organization", "_include:iterate=Organization:partof"),
    ("_include not iterated", "Encounter", "_include=Encounter:service-provider&_include=Organization:partof"),
    ("_revinclude", "Patient", "_revinclude=Encounter:patient"),
    ("_revinclude", "Encounter", "_revinclude=Observation:encounter"),
    ("_revinclude", "Organization", "_revinclude=Encounter:service-provider"),
    ("_revinclude to a type", "Patient", "_revinclude=Observation:subject:Patient"),
    ("_revinclude Type:*", "Patient", "_revinclude=Encounter:*"),
    (
        "_revinclude:iterate",
        "Organization",
        "_revinclude=Encounter:service-provider&_revinclude:iterate=Condition:encounter",
    ),
    ("_revinclude:iterate in a circle", "Organization", "_revinclude:iterate=Organization:partof"),
    ("_include and _revinclude", "Encounter", "_include=Encounter:patient&_revinclude=Condition:encounter"),
];

/// Class, type and keys.
const SORTS: &[(&str, &str, &str)] = &[
    ("sort date", "Patient", "birthdate"),
    ("sort date", "Condition", "recorded-date"),
    ("sort date descending", "RiskAssessment", "-date"),
    ("sort date descending", "Observation", "-date"),
    ("sort string", "ValueSet", "name"),
    ("sort string", "Patient", "family"),
    ("sort string descending", "ValueSet", "-title"),
    ("sort string descending", "Patient", "-given"),
    ("sort number", "RiskAssessment", "probability"),
    ("sort number descending", "RiskAssessment", "-probability"),
    ("sort token", "Patient", "gender"),
    ("sort token", "Encounter", "status"),
    ("sort token descending", "Patient", "-gender"),
    ("sort token descending", "ValueSet", "-status"),
    ("sort quantity", "Observation", "value-quantity"),
    ("sort quantity descending", "Observation", "-value-quantity"),
    ("sort uri", "ValueSet", "url"),
    ("sort uri descending", "ValueSet", "-url"),
    ("sort several", "ValueSet", "status,-date"),
    ("sort several", "Patient", "-gender,birthdate,_id"),
    ("sort several", "Observation", "status,-date,value-quantity"),
    ("sort _id", "Patient", "_id"),
    ("sort _id descending", "Encounter", "-_id"),
    ("sort _lastUpdated", "Patient", "_lastUpdated"),
    ("sort _lastUpdated descending", "Encounter", "-_lastUpdated"),
];

impl Planner<'_> {
    /// Includes, sorting and paging.
    pub fn results(&mut self) {
        let fits = |q: &&Query| (2..150).contains(&q.expected.len()) && q.is_telling(self.data);
        let fitting: Vec<Query> = self.queries.iter().filter(fits).cloned().collect();
        for (class, owner, text) in INCLUDES {
            let mut made: Vec<Query> = fitting
                .iter()
                .filter(|q| q.kind == *owner)
                .take(4 * EACH)
                .map(|q| self.include(class, text, q))
                .collect();
            // The product includes at most 10 000 on a page. Those that include something first.
            made.retain(|q| !matches!(&q.check, Check::Included(found) if found.len() > 9000));
            made.sort_by_key(|q| !q.is_telling(self.data));
            self.queries.extend(made.into_iter().take(EACH));
        }
        for (class, owner, keys) in SORTS {
            for query in fitting.iter().filter(|q| q.kind == *owner).rev().take(EACH) {
                let options = format!("&_sort={keys}&_count={}", 5 + self.below(40));
                self.queries.push(Query {
                    class: (*class).to_owned(),
                    options,
                    check: Check::Sorted(keys),
                    ..query.clone()
                });
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

    fn include(&self, class: &str, text: &str, query: &Query) -> Query {
        let found = included(self.data, &query.expected, text);
        let options = format!("&{text}&_count=1000");
        Query { class: class.to_owned(), options, check: Check::Included(found), ..query.clone() }
    }
}

/// One `_include` or `_revinclude`.
struct Include<'a> {
    reverse: bool,
    iterate: bool,
    source: &'a str,
    path: &'static str,
    target: Option<&'a str>,
}

/// What includes add to matches (3.1.1.5.4): each once from the matches; those with `:iterate` again from what was added,
/// until nothing is.
fn included(data: &Dataset, matches: &[usize], text: &str) -> Vec<usize> {
    let kind = matches.first().map_or("", |n| data.resources[*n].kind.as_str());
    let all: Vec<Include> = text.split('&').map(|one| read(one, kind)).collect();
    let mut seen: BTreeSet<usize> = matches.iter().copied().collect();
    let mut current = seen.clone();
    let mut found = Vec::new();
    for round in 0.. {
        let active = all.iter().filter(|i| round == 0 || i.iterate);
        let next: BTreeSet<usize> =
            active.flat_map(|i| step(data, i, &current)).filter(|n| !seen.contains(n)).collect();
        if next.is_empty() {
            break;
        }
        seen.extend(&next);
        found.extend(&next);
        current = next;
    }
    found
}

fn read<'a>(text: &'a str, kind: &'a str) -> Include<'a> {
    let (name, value) = text.split_once('=').unwrap();
    let mut parts = value.split(':');
    let first = parts.next().unwrap();
    let source = if first == "*" { kind } else { first };
    let path = match parts.next() {
        None | Some("*") => REFERENCES.iter().find(|(owner, _)| *owner == source).unwrap().1,
        Some(code) => param(source, code).path,
    };
    let (reverse, iterate) = (name.starts_with("_rev"), name.ends_with(":iterate"));
    Include { reverse, iterate, source, path, target: parts.next() }
}

fn step(data: &Dataset, include: &Include, current: &BTreeSet<usize>) -> Vec<usize> {
    let fits = |n: &usize| include.target.is_none_or(|kind| data.resources[*n].kind == kind);
    let leads = |n: usize| {
        let resource = &data.resources[n];
        let texts = at(&resource.json, include.path);
        let found = texts.iter().filter_map(|r| resource.references.get(r["reference"].as_str()?).copied());
        found.filter(fits).collect::<Vec<_>>()
    };
    if include.reverse {
        data.of(include.source).filter(|n| leads(*n).iter().any(|t| current.contains(t))).collect()
    } else {
        current.iter().filter(|n| data.resources[**n].kind == include.source).flat_map(|n| leads(*n)).collect()
    }
}

/// Says where matches stand in the wrong order. Of each: its number, `Type/id`, and
/// `meta.lastUpdated`.
pub fn disorder(data: &Dataset, kind: &str, keys: &str, matches: &[(usize, String, String)]) -> Option<String> {
    matches.windows(2).find_map(|pair| {
        let (a, b) = (&pair[0], &pair[1]);
        let mut equal = keys.split(',').map(|key| {
            let (code, descending) = key.strip_prefix('-').map_or((key, false), |code| (code, true));
            let order = match code {
                "_id" => Some(a.1.cmp(&b.1)).map(|o| if descending { o.reverse() } else { o }),
                "_lastUpdated" => Some(a.2.cmp(&b.2)).map(|o| if descending { o.reverse() } else { o }),
                _ => order(data, param(kind, code), descending, a.0, b.0),
            };
            (key, order)
        });
        // An order that is not clear leaves everything after it open.
        let (key, order) = equal.find(|(_, order)| *order != Some(Ordering::Equal))?;
        (order == Some(Ordering::Greater)).then(|| format!("{} stands before {} by {key}", a.1, b.1))
    })
}

/// The order of two resources by a key: without a value last, else by the value that comes first in this order (3.1.1.5.1).
fn order(data: &Dataset, param: &Param, descending: bool, a: usize, b: usize) -> Option<Ordering> {
    let (a, b) = (at_param(&data.resources[a], param), at_param(&data.resources[b], param));
    if a.is_empty() || b.is_empty() {
        return Some(a.is_empty().cmp(&b.is_empty()));
    }
    let forward = match param.kind {
        Kind::Date => overlap_or_order(&a, &b)?,
        Kind::Number => number(a.first()?)?.cmp(&number(b.first()?)?),
        Kind::Quantity => amounts(a.first()?, b.first()?)?,
        Kind::String | Kind::Token | Kind::Uri => {
            text(param.kind, &a, descending)?.cmp(&text(param.kind, &b, descending)?)
        }
        Kind::Reference | Kind::Composite => return None,
    };
    Some(if descending { forward.reverse() } else { forward })
}

/// `None` where one range neither starts and ends before the other nor is the same.
fn overlap_or_order(a: &[&Value], b: &[&Value]) -> Option<Ordering> {
    let (a, b) = (range(a.first()?)?, range(b.first()?)?);
    (a.start.cmp(&b.start) == a.end.cmp(&b.end)).then(|| a.start.cmp(&b.start))
}

fn number(json: &Value) -> Option<i128> {
    Some(Decimal::parse(&json.to_string())?.value)
}

/// Quantities of one unit, or of one dimension where they are clearly apart.
fn amounts(a: &Value, b: &Value) -> Option<Ordering> {
    let (x, y) = (number(&a["value"])?, number(&b["value"])?);
    if a["code"] == b["code"] && a["system"] == b["system"] {
        return Some(x.cmp(&y));
    }
    let (from, to) = (unit(a["code"].as_str()?)?, unit(b["code"].as_str()?)?);
    let (x, y) = ((x as f64 / 1e18 + from.offset) * from.factor, (y as f64 / 1e18 + to.offset) * to.factor);
    ((x - y).abs() > 1e-9 * x.abs() && from.dimension == to.dimension).then(|| x.total_cmp(&y))
}

fn text(kind: Kind, values: &[&Value], descending: bool) -> Option<String> {
    let all = values.iter().flat_map(|v| match kind {
        Kind::Token => tokens(v).into_iter().filter_map(|(_, code)| code).collect(),
        Kind::String => texts(v).into_iter().map(fold).collect(),
        _ => v.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
    });
    if descending { all.max() } else { all.min() }
}

#[test]
fn sharp_edges_of_the_order() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (year, day) = (json("\"2020\""), json("\"2020-06-01\""));
    assert_eq!(overlap_or_order(&[&year], &[&day]), None);
    let (gram, pound) = (json(r#"{"value": 5, "code": "g"}"#), json(r#"{"value": 1, "code": "[lb_av]"}"#));
    assert_eq!(amounts(&gram, &pound), Some(Ordering::Less));
    let names = [json(r#"{"family": "Zoe", "given": ["Anna"]}"#)];
    assert_eq!(text(Kind::String, &names.iter().collect::<Vec<_>>(), false).as_deref(), Some("ANNA"));
}
