//! What certain data types ask for beyond their definitions.

use super::known::TYPES;
use super::rules::At;
use super::state::{Check, Scope};
use super::{attachment, binding, reference, signature, uris};
use crate::fhir::definitions::element::Property;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a value of one of them.
pub fn check<'r, 'j>(
    check: &mut Check<'r, 'j>,
    json: &'j Json,
    property: &Property,
    rules: &[At<'r>],
    scope: &Scope<'j>,
    path: &Path,
) {
    let type_id = Some(property.type_id);
    if type_id == TYPES.reference {
        reference::check(check, scope, json, property, rules, path);
    } else if type_id == TYPES.coding || type_id == TYPES.quantity {
        let is_bound = rules.iter().any(|at| at.rule().binding.is_some());
        binding::coding(check, json, is_bound, scope, path);
        uris::of_uri_system(check, json, names::CODE, path);
    } else if type_id == TYPES.range {
        range(check, json, path);
    } else if type_id == TYPES.attachment && check.options.is_thorough {
        attachment::check(check, json, path);
    } else if type_id == TYPES.signature && check.options.is_thorough {
        signature::check(check, json, path);
    } else if type_id == TYPES.identifier {
        uris::of_uri_system(check, json, names::VALUE, path);
        uris::of_identifier(check, json, path);
    }
}

/// "The `unit` and `code`/`system` elements of the `low` or `high` elements SHALL match" (FHIR R4 `datatypes.html#Range`). Other validators do not
/// ask for it, so it is a warning.
fn range(check: &mut Check<'_, '_>, range: &Json, path: &Path) {
    let Some((low, high)) = range.get("low").zip(range.get("high")) else { return };
    let differs = |name: &&&str| low.get(name).zip(high.get(name)).is_some_and(|(low, high)| low != high);
    if let Some(name) = ["system", "code", "unit"].iter().find(differs) {
        check.warn("business-rule", || format!("low and high of a range must have the same {name}"), path);
    }
}
