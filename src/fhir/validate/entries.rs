//! The entries of a Bundle, found by the URL of a reference (FHIR R4 `bundle.html#references`).

use hashbrown::HashMap;

use crate::fhir::definitions::element::type_by_name;
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::{Node, Resolver};
use crate::fhir::json::Json;
use crate::fhir::types::{ResourceId, ResourceType};

/// The entries of one Bundle by their `fullUrl`.
#[derive(Debug)]
pub struct BundleIndex<'j> {
    /// The Bundle.
    pub json: &'j Json,
    by_url: HashMap<&'j str, Node<'j>>,
    /// Further entries with a URL that another has.
    again: Vec<(&'j str, Node<'j>)>,
    /// Whether a resource of this type and id is in some entry, whatever its URL.
    by_key: HashMap<(&'j str, &'j str), Node<'j>>,
    /// Whether it is a document or message, in which references lead to other entries.
    holds_all: bool,
}

impl<'j> BundleIndex<'j> {
    /// The index of a Bundle.
    pub fn new(bundle: &'j Json) -> Self {
        let kind = bundle.get("type").and_then(Json::as_str);
        let holds_all = matches!(kind, Some("document" | "message"));
        let mut index =
            Self { json: bundle, by_url: HashMap::new(), again: Vec::new(), by_key: HashMap::new(), holds_all };
        for entry in bundle.get("entry").and_then(Json::as_array).unwrap_or_default() {
            let Some(resource) = entry.get("resource") else { continue };
            let node = Node::resource(resource);
            if let Some(url) = entry.get("fullUrl").and_then(Json::as_str) {
                if index.by_url.contains_key(url) {
                    index.again.push((url, node));
                } else {
                    index.by_url.insert(url, node);
                }
            }
            let text = |name: &str| resource.get(name).and_then(Json::as_str);
            if let (Some(kind), Some(id)) = (text("resourceType"), text("id")) {
                index.by_key.entry((kind, id)).or_insert(node);
            }
        }
        index
    }

    /// Whether it is a document or message.
    pub fn holds_all(&self) -> bool {
        self.holds_all
    }

    /// The resource that a reference leads to, from within the entry with `full_url`.
    pub fn find(&self, reference: &str, full_url: Option<&str>) -> Option<Node<'j>> {
        let reference = without_version(reference);
        if let Some(found) = self.by_url.get(reference) {
            return Some(*found);
        }
        self.by_url.get(absolute(reference, full_url)?.as_str()).copied()
    }

    /// As [`find`](Self::find), but of a reference that names a version only what is of that.
    pub fn find_version(&self, reference: &str, full_url: Option<&str>) -> Option<Node<'j>> {
        let first = self.find(reference, full_url)?;
        let Some((_, version)) = reference.split_once("/_history/") else { return Some(first) };
        let plain = without_version(reference);
        let url = absolute(plain, full_url).unwrap_or_else(|| plain.to_owned());
        let again = self.again.iter().filter(|(other, _)| **other == *url).map(|(_, node)| *node);
        [first].into_iter().chain(again).find(|node| version_of(*node) == Some(version))
    }

    /// How many entries a reference leads to, if several have its URL: those of the version that it names, or all.
    pub fn matches(&self, reference: &str, full_url: Option<&str>) -> Option<usize> {
        let first = self.find(reference, full_url).filter(|_| !self.again.is_empty())?;
        let (plain, version) = reference.split_once("/_history/").map_or((reference, None), |(a, b)| (a, Some(b)));
        let ends = |url: &str| url.strip_suffix(plain).is_some_and(|base| base.is_empty() || base.ends_with('/'));
        let kind = first.type_id;
        let others = self.again.iter().filter(|(url, node)| ends(url) && node.type_id == kind).map(|(_, node)| *node);
        let all: Vec<Node<'_>> = [first].into_iter().chain(others).collect();
        let is_it = |node: &&Node<'_>| version.is_none_or(|wanted| version_of(**node) == Some(wanted));
        (all.len() > 1).then(|| all.iter().filter(is_it).count())
    }

    /// A resource with the type and id of a reference, whatever its URL.
    pub fn alike(&self, reference: &str) -> Option<Node<'j>> {
        let literal = Literal::parse(without_version(reference))?;
        self.by_key.get(&(literal.kind.name(), literal.id)).copied()
    }
}

/// `meta.versionId`
fn version_of(resource: Node<'_>) -> Option<&str> {
    resource.json.get("meta")?.get("versionId")?.as_str()
}

/// What a relative reference means within an entry with a `fullUrl` of a server: below the base of that.
pub fn absolute(reference: &str, full_url: Option<&str>) -> Option<String> {
    Literal::parse(without_version(reference)).filter(|literal| literal.base.is_empty())?;
    let base = full_url.and_then(Literal::parse).map(|literal| literal.base)?;
    Some(format!("{base}{reference}"))
}

/// A reference without the version that it names.
pub fn without_version(reference: &str) -> &str {
    match reference.split_once("/_history/") {
        Some((before, version)) if !version.is_empty() && !version.contains('/') => before,
        _ => reference,
    }
}

impl<'j> Resolver<'j> for BundleIndex<'j> {
    fn resolve(&self, text: &str, kind: Option<&str>) -> Option<Node<'j>> {
        let stub = || target_kind(text).map(ResourceType::name).or(kind).and_then(type_by_name).map(Node::stub);
        self.find(text, None).or_else(|| self.alike(text)).or_else(stub)
    }
}

/// A literal reference to a resource on a server: `[base/]Type/id`.
#[derive(Debug, PartialEq, Eq)]
pub struct Literal<'t> {
    /// The base with its `/`, or nothing.
    pub base: &'t str,
    /// The resource type.
    pub kind: ResourceType,
    /// The id.
    pub id: &'t str,
}

impl<'t> Literal<'t> {
    /// The parts of a reference without version.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (before, id) = text.rsplit_once('/')?;
        let (base, kind) = match before.rfind('/') {
            Some(at) => before.split_at(at + 1),
            None => ("", before),
        };
        let is_server = base.is_empty() || base.starts_with("http://") || base.starts_with("https://");
        let kind = ResourceType::find(kind).filter(|_| is_server && ResourceId::is_valid(id))?;
        Some(Self { base, kind, id })
    }
}

/// The type of the resource that a literal reference, or a search as a reference, names.
pub fn target_kind(reference: &str) -> Option<ResourceType> {
    // most are `Type/id`
    if let Some(at) = memchr::memchr(b'/', reference.as_bytes())
        && ResourceId::is_valid(&reference[at + 1..])
    {
        return ResourceType::find(&reference[..at]);
    }
    if let Some((kind, _)) = reference.split_once('?') {
        return ResourceType::find(kind.rsplit('/').next().unwrap_or(kind));
    }
    let text = reference.split(['#', '|']).next().unwrap_or(reference);
    Literal::parse(without_version(text)).map(|literal| literal.kind)
}

/// The contained resource with an id; the container itself for no id.
pub fn contained<'j>(container: Node<'j>, id: &str) -> Option<Node<'j>> {
    if id.is_empty() {
        return Some(container);
    }
    let list = container.object()?.get_known(names::CONTAINED).and_then(Json::as_array)?;
    let id_of = |json: &'j Json| json.as_object()?.get_known(names::ID)?.as_str();
    list.iter().find(|json| id_of(json) == Some(id)).map(Node::resource)
}

/// How many resources a resource contains.
pub fn contained_count(container: Node<'_>) -> u64 {
    let list = container.object().and_then(|object| object.get_known(names::CONTAINED));
    list.and_then(Json::as_array).map_or(0, |list| list.len() as u64)
}
