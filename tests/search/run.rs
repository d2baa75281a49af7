//! Loads the data, asks the plan's queries, and compares.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::dataset::Dataset;
use super::evaluate::{Condition, Wanted};
use super::plan::{Check, Planner, Query};
use super::results::disorder;
use super::time::Range;
use super::units::{OPAQUE, UCUM, unit};
use crate::support::{Client, TestApp, on_both_databases, parallel};

/// A step of a chain: parameter, type, and whether the type is written.
type Step = (&'static str, &'static str, bool);

/// Class, type searched, steps, and the last parameter. `_has:` begins a step backwards: the type is the source.
pub const CHAINS: &[(&str, &str, &[Step], &str)] = &[
    ("chain", "Observation", &[("patient", "Patient", false)], "family"),
    ("chain of a date", "Condition", &[("patient", "Patient", false)], "birthdate"),
    ("typed chain", "Observation", &[("subject", "Patient", true)], "given"),
    ("typed chain of a token", "Encounter", &[("service-provider", "Organization", true)], "name"),
    (
        "chain of three",
        "Observation",
        &[("encounter", "Encounter", true), ("service-provider", "Organization", false)],
        "name",
    ),
    (
        "chain of four",
        "DiagnosticReport",
        &[
            ("result", "Observation", false),
            ("encounter", "Encounter", true),
            ("service-provider", "Organization", false),
        ],
        "name",
    ),
    ("_has", "Patient", &[("_has:patient", "Observation", true)], "code"),
    ("_has a date", "Patient", &[("_has:patient", "Encounter", true)], "date"),
    ("_has of a token", "Encounter", &[("_has:encounter", "Condition", true)], "code"),
    (
        "nested _has",
        "Organization",
        &[("_has:service-provider", "Encounter", true), ("_has:encounter", "Observation", true)],
        "code",
    ),
    ("chain in _has", "Patient", &[("_has:patient", "Observation", true), ("encounter", "Encounter", true)], "date"),
    ("_has in chain", "Observation", &[("patient", "Patient", false), ("_has:patient", "Condition", true)], "code"),
];

fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(Dataset::read)
}

fn plan() -> &'static [Query] {
    static PLAN: OnceLock<Vec<Query>> = OnceLock::new();
    PLAN.get_or_init(|| Planner::new(data(), 20_261_125).all())
}

/// Every class of the plan has at least five searches, and two thirds of its answers are neither empty nor everything.
#[test]
fn every_class_asks_for_something() {
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for query in plan() {
        let (all, telling) = classes.entry(query.class.as_str()).or_default();
        *all += 1;
        *telling += usize::from(query.is_telling(data()));
    }
    let poor: Vec<_> = classes.iter().filter(|(_, (all, telling))| *all < 5 || telling * 3 < all * 2).collect();
    assert!(
        poor.is_empty(),
        "classes with less than 5 searches, or too many trivial answers (searches, telling): {poor:?}"
    );
    let missing: Vec<String> = expected_classes().into_iter().filter(|c| !classes.contains_key(c.as_str())).collect();
    assert!(missing.is_empty(), "classes without a search: {missing:?}");
    let large = plan().iter().filter(|q| q.expected.len() > 2000).count();
    assert!(large >= 15 || data().resources.len() < 15_000, "{large} answers of more than 2000");
}

/// Every type with its modifiers and prefixes, and the forms of joins and results: what must not be missing from the plan.
fn expected_classes() -> Vec<String> {
    let mut all: Vec<String> =
        ["string", "string:exact", "string:contains", "uri", "_id", "reference:identifier", "and"]
            .map(str::to_owned)
            .into();
    for kind in ["string", "token", "reference", "date", "number", "quantity", "uri"] {
        all.push(format!("{kind}:missing"));
    }
    for form in ["code", "system|code", "|code", "system|", ":not", "code,code"] {
        all.push(format!("token {form}"));
    }
    all.extend(["id", "Type/id", "absolute", ":Type"].map(|form| format!("reference {form}")));
    for prefix in ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"] {
        all.extend(["date", "number", "quantity", "timing"].map(|kind| format!("{kind} {prefix}")));
    }
    all.extend(CHAINS.iter().map(|(class, ..)| (*class).to_owned()));
    for form in [
        "_include",
        "_include *",
        "_include Type:*",
        "_include to a type",
        "_include:iterate",
        "_revinclude",
        "_revinclude:iterate",
    ] {
        all.push(form.to_owned());
    }
    for kind in ["date", "string", "number", "token", "quantity", "uri", "_id", "_lastUpdated"] {
        all.extend([format!("sort {kind}"), format!("sort {kind} descending")]);
    }
    all.extend([1, 2, 7, 20, 59].map(|size| format!("paging {size}")));
    all
}

/// A unit that the evaluator does not know would be compared as text, and hide a mistake.
#[test]
fn every_unit_of_the_data_is_known() {
    fn visit(json: &Value, unknown: &mut Vec<String>) {
        match json {
            Value::Array(all) => all.iter().for_each(|j| visit(j, unknown)),
            Value::Object(all) => {
                let code = json["code"].as_str().filter(|_| json["system"] == UCUM && json.get("value").is_some());
                unknown.extend(code.filter(|c| unit(c).is_none() && !OPAQUE.contains(c)).map(str::to_owned));
                all.values().for_each(|j| visit(j, unknown));
            }
            _ => {}
        }
    }
    let mut unknown = Vec::new();
    data().resources.iter().for_each(|r| visit(&r.json, &mut unknown));
    unknown.sort();
    unknown.dedup();
    assert!(unknown.is_empty(), "{unknown:?}");
}

on_both_databases! {
    fn searches_answer_as_the_evaluator_does(database) {
        let app = TestApp::start(database);
        let (names, moments) = load(&app);
        let mut queries = updated(&moments);
        queries.extend(plan().iter().cloned());
        let next = AtomicUsize::new(0);
        let found: Vec<Vec<String>> = parallel(4, |_| {
            let mut asker = Asker { client: app.client(), base: app.base(), names: &names, found: Vec::new() };
            while let Some(query) = queries.get(next.fetch_add(1, Ordering::SeqCst)) {
                asker.ask(query);
            }
            asker.found
        });
        let mut found: Vec<String> = found.into_iter().flatten().collect();
        found.sort();
        let shown = found.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        let (wrong, asked) = (found.len(), queries.len());
        assert!(found.is_empty(), "{wrong} of {asked} searches are wrong: {}\n{shown}", classes_of(&found));
    }
}

/// The classes of what is wrong, each with how often.
fn classes_of(found: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().filter_map(|f| f[1..].split(']').next()).for_each(|class| *counts.entry(class).or_default() += 1);
    counts.iter().map(|(class, n)| format!("{class} ({n})")).collect::<Vec<_>>().join("; ")
}

/// Loads all Bundles; gives back `Type/id` of every resource of the evaluator, and when it was written.
fn load(app: &TestApp) -> (Vec<String>, Vec<String>) {
    let mut client = app.client();
    let mut names = vec![String::new(); data().resources.len()];
    let mut moments = names.clone();
    for (bundle, entries) in data().bundles.iter().zip(&data().entries) {
        let answer = client.post("", bundle).expect(200).json();
        let answered = answer["entry"].as_array().unwrap();
        assert_eq!(answered.len(), entries.len());
        for (entry, n) in answered.iter().zip(entries) {
            let location = entry["response"]["location"].as_str().unwrap_or_else(|| panic!("no location: {entry}"));
            let parts: Vec<&str> = location.split('/').collect();
            let at = parts.iter().position(|p| *p == "_history").unwrap_or(parts.len());
            names[*n] = parts[at - 2..at].join("/");
            moments[*n] =
                entry["response"]["lastModified"].as_str().unwrap_or_else(|| panic!("no time: {entry}")).to_owned();
        }
    }
    (names, moments)
}

/// Searches by `_lastUpdated` around the times at which something was written.
fn updated(moments: &[String]) -> Vec<Query> {
    let range = |n: usize| Range::parse(&moments[n]).unwrap();
    let mut all = Vec::new();
    for (turn, prefix) in ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"].iter().enumerate() {
        for n in 0..5 {
            let kind = ["Patient", "Encounter", "Organization"][n % 3];
            let of: Vec<usize> = data().of(kind).collect();
            let pivot = &moments[of[(turn * 7 + n * of.len() / 6) % of.len()]];
            let asked = Range::parse(pivot).unwrap();
            let expected = of.into_iter().filter(|n| asked.compare(prefix, range(*n), 0)).collect();
            let options = format!("&_count=1000&_lastUpdated={prefix}{pivot}");
            let class = format!("_lastUpdated {prefix}");
            all.push(Query { class, kind, conditions: Vec::new(), options, expected, check: Check::Set });
        }
    }
    all
}

/// What is read of a page; the rest is skipped.
#[derive(Deserialize)]
struct Page {
    total: Option<usize>,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Deserialize)]
struct Entry {
    resource: Found,
    search: Mode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    resource_type: String,
    id: Option<String>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    last_updated: Option<String>,
}

#[derive(Deserialize)]
struct Mode {
    mode: String,
}

/// A match or an include: `Type/id` and `meta.lastUpdated`.
type Hit = (String, String);

/// Asks queries of one server and collects what is wrong.
struct Asker<'a> {
    client: Client,
    base: String,
    names: &'a [String],
    found: Vec<String>,
}

impl Asker<'_> {
    /// Asks for all pages, and compares total, sets and order.
    fn ask(&mut self, query: &Query) {
        let conditions: Vec<String> = query.conditions.iter().map(|c| self.condition(c)).collect();
        let options = if query.options.is_empty() { "&_count=1000" } else { query.options.as_str() };
        let text = format!("{}{options}", conditions.join("&"));
        let target = format!("{}?{}", query.kind, text.trim_start_matches('&'));
        let mut answer = self.client.get(&target);
        let (mut matches, mut included) = (Vec::new(), Vec::new());
        loop {
            if answer.status != 200 {
                self.found.push(format!("[{}] {target}: {} {}", query.class, answer.status, answer.text()));
                return;
            }
            let page: Page = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{target}: {e}"));
            if page.total != Some(query.expected.len()) {
                self.found.push(format!(
                    "[{}] {target}: total {:?}, not {}",
                    query.class,
                    page.total,
                    query.expected.len()
                ));
            }
            hits(page.entry, &mut matches, &mut included);
            // A server that goes round in circles must not hold the test.
            let next = page
                .link
                .iter()
                .find(|l| l.relation == "next")
                .filter(|_| matches.len() <= query.expected.len() + 1000);
            let Some(next) = next else { break };
            answer = self.client.send("GET", &next.url[next.url.find("/fhir").unwrap()..], &[], &[]);
        }
        self.compare(query, &target, "matches", &query.expected, &matches);
        self.check(query, &target, &matches, &included);
    }

    fn compare(&mut self, query: &Query, target: &str, what: &str, expected: &[usize], answered: &[Hit]) {
        let mut wanted: Vec<&str> = expected.iter().map(|n| self.names[*n].as_str()).collect();
        let mut got: Vec<&str> = answered.iter().map(|(name, _)| name.as_str()).collect();
        wanted.sort_unstable();
        got.sort_unstable();
        if wanted == got {
            return;
        }
        let missing: Vec<&&str> = wanted.iter().filter(|n| got.binary_search(n).is_err()).take(2).collect();
        let more: Vec<&&str> = got.iter().filter(|n| wanted.binary_search(n).is_err()).take(2).collect();
        let counts = format!("{} {what}, not {}", got.len(), wanted.len());
        self.found.push(format!("[{}] {target}: {counts}; missing {missing:?}, too many {more:?}", query.class));
    }

    fn check(&mut self, query: &Query, target: &str, matches: &[Hit], included: &[Hit]) {
        match &query.check {
            Check::Set => {}
            Check::Included(expected) => {
                // A page has the includes of its own matches, so one may stand on several.
                let mut once = included.to_vec();
                if matches.len() > 1000 {
                    once.sort_unstable();
                    once.dedup();
                }
                self.compare(query, target, "included", expected, &once);
            }
            Check::Sorted(keys) => {
                let places: HashMap<&str, usize> =
                    self.names.iter().enumerate().map(|(n, name)| (name.as_str(), n)).collect();
                let known = matches
                    .iter()
                    .filter_map(|(name, at)| Some((*places.get(name.as_str())?, name.clone(), at.clone())));
                if let Some(wrong) = disorder(data(), query.kind, keys, &known.collect::<Vec<_>>()) {
                    self.found.push(format!("[{}] {target}: {wrong}", query.class));
                }
            }
        }
    }

    /// `name=value`, encoded.
    fn condition(&self, condition: &Condition) -> String {
        let (name, value) = self.parts(condition);
        format!("{}={}", encode(&name), encode(&value))
    }

    fn parts(&self, condition: &Condition) -> (String, String) {
        match condition {
            Condition::Param { code, modifier, values } => {
                let values: Vec<String> = values.iter().map(|v| self.value(v, modifier)).collect();
                (format!("{code}{modifier}"), values.join(","))
            }
            Condition::Chain { code, target, typed, inner } => {
                let (name, value) = self.parts(inner);
                let step = if *typed { format!("{code}:{target}") } else { (*code).to_owned() };
                (format!("{step}.{name}"), value)
            }
            Condition::Has { source, code, inner } => {
                let (name, value) = self.parts(inner);
                (format!("_has:{source}:{code}:{name}"), value)
            }
        }
    }

    fn value(&self, wanted: &Wanted, modifier: &str) -> String {
        if !wanted.parts.is_empty() {
            return wanted.parts.iter().map(|p| self.value(p, "")).collect::<Vec<_>>().join("$");
        }
        let Some(target) = wanted.target else {
            let text = wanted.text.replace('\\', "\\\\").replace(',', "\\,").replace('$', "\\$");
            return format!("{}{text}", wanted.prefix);
        };
        let name = &self.names[target];
        let id = name.split('/').nth(1).unwrap_or_default();
        match wanted.text.as_str() {
            "absolute" => format!("{}/{name}", self.base),
            "Type/id" => name.clone(),
            _ if modifier.is_empty() || modifier.starts_with(':') => id.to_owned(),
            _ => name.clone(),
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn hits(entries: Vec<Entry>, matches: &mut Vec<Hit>, included: &mut Vec<Hit>) {
    for Entry { resource, search } in entries {
        let name = format!("{}/{}", resource.resource_type, resource.id.unwrap_or_default());
        let hit = (name, resource.meta.and_then(|m| m.last_updated).unwrap_or_default());
        match search.mode.as_str() {
            "match" => matches.push(hit),
            "include" => included.push(hit),
            _ => {}
        }
    }
}
