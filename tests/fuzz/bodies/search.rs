//! Searches: the self link asks for the same, `matches` and the index agree on a few resources, pages are parts of the whole.

use std::sync::OnceLock;

use cresset::base::clock::Timestamp;
use cresset::base::fault::{Category, Fault};
use cresset::base::id::Seq;
use cresset::base::limits::Limits;
use cresset::fhir::json::{Json, parse as parse_json};
use cresset::fhir::types::{ResourceId, ResourceKey, ResourceType};
use cresset::search::context::SearchContext;
use cresset::search::extract::extract;
use cresset::search::index::{Document, Index, IndexOptions, Searcher};
use cresset::search::matches::{DocMeta, matches};
use cresset::search::params::ParamSet;
use cresset::search::parse::{ParseContext, parse};
use cresset::search::query::Query;
use cresset::search::value::Extracted;

const BASE: &str = "http://host/fhir";
const NOW: Timestamp = Timestamp(1_709_210_096_789_000);

/// The resources that are searched: a JSON array.
const RESOURCES: &str = include_str!("resources.json");

/// Laws of searches. The data is what follows the base URL: `Patient?name=a&_sort=-birthdate`.
pub fn search(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let Some(of) = SearchContext::of_path(path) else { return false };
    let params: Vec<(String, String)> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let limits = Limits { search_values: 64, ..Limits::default() };
    let official = ParamSet::default();
    let context = ParseContext { base: BASE, strict: false, limits: &limits, now: NOW, params: &official };
    let query = match parse(of.clone(), &params, &context) {
        Ok(query) => query,
        Err(fault) => {
            refused(&fault);
            return false;
        }
    };
    let again = parse(of, &query.used, &ParseContext { strict: true, ..context }).expect("the self link is a search");
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);
    assert_eq!(again, Query { warnings: Vec::new(), ..query.clone() }, "the self link asks for the same");
    world().answers(&query, &limits);
    true
}

/// A name and a value, decoded.
fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(fault: &Fault) {
    assert!(matches!(fault.category(), Category::Invalid | Category::NotFound), "{fault}");
    assert!(!fault.message().is_empty() && fault.message().len() < 4000, "{} bytes", fault.message().len());
}

/// The resources with their values, and an index of them.
struct World {
    documents: Vec<(DocMeta, Extracted)>,
    searcher: Searcher,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let resources = parse_json(RESOURCES.as_bytes()).expect("JSON");
        let documents: Vec<_> = resources.as_array().expect("an array").iter().enumerate().map(document).collect();
        // Its files are needed as long as the process lives.
        let folder = tempfile::tempdir().expect("a folder").keep();
        let options = IndexOptions { heap_bytes: 16 << 20, ..IndexOptions::default() };
        let index = Index::open(&folder, options).expect("an index");
        for (n, (meta, values)) in documents.iter().enumerate() {
            let (key, seq, values) = (meta.key.clone(), Seq(n as i64 + 1), Some(values.clone()));
            index.apply(&[Document { key, seq, updated: meta.updated, values, is_new: true }]).expect("applied");
            if n % 5 == 0 {
                index.commit(seq).expect("committed");
            }
        }
        index.commit(Seq(documents.len() as i64)).expect("committed");
        let searcher = index.searcher();
        index.close().expect("closed");
        _ = std::fs::remove_dir_all(folder);
        World { documents, searcher }
    })
}

fn document((n, resource): (usize, &Json)) -> (DocMeta, Extracted) {
    let text = |name: &str| resource.get(name).and_then(Json::as_str).expect(name);
    let kind = ResourceType::find(text("resourceType")).expect("a type");
    let key = ResourceKey::new(kind, ResourceId::parse(text("id")).expect("an id"));
    let updated = Timestamp(NOW.0 + n as i64 * 1_000_000);
    (DocMeta { key, updated }, extract(kind, resource, BASE))
}

impl World {
    fn answers(&self, query: &Query, limits: &Limits) {
        let whole = match self.searcher.search(query, 0, 1000, limits) {
            Ok(whole) => whole,
            Err(fault) => return refused(&fault),
        };
        let counted = Query { count_only: true, ..query.clone() };
        let count = self.searcher.search(&counted, 0, 0, limits).expect("it can be counted").total;
        if query.count_only {
            return assert_eq!(count, whole.total);
        }
        assert_eq!(count, Some(whole.hits.len() as u64), "the total is the number of matches");
        let mut pages = Vec::new();
        for offset in (0..whole.hits.len()).step_by(3) {
            pages.extend(self.searcher.search(query, offset, 3, limits).expect("a page").hits);
        }
        assert_eq!(pages, whole.hits, "pages are parts of the whole");
        let mut found: Vec<i64> = whole.hits.iter().map(|hit| hit.seq.0).collect();
        found.sort_unstable();
        if let Some(expected) = self.expected(query) {
            assert_eq!(found, expected, "the index and `matches` agree on {:?}", query.clauses);
        }
        self.searcher.includes(query, &whole.hits, limits).expect("includes");
    }

    /// What `matches` finds; none where it does not decide.
    fn expected(&self, query: &Query) -> Option<Vec<i64>> {
        let mut found = Vec::new();
        for (n, (meta, values)) in self.documents.iter().enumerate() {
            let mut holds = query.types.contains(&meta.key.kind);
            for clause in &query.clauses {
                holds &= matches(clause, values, meta)?;
            }
            if holds {
                found.push(n as i64 + 1);
            }
        }
        Some(found)
    }
}
