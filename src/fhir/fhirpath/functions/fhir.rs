//! The functions that FHIR adds (FHIR R4 `fhirpath.html`, 2.9.1.5).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{self, string};
use crate::fhir::fhirpath::model;
use crate::fhir::fhirpath::node::KNOWN;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, Node, TypeInfo, maybe, one, truth};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;

/// `extension(url)`: the extensions with this URL.
pub fn extension<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(url) = args::text(m, arguments, 0)? else { return Ok(Collection::new()) };
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        node.extensions(&url, &mut out);
    }
    Ok(out)
}

/// `hasValue()`: whether there is one primitive, with a value.
pub fn has_value<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(matches!(input.as_slice(), [Item::Node(node)] if node.has_value())))
}

/// `getValue()`: the System value of a primitive.
pub fn get_value<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(match input.as_slice() {
        [Item::Node(node)] => maybe(convert::primitive(*node)),
        [other] => one(other.clone()),
        _ => Collection::new(),
    })
}

/// `resolve()`: the target of each reference, canonical or uri; what cannot be found is left out.
pub fn resolve<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for item in &input {
        let found = match item {
            Item::Node(node) if node.json.as_object().is_some() => {
                let kind = node.text_of(&KNOWN.kind);
                match node.text_of(&KNOWN.reference) {
                    Some(text) => target(m, Some(*node), text, kind),
                    None => kind.and_then(stub),
                }
            }
            other => {
                // what is no text leads nowhere
                let text = string(&one(other.clone()), "resolve()").ok().flatten();
                text.and_then(|text| target(m, other.as_node(), &text, None))
            }
        };
        let is_left = |node: &Node<'a>| !(m.context.has_no_stubs && node.is_stub());
        out.extend(found.filter(is_left).map(Item::Node));
    }
    Ok(out)
}

/// What a text leads to, which an element says or the expression itself.
fn target<'a>(m: &Machine<'a, '_>, element: Option<Node<'a>>, text: &str, kind: Option<&str>) -> Option<Node<'a>> {
    let known = m.context.resolver.zip(element);
    if let Some(id) = text.strip_prefix('#') {
        let found = match known.and_then(|(resolver, element)| resolver.container(element)) {
            Some(container) => contained(container, id),
            None => contained(m.root_resource(), id).or_else(|| contained(m.resource(), id)),
        };
        return found.filter(Node::is_something);
    }
    match (known, m.context.resolver) {
        (Some((resolver, element)), _) => resolver.resolve_within(element, text, kind),
        (None, Some(resolver)) => resolver.resolve(text, kind),
        (None, None) => type_in(text).or(kind).and_then(stub),
    }
}

/// The contained resource with an id; the container itself for `#` alone.
fn contained<'a>(container: Node<'a>, id: &str) -> Option<Node<'a>> {
    if id.is_empty() {
        return Some(container);
    }
    let list = container.object()?.get_name(&KNOWN.contained).and_then(Json::as_array)?;
    list.iter().map(Node::resource).find(|node| node.text_of(&KNOWN.id) == Some(id))
}

/// The type that a literal reference names: `Patient/1`, `http://host/Patient/1/_history/2`, `Patient?identifier=x`.
fn type_in(text: &str) -> Option<&str> {
    let path = text.split(['?', '#', '|']).next().unwrap_or(text);
    if path.len() < text.len() && text.as_bytes()[path.len()] == b'?' {
        return path.rsplit('/').next().filter(|name| ResourceType::find(name).is_some());
    }
    let path = path.split_once("/_history/").map_or(path, |(before, _)| before);
    let mut parts = path.rsplit('/');
    let (_, name) = (parts.next()?, parts.next()?);
    ResourceType::find(name).is_some().then_some(name)
}

fn stub<'a>(kind: &str) -> Option<Node<'a>> {
    model::type_by_name(kind).map(Node::stub)
}

/// `type()`: each item's type (N1, "Reflection").
pub fn type_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let info = |item: &Item<'a>| match item {
        Item::Node(node) => node.type_info(),
        other => other.system_type().map(TypeInfo::System),
    };
    Ok(input.iter().filter_map(info).map(Item::TypeInfo).collect())
}

/// `checkModifiers`: the input, when it has no modifier extension but those named.
pub fn check_modifiers<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    let mut known = Vec::new();
    for at in 0..arguments.len() {
        known.extend(args::text(m, arguments, at)?);
    }
    for node in input.iter().filter_map(Item::as_node) {
        let list = node.json.get("modifierExtension").and_then(Json::as_array).unwrap_or_default();
        let urls = list.iter().filter_map(|extension| extension.get("url")?.as_str());
        for url in urls {
            if !known.iter().any(|known| **known == *url) {
                return Err(trouble::evaluation("an element has a modifier extension that is not known"));
            }
        }
    }
    Ok(input)
}
