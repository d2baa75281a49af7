//! One resource for each profile, tag and security label in use: the terms say which there are, the resources what they are.

use std::collections::HashSet;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED};

use super::codec::{Form, ParamHash, Scope, prefix_end};
use super::error::failed;
use super::schema::{KEY, SEQ, terms_field};
use crate::base::fault::Result;
use crate::fhir::definitions::params::search_param;
use crate::fhir::types::ResourceType;

/// The search parameters of the three, and the forms of their terms.
const PARAMS: [&str; 3] = ["_profile", "_security", "_tag"];
const FORMS: [Form; 4] = [Form::Both, Form::Bare, Form::System, Form::Url];

/// Seq and hash of resources that together have every profile, tag and security label of these types; in the order of the
/// log. `None` where there are more than `most` of these.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn exemplars(searcher: &Searcher, kinds: &[ResourceType], most: usize) -> Result<Option<Vec<(i64, u64)>>> {
    let (mut seen, mut rows) = (HashSet::new(), HashSet::new());
    for kind in kinds {
        for param in PARAMS.iter().filter_map(|code| search_param(*kind, code)) {
            let scope = Scope::plain(ParamHash::of(*kind, param.id));
            for (reader, form) in searcher.segment_readers().iter().flat_map(|r| FORMS.iter().map(move |f| (r, *f))) {
                visit(reader, &scope.head(form), &mut seen, &mut rows).map_err(failed("list the labels"))?;
                if seen.len() > most {
                    return Ok(None);
                }
            }
        }
    }
    let mut rows: Vec<(i64, u64)> = rows.into_iter().collect();
    rows.sort_unstable();
    Ok(Some(rows))
}

fn visit(
    reader: &SegmentReader,
    prefix: &[u8],
    seen: &mut HashSet<Vec<u8>>,
    rows: &mut HashSet<(i64, u64)>,
) -> tantivy::Result<()> {
    let inverted = reader.inverted_index(terms_field())?;
    let (seqs, keys) = (reader.fast_fields().i64(SEQ)?, reader.fast_fields().u64(KEY)?);
    let mut range = inverted.terms().range().ge(prefix);
    if let Some(end) = prefix_end(prefix) {
        range = range.lt(end);
    }
    let mut stream = range.into_stream()?;
    while stream.advance() {
        if seen.contains(stream.key()) {
            continue;
        }
        let mut postings = inverted.read_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
        let alive = |doc: DocId| reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
        while postings.doc() != TERMINATED && !alive(postings.doc()) {
            postings.advance();
        }
        if postings.doc() == TERMINATED {
            continue;
        }
        seen.insert(stream.key().to_vec());
        rows.extend(seqs.first(postings.doc()).zip(keys.first(postings.doc())));
    }
    Ok(())
}
