//! Which of the added parameters the index knows of every resource, and how far it has got with the others.
//!
//! It travels with each commit of the index, beside the position in the log, so after a crash it says exactly what the
//! index holds.

use std::collections::BTreeSet;
use std::fmt;

use crate::base::id::Seq;
use crate::fhir::definitions::params::ParamId;
use crate::fhir::types::ResourceType;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Parameters of which every document has its values.
    pub complete: BTreeSet<ParamId>,
    /// The way through the documents that is under way.
    pub pass: Option<Pass>,
}

/// A way through the documents of some types, type by type in the order of their names, each in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The parameters that are complete at its end.
    pub params: BTreeSet<ParamId>,
    /// What stands later in the log has the values anyway.
    pub until: Seq,
    /// The type where it is.
    pub kind: ResourceType,
    /// What of this type stands up to here is done.
    pub after: Seq,
    /// Documents that are done.
    pub done: u64,
    /// Documents that there were at its beginning, about.
    pub total: u64,
}

impl Coverage {
    /// Whether every document has the values of a parameter.
    pub fn has(&self, id: ParamId) -> bool {
        !id.is_added() || self.complete.contains(&id)
    }

    /// Documents that are done, and all, of the pass that a parameter is in; none: its turn comes later.
    pub fn progress(&self, id: ParamId) -> Option<(u64, u64)> {
        let pass = self.pass.as_ref().filter(|pass| pass.params.contains(&id))?;
        Some((pass.done.min(pass.total), pass.total))
    }

    /// Reads what [`Coverage`] writes.
    pub fn read(text: &str) -> Option<Self> {
        let (complete, pass) = text.split_once('/')?;
        let pass = if pass.is_empty() { None } else { Some(Pass::read(pass)?) };
        Some(Self { complete: ids(complete)?, pass })
    }
}

impl Pass {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(';');
        let mut next = || words.next();
        let pass = Self {
            params: ids(next()?)?,
            until: Seq(next()?.parse().ok()?),
            kind: ResourceType::find(next()?)?,
            after: Seq(next()?.parse().ok()?),
            done: next()?.parse().ok()?,
            total: next()?.parse().ok()?,
        };
        next().is_none().then_some(pass)
    }
}

/// Without spaces: `id,id/` and, when there is a pass, `id,id;until;type;after;done;total`.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", joined(&self.complete))?;
        let Some(Pass { params, until, kind, after, done, total }) = &self.pass else { return Ok(()) };
        write!(f, "{};{};{kind};{};{done};{total}", joined(params), until.0, after.0)
    }
}

fn joined(ids: &BTreeSet<ParamId>) -> String {
    ids.iter().map(|id| format!("{:x}", id.0)).collect::<Vec<_>>().join(",")
}

fn ids(text: &str) -> Option<BTreeSet<ParamId>> {
    let ids = text.split(',').filter(|id| !id.is_empty());
    ids.map(|id| u64::from_str_radix(id, 16).ok().map(ParamId)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let ids = |ids: &[u64]| ids.iter().map(|id| ParamId::added(*id)).collect();
        let kind = ResourceType::find("Patient").expect("a type");
        let pass = Pass { params: ids(&[7]), until: Seq(9), kind, after: Seq(3), done: 2, total: 5 };
        let whole = Coverage { complete: ids(&[1, 2]), pass: Some(pass) };
        for coverage in [Coverage::default(), Coverage { pass: None, ..whole.clone() }, whole.clone()] {
            assert_eq!(Coverage::read(&coverage.to_string()), Some(coverage));
        }
        for text in ["", "x/", "1", "/1;2", "/1;9;Patient;3;2;5;6", "/1;9;Nothing;3;2;5"] {
            assert_eq!(Coverage::read(text), None, "{text}");
        }
        assert_eq!(whole.progress(ParamId::added(7)), Some((2, 5)));
        assert_eq!(whole.progress(ParamId::added(1)), None);
        assert!(whole.has(ParamId::added(1)) && whole.has(ParamId(7)) && !whole.has(ParamId::added(7)));
    }
}
