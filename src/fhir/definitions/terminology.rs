//! The code systems, value sets, concept maps and structure definitions of R4 with their texts (`build/terminology.rs`).

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse};

include!(concat!(env!("OUT_DIR"), "/terminology.rs"));

static BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/terminology.bin"));
/// Largest block when it is unpacked, in bytes.
const UNPACKED: usize = 64 << 20;

/// What a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CodeSystem.
    CodeSystem,
    /// A ValueSet.
    ValueSet,
    /// A ConceptMap.
    ConceptMap,
    /// A StructureDefinition, whole but for its narrative.
    StructureDefinition,
}

/// The URLs of all definitions of a kind.
pub fn urls(kind: Kind) -> impl Iterator<Item = &'static str> {
    INDEX.iter().filter(move |row| row.1 == kind as u8).map(|row| row.0)
}

/// Whether there is a definition with a URL.
pub fn has(kind: Kind, url: &str) -> bool {
    INDEX.binary_search_by(|row| (row.0, row.1).cmp(&(url, kind as u8))).is_ok()
}

/// The definition with a URL. It is unpacked and parsed in every call, so callers keep it.
///
/// # Errors
/// 500 when the program's own data is broken.
pub fn find(kind: Kind, url: &str) -> Result<Option<Json>> {
    let Ok(at) = INDEX.binary_search_by(|row| (row.0, row.1).cmp(&(url, kind as u8))) else { return Ok(None) };
    let (_, _, block, start, end) = INDEX[at];
    let broken = || Fault::internal(format!("the definition of {url} in the program is broken"));
    let block = usize::from(block);
    let from = block.checked_sub(1).map_or(0, |before| ENDS[before] as usize);
    let packed = BLOCKS.get(from..ENDS[block] as usize).ok_or_else(broken)?;
    let unpacked = zstd::bulk::decompress(packed, UNPACKED).map_err(|_| broken())?;
    let text = unpacked.get(start as usize..end as usize).ok_or_else(broken)?;
    parse(text).map(Some).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_found_with_its_texts() {
        for (kind, least) in
            [(Kind::CodeSystem, 1000), (Kind::ValueSet, 1200), (Kind::ConceptMap, 10), (Kind::StructureDefinition, 640)]
        {
            let all: Vec<&str> = urls(kind).collect();
            assert!(all.len() > least, "{kind:?} {}", all.len());
            for url in all.iter().step_by(40) {
                let json = find(kind, url).expect("data").expect("a definition");
                assert_eq!(json.get("url").and_then(Json::as_str), Some(*url));
            }
        }
        let gender =
            find(Kind::CodeSystem, "http://hl7.org/fhir/administrative-gender").expect("data").expect("gender");
        let first = gender.get("concept").and_then(Json::as_array).and_then(|list| list.first()).expect("a concept");
        assert_eq!(first.get("display").and_then(Json::as_str), Some("Male"));
        assert!(!has(Kind::ValueSet, "http://hl7.org/fhir/administrative-gender"));
    }
}
