//! What FHIRPath asks of terminology (`memberOf`, `subsumes`) and of narratives (`htmlChecks`), answered by a registry; what
//! invariants may ask while a resource is validated.

use super::answers::Answers;
use super::binding;
use super::bound::Bound;
use super::codes::Membership;
use super::registry::Registry;
use super::state::shown;
use crate::base::fault::{Fault, Result};
use crate::fhir::fhirpath::{Item, Services};
use crate::fhir::json::Json;
use crate::fhir::xml::narrative_problem;

/// The value sets and code systems of a registry, with large code systems beside them, as services of FHIRPath.
pub struct Terms<'r>(pub &'r Registry, pub Option<&'r Answers>);

impl<'a> Services<'a> for Terms<'_> {
    fn member_of(&self, coded: &Item<'a>, value_set: &str) -> Result<Option<bool>> {
        let set = Bound::find(self.0, self.1, value_set);
        let set = set.ok_or_else(|| Fault::invalid(format!("the value set {} is not known", shown(value_set))))?;
        let is_text = match coded {
            Item::String(_) => true,
            Item::Node(node) => node.type_id.is_some_and(|kind| kind.name() == "string"),
            _ => false,
        };
        if is_text && set.set.is_ambiguous() {
            let text =
                format!("the value set {} has several code systems, so a text is no code of it", shown(value_set));
            return Err(Fault::invalid(text));
        }
        let membership = match coded {
            Item::Node(node) => binding::membership(&set, node.json).0,
            Item::String(text) => set.contains(None, text),
            _ => Membership::Unknown,
        };
        Ok(match membership {
            Membership::In => Some(true),
            Membership::Out => Some(false),
            Membership::Unknown | Membership::Failed => None,
        })
    }

    fn subsumes(&self, ancestor: &Item<'a>, descendant: &Item<'a>) -> Result<Option<bool>> {
        let (above, below) = (codings(ancestor), codings(descendant));
        let mut is_known = true;
        let mut shares_system = false;
        for (x, y) in above.iter().flat_map(|x| below.iter().map(move |y| (x, y))) {
            if x.0 != y.0 {
                continue;
            }
            shares_system = true;
            if x.1 == y.1 {
                return Ok(Some(true));
            }
            match self.0.code_system(x.0).filter(|system| system.has(x.1) && system.has(y.1)) {
                Some(system) if system.is_a(y.1, x.1) => return Ok(Some(true)),
                Some(_) => {}
                None => match self.1.and_then(|answers| answers.is_above(x.0, x.1, y.1)) {
                    Some(true) => return Ok(Some(true)),
                    Some(false) => {}
                    None => is_known = false,
                },
            }
        }
        if !shares_system && !above.is_empty() && !below.is_empty() {
            return Err(Fault::invalid("the codes are of code systems that have no known relationship"));
        }
        Ok((is_known && shares_system).then_some(false))
    }

    fn html_checks(&self, text: &str) -> Result<bool> {
        Ok(narrative_problem(text).is_none())
    }
}

/// System and code of each coding of a Coding or CodeableConcept.
fn codings<'a>(item: &Item<'a>) -> Vec<(&'a str, &'a str)> {
    let Some(node) = item.as_node() else { return Vec::new() };
    let list = match node.json.get("coding") {
        Some(list) => list.as_array().unwrap_or_default(),
        None => std::slice::from_ref(node.json),
    };
    let text = |json: &'a Json, name: &str| json.get(name).and_then(Json::as_str);
    list.iter().filter_map(|coding| Some((text(coding, "system")?, text(coding, "code")?))).collect()
}
