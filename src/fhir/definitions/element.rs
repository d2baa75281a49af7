//! Types and their elements (FHIR R4 `structuredefinition.html`): resources, data types, primitives and
//! the backbone elements that are defined in place.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::format::{NONE, PropertyRow, TypeRow};
use super::{names, tables};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// A FHIR type in the table of those loaded; valid within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// What kind of type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// A primitive, such as `date`: a JSON string, number or Boolean, and an object for its `_name`.
    Primitive,
    /// A data type, such as `HumanName`.
    Complex,
    /// An element defined in place, named by its path, such as `Patient.contact`.
    Backbone,
    /// A resource, or one of the abstract `Resource` and `DomainResource`.
    Resource,
}

/// A JSON property of a type. A choice has one for each of its types.
#[derive(Debug)]
pub struct Property {
    /// Its name, such as `valueQuantity`.
    pub name: Name,
    /// The name of the element: `value` for `valueQuantity`, else the same as `name`.
    pub element: &'static str,
    /// The type of this property; `Resource` for any resource (`contained`, `Bundle.entry.resource` ...).
    pub type_id: TypeId,
    /// Minimum of the element.
    pub min: u16,
    /// Maximum of the element; none for `*`.
    pub max: Option<u16>,
    /// Whether it is one form of a choice.
    pub is_choice: bool,
    /// Whether the element is a modifier.
    pub is_modifier: bool,
    /// Whether the element belongs to the summary.
    pub is_summary: bool,
    /// The position of the element among those of the type, from 0; the forms of a choice share it.
    pub position: u16,
    /// Types that a Reference or canonical may name; empty for any.
    pub targets: Box<[ResourceType]>,
    /// For a `code` whose required binding draws from one code system: that system.
    pub system: Option<&'static str>,
}

impl Property {
    /// Whether it is an array in JSON.
    pub fn is_list(&self) -> bool {
        self.max != Some(1)
    }
}

/// A type with the table that finds its properties by name.
struct Type {
    name: &'static str,
    base: Option<TypeId>,
    kind: TypeKind,
    properties: Box<[Property]>,
    /// Open addressing by the number of the name; a power of two long, at most half full.
    slots: Box<[u16]>,
}

struct Types {
    types: Vec<Type>,
    by_name: HashMap<&'static str, TypeId>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let rows = tables::rows();
    let types: Vec<Type> = rows.types.into_iter().map(|row| Type::new(row, &rows.systems)).collect();
    let by_name = types.iter().enumerate().map(|(n, t)| (t.name, TypeId(n as u16))).collect();
    Types { types, by_name }
});

impl Type {
    fn new(row: TypeRow<'static>, systems: &[&'static str]) -> Self {
        let kind = match row.kind {
            0 => TypeKind::Primitive,
            1 => TypeKind::Complex,
            2 => TypeKind::Backbone,
            _ => TypeKind::Resource,
        };
        let mut slots = vec![NONE; (row.properties.len() * 2).next_power_of_two()].into_boxed_slice();
        for (index, property) in row.properties.iter().enumerate() {
            let mut at = home(property.name, slots.len());
            while slots[at] != NONE {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = index as u16;
        }
        let base = (row.base != NONE).then_some(TypeId(row.base));
        let properties = row.properties.into_iter().map(|row| Property::new(row, systems)).collect();
        Self { name: row.name, base, kind, properties, slots }
    }

    fn find(&self, name: u16) -> Option<&Property> {
        let mut at = home(name, self.slots.len());
        loop {
            let property = self.properties.get(self.slots[at] as usize)?;
            if property.name.id() == Some(name) {
                return Some(property);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

impl Property {
    fn new(row: PropertyRow, systems: &[&'static str]) -> Self {
        let targets = row.targets.into_iter().filter_map(|n| ResourceType::all().nth(n.into())).collect();
        Self {
            name: Name::known(row.name),
            element: names::ALL[row.element as usize],
            type_id: TypeId(row.type_id),
            min: row.min,
            max: (row.max != NONE).then_some(row.max),
            is_choice: row.flags & 1 != 0,
            is_modifier: row.flags & 2 != 0,
            is_summary: row.flags & 4 != 0,
            position: row.position,
            targets,
            system: systems.get(usize::from(row.system)).copied(),
        }
    }
}

/// Where the search for a name starts.
fn home(name: u16, slots: usize) -> usize {
    (usize::from(name).wrapping_mul(0x9E37) >> 3) & (slots - 1)
}

/// The type with a name: `Patient`, `HumanName`, `string`, `Patient.contact`.
pub fn type_by_name(name: &str) -> Option<TypeId> {
    TYPES.by_name.get(name).copied()
}

/// The type of a resource type.
pub fn resource_type_id(kind: ResourceType) -> TypeId {
    // the concrete resource types stand first in the table, in the order of their names
    TypeId(kind.index() as u16)
}

/// All types.
pub fn all_types() -> impl ExactSizeIterator<Item = TypeId> {
    (0..TYPES.types.len()).map(|n| TypeId(n as u16))
}

/// The property of a type by its name in JSON, inherited ones included; `_name` is none of its own.
#[inline]
pub fn property(owner: TypeId, name: &Name) -> Option<&'static Property> {
    TYPES.types[owner.0 as usize].find(name.id()?)
}

/// The properties of a type in the order of the definition, inherited ones included.
pub fn properties(owner: TypeId) -> &'static [Property] {
    &TYPES.types[owner.0 as usize].properties
}

impl TypeId {
    /// Its name; the path of a backbone element.
    pub fn name(self) -> &'static str {
        TYPES.types[self.0 as usize].name
    }

    /// The type that it is derived from (`baseDefinition`); `BackboneElement` or `Element` for a backbone
    /// element, none for `Element` and `Resource`.
    pub fn base(self) -> Option<TypeId> {
        TYPES.types[self.0 as usize].base
    }

    /// What kind of type it is.
    pub fn kind(self) -> TypeKind {
        TYPES.types[self.0 as usize].kind
    }

    /// Whether it is `ancestor`, or derived from it.
    pub fn is_a(self, ancestor: TypeId) -> bool {
        std::iter::successors(Some(self), |t| t.base()).any(|t| t == ancestor)
    }

    /// The resource type, if it is a concrete one.
    pub fn resource_type(self) -> Option<ResourceType> {
        ResourceType::at(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(owner: &str, name: &str) -> &'static Property {
        property(type_by_name(owner).expect(owner), &Name::new(name)).expect(name)
    }

    #[test]
    fn resource_types_come_first() {
        assert_eq!(ResourceType::all().len(), 146);
        for kind in ResourceType::all() {
            assert_eq!(resource_type_id(kind).name(), kind.name());
            assert_eq!(resource_type_id(kind).resource_type(), Some(kind));
            assert_eq!(resource_type_id(kind).kind(), TypeKind::Resource);
        }
        assert_eq!(type_by_name("Resource").and_then(TypeId::resource_type), None);
    }

    #[test]
    fn knows_properties() {
        let value = of("Observation", "valueQuantity");
        assert_eq!((value.element, value.type_id.name(), value.is_choice), ("value", "Quantity", true));
        assert_eq!((value.min, value.max, value.is_list()), (0, Some(1), false));
        assert_eq!(of("Observation", "valueString").position, value.position);
        let contact = of("Patient", "contact");
        assert_eq!((contact.type_id.name(), contact.max, contact.is_list()), ("Patient.contact", None, true));
        assert_eq!(of("Patient.contact", "name").type_id.name(), "HumanName");
        assert_eq!(of("Patient.contact", "modifierExtension").type_id.name(), "Extension");
        assert_eq!(of("Bundle.entry", "link").type_id.name(), "Bundle.link");
        assert_eq!(of("Bundle.entry", "resource").type_id.name(), "Resource");
        assert_eq!(of("Extension", "url").type_id.name(), "uri");
        assert_eq!(of("Narrative", "div").type_id.name(), "xhtml");
        assert_eq!(of("HumanName", "id").type_id.name(), "string");
        assert!(of("Patient", "deceasedBoolean").is_modifier && of("Patient", "active").is_summary);
        assert_eq!(of("Observation", "status").min, 1);
        let subject: Vec<&str> = of("Encounter", "subject").targets.iter().map(|t| t.name()).collect();
        assert_eq!(subject, ["Patient", "Group"]);
        assert!(of("Extension", "valueReference").targets.is_empty());
        let patient = type_by_name("Patient").expect("Patient");
        assert!(["value", "_birthDate", "nonsense"].iter().all(|n| property(patient, &Name::new(n)).is_none()));
    }

    #[test]
    fn codes_know_the_system_of_their_binding() {
        assert_eq!(of("Patient", "gender").system, Some("http://hl7.org/fhir/administrative-gender"));
        assert_eq!(of("Observation", "status").system, Some("http://hl7.org/fhir/observation-status"));
        assert_eq!(
            of("MedicationRequest", "intent").system.map(|s| s.contains("medicationrequest-intent")),
            Some(true)
        );
        assert_eq!(of("ContactPoint", "system").system, Some("http://hl7.org/fhir/contact-point-system"));
        // two systems; no required binding; no `code`
        assert_eq!(of("Task", "intent").system, None);
        assert_eq!(of("Patient", "language").system, None);
        assert_eq!(of("Condition", "clinicalStatus").system, None);
        let known = all_types().flat_map(properties).filter(|p| p.system.is_some());
        assert!(known.inspect(|p| assert_eq!(p.type_id.name(), "code")).count() > 300);
    }

    #[test]
    fn the_id_of_a_resource_is_an_id() {
        for kind in ResourceType::all() {
            assert_eq!(of(kind.name(), "id").type_id.name(), "id");
        }
    }

    #[test]
    fn every_property_is_found_by_its_name() {
        for owner in all_types() {
            for wanted in properties(owner) {
                let found = property(owner, &wanted.name).expect("a property");
                assert!(std::ptr::eq(found, wanted), "{}.{}", owner.name(), wanted.name);
            }
            let positions = properties(owner).iter().map(|p| p.position);
            assert!(positions.is_sorted() && properties(owner).iter().all(|p| p.position < 128), "{}", owner.name());
        }
    }

    #[test]
    fn derivation() {
        let is_a = |a: &str, b: &str| type_by_name(a).expect(a).is_a(type_by_name(b).expect(b));
        assert!(is_a("Patient", "DomainResource") && is_a("Patient", "Resource") && is_a("Bundle", "Resource"));
        assert!(is_a("code", "string") && is_a("code", "Element") && is_a("Age", "Quantity"));
        assert!(is_a("Patient.contact", "BackboneElement") && is_a("Timing.repeat", "Element"));
        assert!(
            !is_a("Bundle", "DomainResource") && !is_a("string", "code") && !is_a("Timing.repeat", "BackboneElement")
        );
    }
}
