//! Which fields there are: those of the definitions, and those that GraphQL over FHIR adds.

use std::sync::LazyLock;

use crate::fhir::definitions::element::{
    Property, TypeId, TypeKind, all_types, property, resource_type_id, type_by_name,
};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// What fields are asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The system.
    Root,
    /// An element or resource of a type.
    Type(TypeId),
    /// An element or resource that is of one of some types.
    OneOf(Vec<TypeId>),
    /// A page of a search for a type.
    Connection(ResourceType),
    /// A match of such a search.
    Edge(ResourceType),
    /// A part of the schema: `__Type` ...
    Meta(&'static str),
}

/// Fields by name, each with the type of its own fields, if it has some.
type MetaFields = &'static [(&'static str, Option<&'static str>)];

/// The types that the schema is told with, their fields, and the types of those that have fields of their own.
pub const META: [(&str, MetaFields); 6] = [
    (
        "__Schema",
        &[
            ("types", Some("__Type")),
            ("queryType", Some("__Type")),
            ("mutationType", Some("__Type")),
            ("subscriptionType", Some("__Type")),
            ("directives", Some("__Directive")),
            ("description", None),
        ],
    ),
    (
        "__Type",
        &[
            ("kind", None),
            ("name", None),
            ("description", None),
            ("specifiedByURL", None),
            ("fields", Some("__Field")),
            ("interfaces", Some("__Type")),
            ("possibleTypes", Some("__Type")),
            ("enumValues", Some("__EnumValue")),
            ("inputFields", Some("__InputValue")),
            ("ofType", Some("__Type")),
        ],
    ),
    (
        "__Field",
        &[
            ("name", None),
            ("description", None),
            ("args", Some("__InputValue")),
            ("type", Some("__Type")),
            ("isDeprecated", None),
            ("deprecationReason", None),
        ],
    ),
    (
        "__InputValue",
        &[
            ("name", None),
            ("description", None),
            ("type", Some("__Type")),
            ("defaultValue", None),
            ("isDeprecated", None),
            ("deprecationReason", None),
        ],
    ),
    ("__EnumValue", &[("name", None), ("description", None), ("isDeprecated", None), ("deprecationReason", None)]),
    (
        "__Directive",
        &[
            ("name", None),
            ("description", None),
            ("locations", None),
            ("args", Some("__InputValue")),
            ("isRepeatable", None),
        ],
    ),
];

/// The type of a field of a part of the schema, where it has fields of its own; none for no field.
#[expect(clippy::option_option, reason = "no field, a value, a part with fields")]
pub fn meta_of(meta: &str, field: &str) -> Option<Option<&'static str>> {
    let (_, fields) = META.iter().find(|(name, _)| *name == meta)?;
    fields.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
}

/// Whether a field is one that tells the schema; an operation has them itself, whatever it is asked of (GraphQL, 4.2).
pub fn is_schema(field: &str) -> bool {
    matches!(field, "__schema" | "__type")
}

/// The types that can be stored.
pub fn stored_types() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter_map(stored)
}

/// What a field leads to.
#[derive(Debug, Clone)]
pub enum Target {
    /// `__typename`
    TypeName,
    /// `__schema`, `__type`
    Schema,
    /// A field of a part of the schema, and the type of its own fields, if it has some.
    Meta(Option<&'static str>),
    /// `resourceType`
    ResourceType,
    /// An element.
    Element(&'static Property),
    /// The id and extensions of a primitive: `_birthDate`.
    Extensions(&'static Property),
    /// `resource` of a Reference.
    Reference,
    /// `Patient`
    One(ResourceType),
    /// `PatientList`
    List(ResourceType),
    /// `PatientConnection`
    Connection(ResourceType),
    /// A number or text of a connection or edge.
    Fact(Fact),
    /// `edges`
    Edges(ResourceType),
    /// `resource` of an edge.
    Match(ResourceType),
}

impl Target {
    /// Whether it is a value, of which nothing can be selected.
    pub fn is_leaf(&self) -> bool {
        match self {
            Self::TypeName | Self::ResourceType | Self::Fact(_) | Self::Meta(None) => true,
            Self::Element(property) => is_primitive(property),
            _ => false,
        }
    }

    /// Whether the same can be asked of both, of two fields of one name.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Element(own), Self::Element(other)) => own.type_id == other.type_id,
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        }
    }
}

/// What is said of a page of a search, and of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// `count`
    Count,
    /// `offset`
    Offset,
    /// `pagesize`
    Size,
    /// `first`
    First,
    /// `previous`
    Previous,
    /// `next`
    Next,
    /// `last`
    Last,
    /// `mode`
    Mode,
    /// `score`
    Score,
}

/// The facts by their names; the first seven are those of a connection.
pub const FACTS: [(&str, Fact); 9] = [
    ("count", Fact::Count),
    ("offset", Fact::Offset),
    ("pagesize", Fact::Size),
    ("first", Fact::First),
    ("previous", Fact::Previous),
    ("next", Fact::Next),
    ("last", Fact::Last),
    ("mode", Fact::Mode),
    ("score", Fact::Score),
];

/// How many of [`FACTS`] are those of a connection.
pub const OF_CONNECTION: usize = 7;

/// The type of a primitive's id and extensions.
pub fn element_type() -> Option<TypeId> {
    static ELEMENT: LazyLock<Option<TypeId>> = LazyLock::new(|| type_by_name("Element"));
    *ELEMENT
}

/// The types of all resources.
pub fn resource_types() -> Vec<TypeId> {
    ResourceType::all().map(resource_type_id).collect()
}

/// Whether a type is that of any resource: `contained`, `Bundle.entry.resource`.
pub fn is_any_resource(kind: TypeId) -> bool {
    kind.kind() == TypeKind::Resource && kind.resource_type().is_none()
}

/// What the fields of an element are asked of.
pub fn scope_of(property: &Property) -> Scope {
    if is_any_resource(property.type_id) { Scope::OneOf(resource_types()) } else { Scope::Type(property.type_id) }
}

/// What the fields of something are asked of that may be one or the other; none of nothing.
pub fn united(scopes: Vec<Scope>) -> Option<Scope> {
    let mut kinds = Vec::new();
    for scope in &scopes {
        let own = match scope {
            Scope::Type(kind) => std::slice::from_ref(kind),
            Scope::OneOf(kinds) => kinds,
            // a name that leads to one of the others leads to nothing else
            _ => return scopes.into_iter().next(),
        };
        own.iter().for_each(|kind| {
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        });
    }
    match kinds[..] {
        [] => None,
        [only] => Some(Scope::Type(only)),
        _ => Some(Scope::OneOf(kinds)),
    }
}

/// What the fields of a reference's target are asked of: any type when the definitions name none.
pub fn scope_of_targets(targets: &[ResourceType]) -> Scope {
    let is_any = targets.is_empty();
    let named = targets.iter().copied().map(resource_type_id);
    Scope::OneOf(if is_any { resource_types() } else { named.collect() })
}

/// The resource type and the ending of `PatientList`, `PatientConnection`, `PatientEdge`.
fn with_ending(name: &str, ending: &str) -> Option<ResourceType> {
    ResourceType::find(name.strip_suffix(ending)?)
}

/// What a field with a name may lead to: several things where it is asked of one of several types.
pub fn all(scope: &Scope, name: &str) -> Vec<Target> {
    let Scope::OneOf(kinds) = scope else { return find(scope, name).into_iter().collect() };
    if name == "__typename" {
        return vec![Target::TypeName];
    }
    let mut found: Vec<Target> = Vec::new();
    for target in kinds.iter().filter_map(|kind| of_type(*kind, name)) {
        if !found.iter().any(|other| other.is_like(&target)) {
            found.push(target);
        }
    }
    found
}

/// The field with a name, of what is of one type.
pub fn find(scope: &Scope, name: &str) -> Option<Target> {
    if name == "__typename" {
        return Some(Target::TypeName);
    }
    match scope {
        Scope::Meta(meta) => meta_of(meta, name).map(Target::Meta),
        Scope::Root => searched(name).or_else(|| stored(ResourceType::find(name)?).map(Target::One)),
        Scope::Type(kind) => of_type(*kind, name),
        Scope::OneOf(kinds) => kinds.iter().find_map(|kind| of_type(*kind, name)),
        Scope::Connection(kind) if name == "edges" => Some(Target::Edges(*kind)),
        Scope::Connection(_) => fact(&FACTS[..OF_CONNECTION], if name == "pageSize" { "pagesize" } else { name }),
        Scope::Edge(kind) if name == "resource" => Some(Target::Match(*kind)),
        Scope::Edge(_) => fact(&FACTS[OF_CONNECTION..], name),
    }
}

fn fact(facts: &[(&str, Fact)], name: &str) -> Option<Target> {
    facts.iter().find(|(known, _)| *known == name).map(|(_, fact)| Target::Fact(*fact))
}

/// A type that can be stored.
fn stored(kind: ResourceType) -> Option<ResourceType> {
    (kind.name() != "Parameters").then_some(kind)
}

fn searched(name: &str) -> Option<Target> {
    let list = || with_ending(name, "List").and_then(stored).map(Target::List);
    let connection = || with_ending(name, "Connection").and_then(stored).map(Target::Connection);
    list().or_else(connection)
}

fn of_type(kind: TypeId, name: &str) -> Option<Target> {
    if let Some(found) = property(kind, &Name::new(name)) {
        return Some(Target::Element(found));
    }
    let primitive = name.strip_prefix('_').and_then(|plain| property(kind, &Name::new(plain)));
    if let Some(found) = primitive.filter(|found| is_primitive(found)) {
        return Some(Target::Extensions(found));
    }
    if kind.kind() == TypeKind::Resource {
        return if name == "resourceType" { Some(Target::ResourceType) } else { searched(name) };
    }
    (kind.name() == "Reference" && name == "resource").then_some(Target::Reference)
}

/// Whether an element has a value and no parts but its id and extensions.
pub fn is_primitive(property: &Property) -> bool {
    property.type_id.kind() == TypeKind::Primitive
}

/// The name of a type in GraphQL: that of FHIR, and `PatientContact` for `Patient.contact`.
pub fn type_name(kind: TypeId) -> String {
    let mut name = String::new();
    for part in kind.name().split('.') {
        let mut rest = part.chars();
        match rest.next() {
            Some(first) if !name.is_empty() => name.extend(first.to_uppercase()),
            Some(first) => name.push(first),
            None => {}
        }
        name.push_str(rest.as_str());
    }
    name
}

/// What a type condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A type of FHIR.
    Type(TypeId),
    /// What stands for the system, a page of a search, or a match.
    Other(Scope),
}

/// The type that a condition names.
pub fn condition(name: &str) -> Option<Condition> {
    static BACKBONES: LazyLock<Vec<(String, TypeId)>> = LazyLock::new(|| {
        let backbones = all_types().filter(|kind| kind.kind() == TypeKind::Backbone);
        backbones.map(|kind| (type_name(kind), kind)).collect()
    });
    if name == "Query" {
        return Some(Condition::Other(Scope::Root));
    }
    if let Some((meta, _)) = META.iter().find(|(meta, _)| *meta == name) {
        return Some(Condition::Other(Scope::Meta(meta)));
    }
    let plain = || type_by_name(name).filter(|kind| !matches!(kind.kind(), TypeKind::Primitive | TypeKind::Backbone));
    let backbone = || BACKBONES.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
    let connection = || with_ending(name, "Connection").map(|kind| Condition::Other(Scope::Connection(kind)));
    let edge = || with_ending(name, "Edge").map(|kind| Condition::Other(Scope::Edge(kind)));
    plain().or_else(backbone).map(Condition::Type).or_else(connection).or_else(edge)
}

/// What the fields within a condition are asked of, where it stands within a scope.
pub fn narrowed(scope: &Scope, condition: &Condition) -> Scope {
    match (scope, condition) {
        (_, Condition::Other(other)) => other.clone(),
        (Scope::Type(kind), Condition::Type(wanted)) if kind.is_a(*wanted) => scope.clone(),
        (Scope::OneOf(kinds), Condition::Type(wanted)) => {
            let kept = kinds.iter().copied().filter(|kind| kind.is_a(*wanted)).map(Scope::Type);
            united(kept.collect()).unwrap_or(Scope::Type(*wanted))
        }
        (_, Condition::Type(wanted)) => Scope::Type(*wanted),
    }
}

/// How many types a message names at most.
const SHOWN: usize = 4;

/// The name of a scope, for messages.
pub fn shown(scope: &Scope) -> String {
    match scope {
        Scope::Root => "Query".to_owned(),
        Scope::Type(kind) => type_name(*kind),
        Scope::OneOf(kinds) if kinds.len() > 1 && kinds.iter().all(|kind| kind.kind() == TypeKind::Resource) => {
            "Resource".to_owned()
        }
        Scope::OneOf(kinds) => {
            let names: Vec<String> = kinds.iter().take(SHOWN).map(|kind| type_name(*kind)).collect();
            names.join(" or ") + if kinds.len() > SHOWN { " or another type" } else { "" }
        }
        Scope::Connection(kind) => format!("{kind}Connection"),
        Scope::Edge(kind) => format!("{kind}Edge"),
        Scope::Meta(meta) => (*meta).to_owned(),
    }
}
