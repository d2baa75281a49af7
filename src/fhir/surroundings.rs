//! Where the elements of resources stand that an expression is evaluated on: in which resource, in which Bundle, and as which
//! element of R4; and what a reference of theirs leads to (FHIR R4 `references.html`, `bundle.html#references`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use crate::base::fault::Result;
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, property, type_by_name};
use crate::fhir::fhirpath::{Node, Resolver};
use crate::fhir::json::Json;
use crate::fhir::name::Name;
use crate::fhir::types::ResourceKey;
use crate::fhir::validate::{BundleIndex, absolute};

/// What an expression needs that lies outside of what it is evaluated on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mention {
    /// A stored resource, or a version of it.
    Stored(ResourceKey, Option<i64>),
    /// The definition with a canonical URL.
    Canonical(String),
    /// R4's own definition of a resource type or data type.
    Type(TypeId),
}

/// Most mentions that are noted in one evaluation: more than are ever fetched, so that who asks sees that there are too many.
const WANTED: usize = 128;

/// Says what a reference or canonical URL names, if that may be fetched.
pub type Locate = dyn Fn(&str) -> Option<Mention> + Send;

/// What lies outside, as far as it was fetched.
pub struct Stock {
    /// What a reference or canonical URL names.
    pub locate: Box<Locate>,
    /// What was fetched; none for what is not there.
    pub fetched: HashMap<Mention, Option<Json>>,
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stock of {}", self.fetched.len())
    }
}

impl Stock {
    /// Nothing yet.
    pub fn new(locate: impl Fn(&str) -> Option<Mention> + Send + 'static) -> Self {
        Self { locate: Box::new(locate), fetched: HashMap::new() }
    }

    /// The resources that were fetched.
    pub fn resources(&self) -> impl Iterator<Item = &Json> {
        self.fetched.values().flatten()
    }

    /// The elements of the definitions of types among them, by path.
    fn definitions(&self) -> HashMap<&str, &Json> {
        let of_types = self.fetched.iter().filter(|(mention, _)| matches!(mention, Mention::Type(_)));
        let snapshots = of_types.filter_map(|(_, found)| found.as_ref()?.get("snapshot")?.get("element")?.as_array());
        snapshots.flatten().filter_map(|element| Some((element.get("path")?.as_str()?, element))).collect()
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
    /// The number of the place of each value, by its address, and what element it is.
    values: HashMap<usize, (usize, Element)>,
    /// The elements of those definitions of types that were fetched, by path.
    definitions: HashMap<&'a str, &'a Json>,
    /// What was asked for and was not fetched yet.
    wanted: RefCell<Vec<Mention>>,
}

fn address(json: &Json) -> usize {
    std::ptr::from_ref(json).addr()
}

/// What element of R4 a value is.
#[derive(Clone, Copy)]
enum Element {
    /// A resource.
    Resource(TypeId),
    /// A property of a type.
    Property(TypeId, &'static Property),
    /// None that is known.
    Unknown,
}

impl Element {
    /// The type that defines it.
    fn owner(self) -> Option<TypeId> {
        match self {
            Self::Resource(owner) | Self::Property(owner, _) => Some(owner),
            Self::Unknown => None,
        }
    }

    /// The type of its value.
    fn kind(self) -> Option<TypeId> {
        match self {
            Self::Resource(kind) => Some(kind),
            Self::Property(_, property) => Some(property.type_id),
            Self::Unknown => None,
        }
    }

    /// The element of a property of a value, also by the name of its sibling (`_birthDate`).
    fn child(self, name: &Name) -> Self {
        let Some(owner) = self.kind() else { return Self::Unknown };
        let of_sibling = || property(owner, &Name::new(name.as_str().strip_prefix('_')?));
        property(owner, name).or_else(of_sibling).map_or(Self::Unknown, |property| Self::Property(owner, property))
    }

    /// Its path in the definition, such as `Observation.value[x]`.
    fn path(self) -> Option<String> {
        match self {
            Self::Resource(kind) => Some(kind.name().to_owned()),
            Self::Property(owner, property) => {
                let choice = if property.is_choice { "[x]" } else { "" };
                Some(format!("{}.{}{choice}", owner.name(), property.element))
            }
            Self::Unknown => None,
        }
    }
}

/// How a value came to be walked.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The number of the resource around.
    around: Option<usize>,
    element: Element,
    is_contained: bool,
    /// Within an entry, what `fullUrl` that has.
    entry: Option<Option<&'a str>>,
}

impl Way<'_> {
    /// To a resource that is in no other.
    const OUTSIDE: Self = Self { around: None, element: Element::Unknown, is_contained: false, entry: None };
}

impl<'a> Surroundings<'a> {
    /// Those of the elements of a resource, and of others.
    pub fn new(root: Option<&'a Json>, others: impl IntoIterator<Item = &'a Json>, stock: &'a Stock) -> Self {
        let (places, bundles, values) = (Vec::new(), Vec::new(), HashMap::new());
        let definitions = stock.definitions();
        let mut made = Self { stock, root: None, places, bundles, values, definitions, wanted: RefCell::default() };
        if let Some(root) = root {
            made.walk(root, Way::OUTSIDE);
            made.root = made.places.first().copied();
        }
        for resource in others {
            made.walk(resource, Way::OUTSIDE);
        }
        made
    }

    fn walk(&mut self, json: &'a Json, way: Way<'a>) {
        let kind = json.get("resourceType").and_then(Json::as_str);
        let (around, element) = match kind {
            Some(kind) => {
                let element = type_by_name(kind).map_or(Element::Unknown, Element::Resource);
                (Some(self.enter(json, kind, way)), element)
            }
            None => (way.around, way.element),
        };
        self.values.extend(around.map(|around| (address(json), (around, element))));
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.walk(item, way)),
            Json::Object(object) => {
                for (name, value) in object.iter() {
                    let is_contained = kind.is_some() && name.as_str() == "contained";
                    let entry = entry(json, kind, name.as_str(), way);
                    self.walk(value, Way { around, element: element.child(name), is_contained, entry });
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
        self.places.get(self.value(element)?.0).copied()
    }

    fn value(&self, element: Node<'_>) -> Option<(usize, Element)> {
        let own = self.values.get(&address(element.json));
        own.or_else(|| self.values.get(&address(element.sibling?))).copied()
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
        found.or_else(|| {
            let mention = match absolute(text, full_url) {
                Some(text) => (self.stock.locate)(&text),
                None => (self.stock.locate)(text),
            };
            self.fetched(mention?).map(Node::resource)
        })
    }

    /// What was fetched; what was not is noted.
    fn fetched(&self, mention: Mention) -> Option<&'a Json> {
        if let Some(found) = self.stock.fetched.get(&mention) {
            return found.as_ref();
        }
        let mut wanted = self.wanted.borrow_mut();
        if wanted.len() < WANTED && !wanted.contains(&mention) {
            wanted.push(mention);
        }
        None
    }
}

/// The resource type or data type in whose definition a type is defined: `Patient` for `Patient.contact`.
fn defining(kind: TypeId) -> Option<TypeId> {
    match kind.kind() {
        TypeKind::Backbone => type_by_name(kind.name().split('.').next()?),
        _ => Some(kind),
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

    fn element_definition(&self, element: Node<'a>) -> Result<Option<Node<'a>>> {
        let found = || {
            let (_, element) = self.value(element)?;
            self.fetched(Mention::Type(defining(element.owner()?)?))?;
            let json = self.definitions.get(element.path()?.as_str())?;
            Some(Node { json, sibling: None, type_id: type_by_name("ElementDefinition") })
        };
        Ok(found())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::fhirpath::{Context, Item, compile};
    use crate::fhir::json::parse;

    #[test]
    fn every_element_has_its_path_in_the_definition() {
        let bundle = parse(
            br#"{"resourceType":"Bundle","link":[{"url":"u"}],"entry":[{"link":[{"url":"v"}],"resource":{"resourceType":"Observation",
              "contained":[{"resourceType":"Patient","contact":[{"name":{"family":"F"}}],"deceasedBoolean":true,
                "_birthDate":{"extension":[{"url":"http://x","valueAge":{"value":1}}]},
                "name":[{"given":[null,"B"],"_given":[{"id":"a"},null]}]}],
              "valueQuantity":{"value":1,"_unit":{"id":"u"}},"code":{"coding":[{"code":"c"}]},"nonsense":1}}]}"#,
        )
        .expect("JSON");
        let stock = Stock::new(|_| None);
        let surroundings = Surroundings::new(Some(&bundle), [], &stock);
        let cases = [
            ("$this", "Bundle"),
            ("entry", "Bundle.entry"),
            ("entry.link", "Bundle.entry.link"),
            ("entry.link.url", "Bundle.link.url"),
            ("entry.resource", "Observation"),
            ("entry.resource.value", "Observation.value[x]"),
            ("entry.resource.value.value", "Quantity.value"),
            ("entry.resource.value.unit", "Quantity.unit"),
            ("entry.resource.code.coding.code", "Coding.code"),
            ("entry.resource.contained", "Patient"),
            ("entry.resource.contained.contact.name", "Patient.contact.name"),
            ("entry.resource.contained.contact.name.family", "HumanName.family"),
            ("entry.resource.contained.deceased", "Patient.deceased[x]"),
            ("entry.resource.contained.birthDate", "Patient.birthDate"),
            ("entry.resource.contained.birthDate.extension", "date.extension"),
            ("entry.resource.contained.birthDate.extension.value", "Extension.value[x]"),
            ("entry.resource.contained.birthDate.extension.value.value", "Age.value"),
            ("entry.resource.contained.name.given[0]", "HumanName.given"),
            ("entry.resource.contained.name.given[0].id", "string.id"),
            ("entry.resource.contained.name.given[1]", "HumanName.given"),
        ];
        let root = Node::resource(&bundle);
        for (text, expected) in cases {
            let found = compile(text).expect(text).eval(root, &Context::new(root)).expect(text);
            let [Item::Node(node)] = found.as_slice() else { panic!("{text}: {found:?}") };
            let (_, element) = surroundings.value(*node).expect(text);
            assert_eq!(element.path().as_deref(), Some(expected), "{text}");
            // and the definition has it
            let of = element.owner().and_then(defining).expect(text);
            let url = format!("http://hl7.org/fhir/StructureDefinition/{}", of.name());
            let kind = crate::fhir::definitions::terminology::Kind::StructureDefinition;
            let definition = crate::fhir::definitions::terminology::find(kind, &url).expect("data").expect(text);
            let elements = definition.get("snapshot").and_then(|part| part.get("element")?.as_array()).expect(text);
            assert!(elements.iter().any(|one| one.get("path").and_then(Json::as_str) == Some(expected)), "{text}");
        }
    }
}
