//! Functions that ask the services of the context: terminology, profiles, narratives (FHIR R4 `fhirpath.html`, 2.9.1.5).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::context::{Services, absent};
use crate::fhir::fhirpath::convert::{describe, single};
use crate::fhir::fhirpath::model::{TypeKind, type_by_name};
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe, truth};

/// Where the definitions of FHIR's own types are named.
const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";

fn services<'a>(m: &Machine<'a, '_>, function: &str, needs: &str) -> Result<&'a dyn Services<'a>> {
    m.context.services.ok_or_else(|| absent(function, needs))
}

fn type_name(item: &Item<'_>) -> Option<&'static str> {
    item.as_node()?.type_id.map(|kind| kind.name())
}

/// `memberOf(valueset)`: whether the code, or one of the concept's, is in the value set.
pub fn member_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let value_set = args::text(m, arguments, 0)?;
    let Some((item, value_set)) = single(&input, "memberOf()")?.zip(value_set) else { return Ok(Collection::new()) };
    let is_coded = match item {
        Item::String(_) => true,
        Item::Node(node) if node.is_primitive() => node.json.as_str().is_some(),
        item => matches!(type_name(item), Some("Coding" | "CodeableConcept" | "Quantity")),
    };
    if !is_coded {
        return Err(trouble::evaluation(format!("memberOf() needs a code and got {}", describe(item))));
    }
    m.charge(1000)?;
    let found = services(m, "memberOf()", "a terminology service")?.member_of(item, &value_set)?;
    Ok(maybe(found.map(Item::Bool)))
}

/// The subject and the argument of `subsumes` and `subsumedBy`.
fn concepts<'a>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    arguments: &[Code],
    what: &str,
) -> Result<Option<(Item<'a>, Item<'a>)>> {
    let other = args::collection(m, arguments, 0)?;
    let Some((item, other)) = single(input, what)?.zip(single(&other, "an argument")?) else { return Ok(None) };
    for concept in [item, other] {
        if !matches!(type_name(concept), Some("Coding" | "CodeableConcept")) {
            let message = format!("{what} needs a Coding or CodeableConcept and got {}", describe(concept));
            return Err(trouble::evaluation(message));
        }
    }
    m.charge(1000)?;
    Ok(Some((item.clone(), other.clone())))
}

/// `subsumes(code)`: whether the input is the code or an ancestor of it.
pub fn subsumes<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some((item, other)) = concepts(m, &input, arguments, "subsumes()")? else { return Ok(Collection::new()) };
    let found = services(m, "subsumes()", "a terminology service")?.subsumes(&item, &other)?;
    Ok(maybe(found.map(Item::Bool)))
}

/// `subsumedBy(code)`: whether the code is the input or an ancestor of it.
pub fn subsumed_by<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some((item, other)) = concepts(m, &input, arguments, "subsumedBy()")? else { return Ok(Collection::new()) };
    let found = services(m, "subsumedBy()", "a terminology service")?.subsumes(&other, &item)?;
    Ok(maybe(found.map(Item::Bool)))
}

/// `conformsTo(structure)`: whether the element conforms to the profile. That an element is of another type than
/// one of FHIR's own definitions describes is known without a service.
pub fn conforms_to<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let structure = args::text(m, arguments, 0)?;
    let Some((item, structure)) = single(&input, "conformsTo()")?.zip(structure) else { return Ok(Collection::new()) };
    let Item::Node(node) = *item else {
        return Err(trouble::evaluation(format!("conformsTo() needs an element and got {}", describe(item))));
    };
    let wanted = structure.strip_prefix(BASE).and_then(type_by_name).filter(|kind| kind.kind() != TypeKind::Backbone);
    if wanted.zip(node.type_id).is_some_and(|(wanted, actual)| !actual.is_a(wanted)) {
        return Ok(truth(false));
    }
    m.charge(1000)?;
    let container = m.context.resolver.and_then(|resolver| resolver.container(node));
    let container = container.unwrap_or_else(|| m.root_resource());
    let found = services(m, "conformsTo()", "profiles")?.conforms_to(node, container, &structure)?;
    Ok(maybe(found.map(Item::Bool)))
}

/// `slice(structure, name)`: what is of the slice among the elements below the input.
pub fn slice<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let (structure, name) = (args::text(m, arguments, 0)?, args::text(m, arguments, 1)?);
    let Some((structure, name)) = structure.zip(name) else { return Ok(Collection::new()) };
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        m.charge(1000)?;
        out.extend(services(m, "slice()", "profiles")?.slice(node, &structure, &name)?);
    }
    Ok(out)
}

/// `elementDefinition()`: the definition of each element.
pub fn element_definition<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        m.charge(100)?;
        let resolver = m.context.resolver.ok_or_else(|| absent("elementDefinition()", "definitions"))?;
        out.extend(resolver.element_definition(node)?.map(Item::Node));
    }
    Ok(out)
}

/// `htmlChecks()`: whether an xhtml element keeps the rules of narratives; empty for any other.
pub fn html_checks<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let Some(item) = single(&input, "htmlChecks()")? else { return Ok(Collection::new()) };
    if type_name(item) != Some("xhtml") {
        return Ok(Collection::new());
    }
    let Some(text) = item.as_node().and_then(|node| node.json.as_str()) else { return Ok(Collection::new()) };
    m.charge(text.len() / 16)?;
    Ok(truth(services(m, "htmlChecks()", "the narrative checker")?.html_checks(text)?))
}
