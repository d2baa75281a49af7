//! The official examples are found by every search parameter that has a value in them, and `:missing` says which have
//! none. The values are the evaluator's own: its definitions, its FHIRPath, its reading of the elements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::asks::{Ask, Wanted, direct};
use super::definitions::{Definitions, Param, definitions};
use super::examples::{Example, Values, load, values_of};
use super::holds::holds;
use super::values::{Found, To};
use crate::support::{Client, TestApp, official, parallel, variable};

/// Most values of a parameter in one example that are asked for; `CRESSET_SEARCH_VALUES` gives another number.
const VALUES: usize = 2;

/// Most searches by a parameter of a type, spread evenly over its values, where `CRESSET_SEARCH_VALUES` does not say how many.
const SEARCHES: usize = 8;

/// Of a type with more examples, only those that are found and those that must be are looked at.
const SMALL: usize = 100;

/// For `ap`, which is not asked here.
const NOW: i64 = 0;

/// The least pairs of an example and a parameter that has a value in it, by the type of the parameter.
const PAIRS: [(&str, usize); 9] = [
    ("composite", 180),
    ("date", 5000),
    ("number", 60),
    ("quantity", 80),
    ("reference", 2600),
    ("special", 2),
    ("string", 12_500),
    ("token", 16_000),
    ("uri", 4800),
];

/// Pairs for which there is nothing to ask: composites with a component that has only a text, and a canonical
/// (`Library/library-fhir-helpers`) that is no absolute URL.
const UNASKED: usize = 11;

/// Parameters that have only such values in the examples.
const UNASKED_PARAMS: [&str; 3] = ["Group-characteristic-value", "Library-predecessor", "Measure-context-type-value"];

/// A search, and the examples that it must find.
struct Search {
    kind: String,
    param: &'static Param,
    ask: Ask,
    sources: BTreeSet<usize>,
}

/// The examples with their values.
struct Read<'a> {
    base: String,
    examples: &'a [Example],
    values: Vec<Values<'a>>,
    /// The examples of each type.
    of: BTreeMap<&'a str, Vec<usize>>,
}

/// What is asked.
#[derive(Default)]
struct Plan {
    searches: BTreeMap<String, Search>,
    /// Pairs of an example and a parameter with a value, and values, by the type of the parameter.
    counts: BTreeMap<&'static str, [usize; 2]>,
    unasked: Vec<String>,
    /// The URLs of the parameters that have a value somewhere, and of those that are asked for one.
    params: [BTreeSet<&'static str>; 2],
}

impl<'a> Read<'a> {
    fn new(all: &'static Definitions, examples: &'a [Example], base: String) -> Self {
        let values = examples.iter().map(|example| values_of(all, example, &base)).collect();
        let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        examples.iter().enumerate().for_each(|(n, example)| of.entry(&example.kind).or_default().push(n));
        Self { base, examples, values, of }
    }

    fn holds(&self, n: usize, search: &Search) -> Option<bool> {
        let (code, example) = (search.param.code.as_str(), &self.examples[n]);
        if let ("_text" | "_content", Wanted::Text(word)) = (code, &search.ask.values[0]) {
            let words = &example.words[usize::from(code == "_content")];
            let has = words.all.contains(word);
            return Some(has).filter(|has| !(*has && words.is_long));
        }
        holds(search.param, self.values[n].get(code).map_or(&[][..], Vec::as_slice), &search.ask, NOW)
    }

    /// The searches for the values: of each value one of its forms, in turn.
    fn plan(&self, all: &'static Definitions) -> Plan {
        let mut plan = Plan::default();
        let most = variable("CRESSET_SEARCH_VALUES").and_then(|n| n.parse().ok()).unwrap_or(VALUES);
        for (n, (example, values)) in self.examples.iter().zip(&self.values).enumerate() {
            for (code, values) in values.iter().filter(|(_, values)| !values.iter().all(is_inside)) {
                let param = all.param(&example.kind, code).unwrap();
                let counts = plan.counts.entry(&param.kind).or_default();
                *counts = [counts[0] + 1, counts[1] + values.len()];
                plan.params[0].insert(&param.url);
                let forms = values.iter().map(|value| forms(param, value)).filter(|forms| !forms.is_empty());
                let mut is_asked = false;
                for (turn, mut forms) in forms.take(most).enumerate() {
                    let ask = forms.swap_remove((n + turn) % forms.len());
                    plan.add(&self.base, example, param, ask).sources.insert(n);
                    is_asked = true;
                }
                match is_asked {
                    true => _ = plan.params[1].insert(&param.url),
                    false => plan.unasked.push(format!("{}/{} {code}: {values:?}", example.kind, example.id)),
                }
            }
        }
        self.add_missing(all, &mut plan);
        plan
    }

    /// `:missing` of every parameter that has an expression.
    fn add_missing(&self, all: &'static Definitions, plan: &mut Plan) {
        for (kind, of) in &self.of {
            let own = |param: &&Param| matches!(param.code.as_str(), "_id" | "_lastUpdated");
            let params = all.params_of(kind).filter(|p| p.expression.is_some() && p.kind != "composite" && !own(p));
            for (param, is) in params.flat_map(|param| [(param, true), (param, false)]) {
                let ask = Ask::one("missing", Wanted::Missing(is));
                let search = plan.add(&self.base, &self.examples[of[0]], param, ask);
                search.sources =
                    of.iter().copied().filter(|n| self.values[*n].contains_key(param.code.as_str()) != is).collect();
            }
        }
    }

    /// What is wrong with the answer to a search.
    fn check(&self, client: &mut Client, query: &str, search: &Search) -> Vec<String> {
        let found = match ids(client, query) {
            Ok(found) => found,
            Err(what) => return vec![what],
        };
        let of = &self.of[search.kind.as_str()];
        let mut wrong = Vec::new();
        for n in of {
            let id = &self.examples[*n].id;
            let is_found = found.contains(id);
            let is_looked_at = is_found || of.len() < SMALL;
            let must =
                if search.sources.contains(n) { Some(true) } else { self.holds(*n, search).filter(|_| is_looked_at) };
            if must == Some(!is_found) {
                wrong.push(format!("{id} is {}found", if is_found { "" } else { "not " }));
            }
        }
        wrong
    }
}

impl Plan {
    fn add(&mut self, base: &str, example: &Example, param: &'static Param, ask: Ask) -> &mut Search {
        let query = format!("{}?{}", example.kind, ask.query(&param.code, base));
        let new = || Search { kind: example.kind.clone(), param, ask, sources: BTreeSet::new() };
        self.searches.entry(query).or_insert_with(new)
    }
}

/// At most [`SEARCHES`] by each parameter of a type.
fn spread(all: BTreeMap<String, Search>) -> Vec<(String, Search)> {
    let mut groups: BTreeMap<(String, String), Vec<(String, Search)>> = BTreeMap::new();
    for (query, search) in all {
        groups.entry((search.kind.clone(), search.param.code.clone())).or_default().push((query, search));
    }
    let some = |group: Vec<(String, Search)>| {
        let len = group.len();
        let is_kept = move |n: usize| len <= SEARCHES || n * SEARCHES / len != (n + 1) * SEARCHES / len;
        group.into_iter().enumerate().filter(move |(n, _)| is_kept(*n)).map(|(_, search)| search)
    };
    groups.into_values().flat_map(some).collect()
}

/// Whether a value is only a reference to a contained resource, which no search can name.
fn is_inside(value: &Found<'_>) -> bool {
    matches!(value, Found::Reference(reference) if reference.to == Some(To::Inside) && reference.identifier.is_none())
}

/// The forms in which a value can be asked for.
fn forms(param: &Param, value: &Found<'_>) -> Vec<Ask> {
    match (param.code.as_str(), value) {
        ("_text" | "_content", Found::Text(word)) => vec![Ask::one("", Wanted::Text((*word).to_owned()))],
        _ => direct(value, &param.targets),
    }
}

/// The ids of all matches.
fn ids(client: &mut Client, query: &str) -> Result<BTreeSet<String>, String> {
    let mut target = format!("/fhir/{query}&_elements=id&_count=1000");
    let mut found = BTreeSet::new();
    loop {
        let answer = client.send("GET", &target, &[("Prefer", "handling=strict")], &[]);
        if answer.status != 200 {
            return Err(format!("{}: {}", answer.status, answer.text()));
        }
        let page = answer.json();
        let matches = page["entry"].as_array().into_iter().flatten().filter(|e| e["search"]["mode"] == "match");
        found.extend(matches.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()));
        let next = page["link"].as_array().into_iter().flatten().find(|link| link["relation"] == "next");
        let Some(url) = next.and_then(|link| link["url"].as_str()) else {
            let is_total = page["total"].as_u64() == Some(found.len() as u64);
            return if is_total {
                Ok(found)
            } else {
                Err(format!("the total is {} of {}", page["total"], found.len()))
            };
        };
        target = url[url.find("/fhir").unwrap()..].to_owned();
    }
}

/// An example of decimals has numbers that no search can be for; that is told, and not passed over.
fn is_out_of_bounds(what: &str) -> bool {
    let value = what.split(r#"value \""#).nth(1).and_then(|rest| rest.split(['|', '\\']).next());
    let size = value.and_then(|number| number.parse::<f64>().ok()).map_or(1.0, f64::abs);
    what.starts_with("400: ") && what.contains("is not between 1e-27 and 1e28") && !(1e-27..1e28).contains(&size)
}

#[test]
fn the_official_examples_are_found_by_all_their_values() {
    let (Some(folder), Some(all)) = (official::folder(), definitions()) else { return };
    let mut app = TestApp::over(None);
    // Some of the examples lack required elements.
    app.restart_with(&[], &[("CRESSET_VALIDATION_MODE", "off")]);
    let examples = load(&app, &folder);
    let read = Read::new(all, &examples, app.base());
    let plan = read.plan(all);
    let counts: BTreeMap<&str, usize> = plan.counts.iter().map(|(kind, [pairs, _])| (*kind, *pairs)).collect();
    let told = format!(
        "{} searches for {} parameters; pairs and values: {:?}",
        plan.searches.len(),
        plan.params[1].len(),
        plan.counts
    );
    eprintln!("{told}");
    for (kind, least) in PAIRS {
        assert!(counts[kind] >= least, "{kind}: {told}");
    }
    let names = plan.params[0].difference(&plan.params[1]).filter_map(|url| url.rsplit('/').next());
    assert_eq!(names.collect::<Vec<_>>(), UNASKED_PARAMS, "parameters with a value that are not asked for one");
    assert_eq!(plan.unasked.len(), UNASKED, "{}", plan.unasked.join("\n"));
    let searches: Vec<(String, Search)> = match variable("CRESSET_SEARCH_VALUES") {
        Some(_) => plan.searches.into_iter().collect(),
        None => spread(plan.searches),
    };
    eprintln!("{} of them are asked", searches.len());
    let next = AtomicUsize::new(0);
    let wrong = parallel(4, |_| {
        let (mut client, mut wrong) = (app.client(), Vec::new());
        while let Some((query, search)) = searches.get(next.fetch_add(1, Ordering::SeqCst)) {
            let found = read.check(&mut client, query, search).into_iter().filter(|what| !is_out_of_bounds(what));
            wrong.extend(found.take(3).map(|what| format!("[{}] {query}: {what}", search.param.kind)));
        }
        wrong
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {} searches:\n{}", wrong.len(), searches.len(), wrong.join("\n"));
}
