//! A clause decided in memory, over the extracted values of one resource: for versions that the index does not
//! have yet. It agrees with the compiled query, which `index::agree` proves at random (numbers: see
//! `index::codec::number` on its 15 digits).

use super::kind::{date, dispatch};
use super::query::{Clause, Test};
use super::value::{Extracted, Span, Value};
use crate::base::clock::Timestamp;
use crate::fhir::definitions::params::ParamId;
use crate::fhir::types::ResourceId;

/// What a search asks of a resource beside its values.
#[derive(Debug, Clone)]
pub struct DocMeta {
    /// Its id.
    pub id: ResourceId,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
}

/// Whether the clause holds; none for chains, `_has` and hierarchies, which other resources decide.
pub fn matches(clause: &Clause, values: &Extracted, meta: &DocMeta) -> Option<bool> {
    Some(match clause {
        Clause::Param { param, tests } => any(param.id, tests, values),
        Clause::Not { param, tests } => !any(param.id, tests, values),
        Clause::Missing { param, missing } => of(param.id, values).next().is_none() == *missing,
        Clause::Id(ids) => ids.contains(&meta.id),
        Clause::LastUpdated(tests) => {
            let at = Span::millisecond(meta.updated.0);
            tests.iter().any(|test| date::passes(test, at))
        }
        Clause::Chain { .. } | Clause::Has { .. } | Clause::Hierarchy { .. } => return None,
    })
}

fn of(param: ParamId, values: &Extracted) -> impl Iterator<Item = &Value> {
    values.values.iter().filter(move |(id, _)| *id == param).map(|(_, value)| value)
}

fn any(param: ParamId, tests: &[Test], values: &Extracted) -> bool {
    of(param, values).any(|value| tests.iter().any(|test| dispatch::passes(test, value)))
}
