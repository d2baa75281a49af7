//! Where the elements of resources stand that an expression is evaluated on: in which resource, in which Bundle; and what a
//! reference of theirs leads to (FHIR R4 `references.html`, `bundle.html#references`).

use std::cell::RefCell;
use std::collections::HashMap;

use crate::fhir::fhirpath::{Node, Resolver};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceKey;
use crate::fhir::validate::{BundleIndex, absolute};

/// A stored resource that a reference names, or a version of it.
pub type Mention = (ResourceKey, Option<i64>);

/// Most references that are noted in one evaluation: more than are ever fetched, so that who asks sees that there are too many.
const WANTED: usize = 128;

/// What is stored, as far as it was fetched.
#[derive(Debug)]
pub struct Stock {
    /// The base URL of the server.
    pub base: String,
    /// What a reference names below the base.
    pub locate: fn(reference: &str, base: &str) -> Option<Mention>,
    /// What was fetched; none for what is not there.
    pub fetched: HashMap<Mention, Option<Json>>,
}

impl Stock {
    /// Nothing yet.
    pub fn new(base: &str, locate: fn(&str, &str) -> Option<Mention>) -> Self {
        Self { base: base.to_owned(), locate, fetched: HashMap::new() }
    }

    /// The resources that were fetched.
    pub fn resources(&self) -> impl Iterator<Item = &Json> {
        self.fetched.values().flatten()
    }
}

/// One resource and what is around it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// `%resource`
    pub resource: Node<'a>,
    /// `%rootResource`: what contains it, or the resource itself.
    pub container: Node<'a>,
    /// The number of the Bundle that it is an entry of, or is.
    bundle: Option<usize>,
    /// The `fullUrl` of the entry.
    full_url: Option<&'a str>,
}

/// See the module.
pub struct Surroundings<'a> {
    stock: &'a Stock,
    /// That of the first resource: what an expression says of itself is relative to it.
    root: Option<Place<'a>>,
    places: Vec<Place<'a>>,
    bundles: Vec<BundleIndex<'a>>,
    /// The place of each value, by its address.
    values: HashMap<usize, usize>,
    /// What was asked for and was not fetched yet.
    wanted: RefCell<Vec<Mention>>,
}

fn address(json: &Json) -> usize {
    std::ptr::from_ref(json).addr()
}

/// How a value came to be walked.
#[derive(Clone, Copy, Default)]
struct Way<'a> {
    /// The number of the resource around.
    around: Option<usize>,
    is_contained: bool,
    /// Within an entry, what `fullUrl` that has.
    entry: Option<Option<&'a str>>,
}

impl<'a> Surroundings<'a> {
    /// Those of the elements of a resource, and of others.
    pub fn new(root: Option<&'a Json>, others: impl IntoIterator<Item = &'a Json>, stock: &'a Stock) -> Self {
        let (places, bundles, values) = (Vec::new(), Vec::new(), HashMap::new());
        let mut made = Self { stock, root: None, places, bundles, values, wanted: RefCell::default() };
        if let Some(root) = root {
            made.walk(root, Way::default());
            made.root = made.places.first().copied();
        }
        for resource in others {
            made.walk(resource, Way::default());
        }
        made
    }

    fn walk(&mut self, json: &'a Json, way: Way<'a>) {
        let kind = json.get("resourceType").and_then(Json::as_str);
        let around = match kind {
            Some(kind) => Some(self.enter(json, kind, way)),
            None => way.around,
        };
        self.values.extend(around.map(|around| (address(json), around)));
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.walk(item, way)),
            Json::Object(object) => {
                for (name, value) in object.iter() {
                    let is_contained = kind.is_some() && name.as_str() == "contained";
                    self.walk(value, Way { around, is_contained, entry: entry(json, kind, name.as_str(), way) });
                }
            }
            _ => {}
        }
    }

    /// A resource is entered; its number.
    fn enter(&mut self, json: &'a Json, kind: &str, way: Way<'a>) -> usize {
        let resource = Node::resource(json);
        let outer = way.around.and_then(|around| self.places.get(around)).copied();
        let mut place = Place { resource, container: resource, bundle: None, full_url: None };
        if let Some(outer) = outer {
            if way.is_contained {
                place = Place { resource, ..outer };
            } else if let Some(full_url) = way.entry {
                place = Place { bundle: outer.bundle, full_url, ..place };
            }
        }
        if kind == "Bundle" {
            place = Place { bundle: Some(self.bundles.len()), full_url: None, ..place };
            self.bundles.push(BundleIndex::new(json));
        }
        self.places.push(place);
        self.places.len() - 1
    }

    /// The place of an element, if it is of one of the resources.
    pub fn place(&self, element: Node<'_>) -> Option<Place<'a>> {
        let own = self.values.get(&address(element.json));
        let found = own.or_else(|| self.values.get(&address(element.sibling?)));
        self.places.get(*found?).copied()
    }

    /// What was asked for and was not fetched yet.
    pub fn into_wanted(self) -> Vec<Mention> {
        self.wanted.into_inner()
    }

    fn target(&self, text: &str, place: Option<Place<'a>>) -> Option<Node<'a>> {
        let full_url = place.and_then(|place| place.full_url);
        let bundle = place.and_then(|place| self.bundles.get(place.bundle?));
        let found = bundle.and_then(|bundle| {
            // entries without URLs are told by type and id
            let alike = || bundle.alike(text).filter(|_| full_url.is_none() && !text.contains([':', '_']));
            bundle.find_version(text, full_url).or_else(alike)
        });
        found.or_else(|| match absolute(text, full_url) {
            Some(text) => self.stored(&text),
            None => self.stored(text),
        })
    }

    fn stored(&self, text: &str) -> Option<Node<'a>> {
        let mention = (self.stock.locate)(text, &self.stock.base)?;
        if let Some(found) = self.stock.fetched.get(&mention) {
            return found.as_ref().map(Node::resource);
        }
        let mut wanted = self.wanted.borrow_mut();
        if wanted.len() < WANTED && !wanted.contains(&mention) {
            wanted.push(mention);
        }
        None
    }
}

/// Whether a property of an object is within an entry of a Bundle, and what `fullUrl` that entry has.
fn entry<'a>(json: &'a Json, kind: Option<&str>, name: &str, way: Way<'a>) -> Option<Option<&'a str>> {
    match kind {
        Some("Bundle") if name == "entry" => Some(None),
        None if name == "resource" && way.entry.is_some() => Some(json.get("fullUrl").and_then(Json::as_str)),
        _ => None,
    }
}

impl<'a> Resolver<'a> for Surroundings<'a> {
    fn resolve(&self, text: &str, _kind: Option<&str>) -> Option<Node<'a>> {
        self.target(text, self.root)
    }

    fn resolve_within(&self, element: Node<'a>, text: &str, _kind: Option<&str>) -> Option<Node<'a>> {
        self.target(text, self.place(element))
    }

    fn container(&self, element: Node<'a>) -> Option<Node<'a>> {
        Some(self.place(element)?.container)
    }
}
