//! What a definition must be to take effect.

use super::definition::{Definition, unusable};
use crate::base::fault::Result;
use crate::fhir::definitions::element::{TypeId, properties, resource_type_id};
use crate::fhir::definitions::params::{ParamKind, branches_for};
use crate::fhir::fhirpath::{Options, compile_with};
use crate::fhir::types::ResourceType;
use crate::search::extract::first_property;
use crate::search::path::operands;

/// Longest expression, in bytes.
const EXPRESSION_MAX: usize = 16 << 10;
/// Most components of a composite.
const COMPONENTS_MAX: usize = 8;
/// Longest code, in bytes.
const CODE_MAX: usize = 64;

const COMPARATORS: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
const MODIFIERS: [&str; 12] =
    ["missing", "exact", "contains", "not", "text", "in", "not-in", "below", "above", "type", "identifier", "ofType"];

/// Checks a definition by itself.
///
/// # Errors
/// 422 with the element.
pub fn whole(of: &Definition) -> Result<()> {
    code(of)?;
    if of.kind == ParamKind::Special {
        return Err(unusable("type", "a special parameter needs an engine of its own; it cannot be defined"));
    }
    expression(of)?;
    components(of)?;
    if of.kind != ParamKind::Reference && !of.details.chain.is_empty() {
        return Err(unusable("chain", "only a parameter of type reference can be chained (spd-2)"));
    }
    listed(&of.details.comparators, &COMPARATORS, "comparator")?;
    listed(&of.details.modifiers, &MODIFIERS, "modifier")
}

fn code(of: &Definition) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if of.code.is_empty() || of.code.len() > CODE_MAX || !of.code.chars().all(is_plain) {
        let message = format!("the code of a search parameter has 1 to {CODE_MAX} letters, digits, `-` and `_`");
        return Err(unusable("code", message));
    }
    Ok(())
}

fn expression(of: &Definition) -> Result<()> {
    if of.expression.is_empty() {
        let message = "without an expression the parameter has no values; an xpath is not evaluated";
        return Err(unusable("expression", message));
    }
    compiles(&of.expression, "expression")?;
    for kind in &of.base {
        let Some(branches) = branches_for(*kind, &of.expression) else {
            // Of Resource and DomainResource the expression may name some types only.
            if of.base.len() > 16 {
                continue;
            }
            let message = format!("no part of the expression applies to {kind}, which is among the bases");
            return Err(unusable("expression", message));
        };
        for part in operands(&branches) {
            element(*kind, part)?;
        }
    }
    Ok(())
}

fn compiles(text: &str, element: &str) -> Result<()> {
    if text.len() > EXPRESSION_MAX {
        return Err(unusable(element, format!("the expression has more than {EXPRESSION_MAX} bytes")));
    }
    match compile_with(text, &Options::SEARCH) {
        Ok(_) => Ok(()),
        Err(fault) => Err(unusable(element, format!("the FHIRPath expression cannot be used: {}", fault.message()))),
    }
}

/// The element with which a path begins must exist: FHIRPath itself finds nothing there, always, and says nothing.
fn element(kind: ResourceType, path: &str) -> Result<()> {
    let Some(name) = first_property(path) else { return Ok(()) };
    let shown: String = name.chars().take(60).collect();
    if properties(resource_type_id(kind)).iter().all(|property| property.element != name) {
        let hint = form_of_choice(resource_type_id(kind), name).unwrap_or_default();
        return Err(unusable("expression", format!("{kind} has no element \"{shown}\"{hint}")));
    }
    // further down, as far as plain steps lead
    let mut owner = resource_type_id(kind);
    for step in steps(path).skip(1) {
        if let Some(hint) = form_of_choice(owner, step) {
            let owner = owner.name();
            return Err(unusable("expression", format!("{owner} has no element \"{step}\"{hint}")));
        }
        let Some(next) = properties(owner).iter().find(|property| property.name.as_str() == step) else { break };
        owner = next.type_id;
    }
    Ok(())
}

/// How FHIRPath names what is only a form of a choice in JSON: `value.ofType(Quantity)`, not `valueQuantity`.
fn form_of_choice(owner: TypeId, name: &str) -> Option<String> {
    let property = properties(owner).iter().find(|property| property.is_choice && property.name.as_str() == name)?;
    Some(format!(": it is {}.ofType({})", property.element, property.type_id.name()))
}

/// The names of a path of plain steps, the type at its beginning included.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let is_plain = |step: &&str| step.bytes().all(|byte| byte.is_ascii_alphanumeric());
    path.trim_start_matches('(').split('.').take_while(is_plain)
}

fn components(of: &Definition) -> Result<()> {
    match (of.kind == ParamKind::Composite, of.components.len()) {
        (true, 0) => return Err(unusable("component", "a composite has components")),
        (true, count) if count > COMPONENTS_MAX => {
            return Err(unusable("component", format!("a composite has at most {COMPONENTS_MAX} components")));
        }
        (false, 1..) => return Err(unusable("component", "only a composite has components")),
        _ => {}
    }
    for (at, (_, expression)) in of.components.iter().enumerate() {
        compiles(expression, &format!("component[{at}].expression"))?;
    }
    Ok(())
}

fn listed(found: &[Box<str>], known: &[&str], element: &str) -> Result<()> {
    match found.iter().position(|code| !known.contains(&&**code)) {
        Some(at) => Err(unusable(&format!("{element}[{at}]"), format!("it is one of {}", known.join(", ")))),
        None => Ok(()),
    }
}
