//! A clause decided in memory, over the extracted values of one resource: for versions that the index does not
//! have yet. It agrees with the compiled query, which `index::agree` proves at random (numbers: see
//! `index::codec::number` on its 15 digits).

use super::kind::{date, dispatch};
use super::query::{Clause, Test, WordPlace};
use super::value::{Extracted, Span, Target, Value};
use crate::base::clock::Timestamp;
use crate::fhir::definitions::compartment::membership;
use crate::fhir::definitions::params::{ParamId, SearchParam};
use crate::fhir::types::ResourceKey;

/// What a search asks of a resource beside its values.
#[derive(Debug, Clone)]
pub struct DocMeta {
    /// Which resource.
    pub key: ResourceKey,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
}

/// Whether the clause holds; none for chains, `_has` and hierarchies, which other resources decide.
pub fn matches(clause: &Clause, values: &Extracted, meta: &DocMeta) -> Option<bool> {
    Some(match clause {
        Clause::Param { param, tests } => any(param.id, tests, values),
        Clause::Not { param, tests } => !any(param.id, tests, values),
        Clause::Missing { param, missing } => of(param.id, values).next().is_none() == *missing,
        Clause::Id(ids) => ids.contains(&meta.key.id),
        Clause::LastUpdated(tests) => {
            let at = Span::millisecond(meta.updated.0);
            tests.iter().any(|test| date::passes(test, at))
        }
        Clause::Words { place, tests } => {
            let (text, ordered) = match place {
                WordPlace::Narrative => (&values.narrative, true),
                WordPlace::Content => (&values.content, false),
            };
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            tests.iter().any(|test| test.passes(&words, ordered))
        }
        Clause::Element { name, clause, .. } => {
            for element in values.nested.iter().filter(|element| element.name == *name) {
                if matches(clause, &element.values, meta)? {
                    return Some(true);
                }
            }
            false
        }
        Clause::Working => values.is_working,
        Clause::Compartment(of) => belongs(of, values, &meta.key),
        Clause::All(all) => decided(all, values, meta)?.into_iter().all(|holds| holds),
        Clause::Any(any) => decided(any, values, meta)?.into_iter().any(|holds| holds),
        Clause::Complement(inner) => !matches(inner, values, meta)?,
        Clause::Chain { .. } | Clause::Has { .. } | Clause::Hierarchy { .. } => return None,
    })
}

/// Whether each of the clauses holds; none when that of one is not known.
fn decided(clauses: &[Clause], values: &Extracted, meta: &DocMeta) -> Option<Vec<bool>> {
    clauses.iter().map(|clause| matches(clause, values, meta)).collect()
}

/// Whether a resource is in the compartment of another.
fn belongs(of: &ResourceKey, values: &Extracted, key: &ResourceKey) -> bool {
    let Some(membership) = membership(of.kind, key.kind) else { return false };
    let refers = |param: &&SearchParam| {
        self::of(param.id, values).any(|value| matches!(value, Value::Reference(Target::Local(to)) if to == of))
    };
    membership.is_self && key == of || membership.params.iter().any(refers)
}

fn of(param: ParamId, values: &Extracted) -> impl Iterator<Item = &Value> {
    values.values.iter().filter(move |(id, _)| *id == param).map(|(_, value)| value)
}

fn any(param: ParamId, tests: &[Test], values: &Extracted) -> bool {
    of(param, values).any(|value| tests.iter().any(|test| dispatch::passes(test, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::types::{ResourceId, ResourceType};
    use crate::search::extract::extract;

    fn key(text: &str) -> ResourceKey {
        let (kind, id) = text.split_once('/').expect("Type/id");
        ResourceKey::new(ResourceType::find(kind).expect(kind), ResourceId::parse(id).expect(id))
    }

    #[test]
    fn compartments_have_members() {
        let text = r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p"},
            "performer":[{"reference":"Practitioner/d"}],"focus":[{"reference":"Patient/f"}]}"#;
        let meta = DocMeta { key: key("Observation/o"), updated: Timestamp(0) };
        let values = extract(meta.key.kind, &parse(text.as_bytes()).expect("JSON"), "http://host/fhir");
        let is_in = |of: &str| matches(&Clause::Compartment(key(of)), &values, &meta);
        for (of, expected) in [("Patient/p", true), ("Practitioner/d", true), ("Patient/f", false), ("Device/p", false)]
        {
            assert_eq!(is_in(of), Some(expected), "{of}");
        }
        let own = DocMeta { key: key("Encounter/e"), updated: Timestamp(0) };
        let holds = |of: &str| matches(&Clause::Compartment(key(of)), &Extracted::default(), &own);
        assert_eq!((holds("Encounter/e"), holds("Encounter/x")), (Some(true), Some(false)));
    }
}
