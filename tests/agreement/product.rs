//! The product's side: values, `matches`, and an index, without a server around them.

use cresset::base::clock::Timestamp;
use cresset::base::id::Seq;
use cresset::base::limits::Limits;
use cresset::fhir::json::{Json, parse as parse_json};
use cresset::fhir::types::{ResourceId, ResourceKey, ResourceType};
use cresset::search::caseless::loosen;
use cresset::search::extract::extract;
use cresset::search::index::{Document, Index, IndexOptions, Searcher};
use cresset::search::matches::{DocMeta, matches};
use cresset::search::params::ParamSet;
use cresset::search::parse::{ParseContext, parse};
use cresset::search::value::Extracted;
use serde_json::Value;

/// The base URL of the server.
pub const BASE: &str = "http://cresset.test/fhir";

/// For `ap` on dates: 2024-06-15T12:00:00Z, in microseconds.
pub const NOW: i64 = 1_718_452_800_000_000;

/// When a resource was updated: some days and milliseconds before [`NOW`].
pub fn updated(n: usize) -> i64 {
    NOW - (n as i64 % 40) * 86_400_000_000 - (n as i64 % 7) * 1000
}

/// A time as it is written.
pub fn written(micros: i64) -> String {
    Timestamp(micros).to_string()
}

/// Resources with their values, and an index of them.
#[derive(Debug)]
pub struct World {
    documents: Vec<(DocMeta, Extracted)>,
    searcher: Searcher,
}

impl World {
    /// Reads the resources, which have a type and an id.
    pub fn new<'a>(resources: impl Iterator<Item = &'a Value>) -> Self {
        let documents: Vec<(DocMeta, Extracted)> = resources.enumerate().map(document).collect();
        let folder = tempfile::tempdir().unwrap();
        let index =
            Index::open(folder.path(), IndexOptions { heap_bytes: 16 << 20, ..IndexOptions::default() }).unwrap();
        for (n, (meta, values)) in documents.iter().enumerate() {
            let (key, seq, values) = (meta.key.clone(), Seq(n as i64 + 1), Some(values.clone()));
            index.apply(&[Document { key, seq, updated: meta.updated, values, is_new: true }]).unwrap();
            // several segments
            if n % 150 == 149 {
                index.commit(seq).unwrap();
            }
        }
        index.commit(Seq(documents.len() as i64)).unwrap();
        let searcher = index.searcher();
        index.close().unwrap();
        Self { documents, searcher }
    }

    /// For each of the resources of a type (by their numbers): whether `matches` and whether the index finds it.
    ///
    /// # Errors
    /// Why the search is refused.
    pub fn found(&self, kind: &str, name: &str, value: &str, of: &[usize]) -> Result<Vec<(bool, bool)>, String> {
        let (limits, params) = (Limits::default(), ParamSet::default());
        let context = ParseContext { base: BASE, strict: true, limits: &limits, now: Timestamp(NOW), params: &params };
        let pair = [(name.to_owned(), value.to_owned())];
        let mut query = parse(ResourceType::find(kind).unwrap(), &pair, &context).map_err(|fault| fault.to_string())?;
        // as a server does, of the code systems that it knows
        loosen(&mut query.clauses, &mut |system| system == "http://loinc.org");
        if query.clauses.is_empty() {
            return Err("it asks for nothing".to_owned());
        }
        let page = self.searcher.search(&query, 0, 1000, &limits).map_err(|fault| fault.to_string())?;
        let mut hits: Vec<usize> = page.hits.iter().map(|hit| hit.seq.0 as usize - 1).collect();
        hits.sort_unstable();
        if page.total != Some(hits.len() as u64) || hits.iter().any(|hit| !of.contains(hit)) {
            return Err(format!("the index finds {hits:?} of {of:?} with the total {:?}", page.total));
        }
        let in_memory = |n: &usize| {
            let (meta, values) = &self.documents[*n];
            query.clauses.iter().all(|clause| matches(clause, values, meta) == Some(true))
        };
        Ok(of.iter().map(|n| (in_memory(n), hits.binary_search(n).is_ok())).collect())
    }
}

fn document((n, json): (usize, &Value)) -> (DocMeta, Extracted) {
    let resource = parse_json(json.to_string().as_bytes()).unwrap();
    let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap();
    let kind = ResourceType::find(text("resourceType")).unwrap();
    let key = ResourceKey::new(kind, ResourceId::parse(text("id")).unwrap());
    (DocMeta { key, updated: Timestamp(updated(n)) }, extract(kind, &resource, BASE))
}
