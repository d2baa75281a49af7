//! The official examples in a server, with the values that the evaluator reads in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::asks::start;
use super::definitions::Definitions;
use super::holds::words;
use super::time::Range;
use super::values::{Date, Found, values};
use crate::support::{TestApp, official, parallel};

/// A stored example.
#[derive(Debug)]
pub struct Example {
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// As it was written.
    pub json: Value,
    /// `meta.lastUpdated`.
    pub updated: String,
    /// Of the narrative, and of all texts.
    pub words: [Words; 2],
}

/// The words of a text.
#[derive(Debug)]
pub struct Words {
    /// All of them.
    pub all: BTreeSet<String>,
    /// The longest of the first, which is asked for.
    pub one: Option<String>,
    /// The index knows only the beginning of a long text.
    pub is_long: bool,
}

impl Words {
    fn of(text: &str) -> Self {
        let first = words(start(text, 2000)).into_iter();
        let plain = first.filter(|word| word.len() > 3 && word.bytes().all(|b| b.is_ascii_alphabetic()));
        let one = plain.take(12).max_by_key(String::len);
        Self { all: words(text).into_iter().collect(), one, is_long: text.len() > 40_000 }
    }
}

/// Writes the examples in JSON; gives back what is there afterwards. Of two with one type and id the second stays.
pub fn load(app: &TestApp, folder: &Path) -> Vec<Example> {
    let mut last = BTreeMap::new();
    for (name, text) in official::json(folder) {
        let json: Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text)).unwrap();
        let id = json["id"].as_str().map_or_else(|| format!("of {name}"), str::to_owned);
        last.insert((json["resourceType"].to_string(), id), json);
    }
    let (all, next, stored) = (last.into_values().collect::<Vec<_>>(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    parallel(4, |_| {
        let mut client = app.client();
        while let Some(json) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
            let kind = json["resourceType"].as_str().unwrap().to_owned();
            let written = match json["id"].as_str() {
                Some(id) => client.put(&format!("{kind}/{id}"), json),
                None => client.post(&kind, json),
            };
            // `Parameters` have no endpoint, and one example has an id of 69 characters
            let is_known = kind == "Parameters" || json["id"].as_str().is_some_and(|id| id.len() > 64);
            assert!(written.status == 201 || is_known, "{kind}/{}: {}", json["id"], written.text());
            if written.status == 201 {
                let updated = written.json()["meta"]["lastUpdated"].as_str().unwrap().to_owned();
                let id = written.location().0.split_once('/').unwrap().1.to_owned();
                let narrative = json["text"]["div"].as_str().map(plain).unwrap_or_default();
                let words = [Words::of(&narrative), Words::of(&content(json))];
                stored.lock().unwrap().push(Example { kind, id, json: json.clone(), updated, words });
            }
        }
    });
    let mut stored = stored.into_inner().unwrap();
    stored.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
    stored
}

/// The text of XHTML, a space for each tag.
fn plain(div: &str) -> String {
    let parts = div.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text = parts.collect::<Vec<_>>().join(" ");
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    entities.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// The texts of a resource: strings that are no ids, references, URLs, dates or data.
fn content(json: &Value) -> String {
    fn add(name: &str, json: &Value, out: &mut String) {
        const NO_TEXT: [&str; 10] = [
            "resourceType",
            "id",
            "meta",
            "reference",
            "system",
            "url",
            "data",
            "contentType",
            "implicitRules",
            "hash",
        ];
        match json {
            _ if NO_TEXT.contains(&name) => {}
            Value::Array(all) => all.iter().for_each(|json| add(name, json, out)),
            Value::Object(all) => all.iter().for_each(|(name, json)| add(name, json, out)),
            Value::String(text) if name == "div" => out.push_str(&plain(text)),
            Value::String(text) if is_text(text) => out.push_str(text),
            _ => {}
        }
        out.push(' ');
    }
    let mut out = String::new();
    add("", json, &mut out);
    out
}

fn is_text(text: &str) -> bool {
    let digits: Vec<bool> = text.bytes().take(7).map(|b| b.is_ascii_digit()).collect();
    let is_date = digits == [true, true, true, true, false, true, true];
    !is_date && !["http:", "https:", "urn:"].iter().any(|scheme| text.starts_with(scheme))
}

/// The values of all parameters in one example, by code.
pub type Values<'a> = BTreeMap<&'static str, Vec<Found<'a>>>;

/// Reads the values of all parameters of an example's type.
pub fn values_of<'a>(all: &'static Definitions, example: &'a Example, base: &str) -> Values<'a> {
    let mut found = Values::new();
    for param in all.params_of(&example.kind) {
        let word = |of: usize| example.words[of].one.iter().map(|word| Found::Text(word)).collect();
        let own = match param.code.as_str() {
            // a span of a millisecond, whatever the resource says of itself
            "_lastUpdated" => {
                let range = Range::parse(&example.updated).unwrap();
                let texts = (Some(example.updated.as_str()), Some(example.updated.as_str()));
                vec![Found::Date(Date { range, texts, is_calendar: false })]
            }
            "_id" => vec![Found::Uri(&example.id)],
            "_text" => word(0),
            "_content" => word(1),
            _ => values(all, param, &example.json, base),
        };
        if !own.is_empty() {
            found.insert(&param.code, own);
        }
    }
    found
}
