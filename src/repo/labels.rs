//! The profiles, tags and security labels that are in use, of a type or of all (`$meta`).

use std::sync::Arc;

use super::search::fresh;
use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::json::parse_stored;
use crate::fhir::labels::Labels;
use crate::fhir::types::ResourceType;
use crate::store::body;

/// Most different profiles, tags and labels of an answer.
const MOST: usize = 10_000;
/// Resources that are read at a time.
const PIECE: usize = 500;

/// Those of one type, or of all, in one snapshot.
pub(super) async fn labels(at: &Arc<Tenancy>, kind: Option<ResourceType>) -> Result<Labels> {
    let searcher = fresh(at).await?;
    let kinds: Vec<ResourceType> = kind.map_or_else(|| ResourceType::all().collect(), |kind| vec![kind]);
    let found = blocking(move || searcher.exemplars(&kinds, MOST)).await?;
    let hits = found.ok_or_else(|| {
        let message = format!("there are more than {MOST} different profiles, tags and security labels");
        Fault::coded(Category::Invalid, "too-costly", message)
    })?;
    let mut labels = Labels::default();
    for piece in hits.chunks(PIECE) {
        let seqs: Vec<Seq> = piece.iter().map(|hit| hit.seq).collect();
        for row in at.store.by_seqs(at.tenant, &seqs).await? {
            let Some(bytes) = &row.body else { continue };
            let json = parse_stored(&body::decode(bytes, row.version, row.updated)?)?;
            json.get("meta").into_iter().for_each(|meta| labels.take(meta));
        }
    }
    Ok(labels)
}
