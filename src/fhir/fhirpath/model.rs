//! The types that FHIRPath sees: those of FHIR, from the definitions, and the nine of the System namespace.

pub use crate::fhir::definitions::element::{TypeId, TypeKind, property, type_by_name};

/// A type of the `System` namespace (N1, "Literals").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemType {
    /// `System.Any`, of which every other type is one.
    Any,
    /// `System.Boolean`
    Boolean,
    /// `System.String`
    String,
    /// `System.Integer`
    Integer,
    /// `System.Decimal`
    Decimal,
    /// `System.Date`
    Date,
    /// `System.DateTime`
    DateTime,
    /// `System.Time`
    Time,
    /// `System.Quantity`
    Quantity,
}

impl SystemType {
    /// Name and type of each.
    const ALL: [(&'static str, Self); 9] = [
        ("Any", Self::Any),
        ("Boolean", Self::Boolean),
        ("String", Self::String),
        ("Integer", Self::Integer),
        ("Decimal", Self::Decimal),
        ("Date", Self::Date),
        ("DateTime", Self::DateTime),
        ("Time", Self::Time),
        ("Quantity", Self::Quantity),
    ];

    /// The type with a name, without its namespace.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The name, without its namespace.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("Any", |(name, _)| name)
    }
}

/// A type specifier, resolved: `Quantity` is FHIR's type or the System's, `System.Quantity` only the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeSpec {
    /// The FHIR type that it names.
    pub fhir: Option<TypeId>,
    /// The System type that it names.
    pub system: Option<SystemType>,
}

impl TypeSpec {
    /// The specifier of a name with or without a namespace (`FHIR`, `System`); none when no type has
    /// it. In the namespace `System` a name may begin in lower case, as the examples of FHIR R4
    /// `fhirpath.html` have it, and the name of a FHIR type is a type that nothing is of.
    pub fn resolve(parts: &[String]) -> Option<Self> {
        let (namespace, name) = match parts {
            [name] => ("", name.as_str()),
            [namespace, name] => (namespace.as_str(), name.as_str()),
            _ => return None,
        };
        let spec = match namespace {
            "System" => {
                let system = SystemType::find(&capitalised(name));
                return (system.is_some() || type_by_name(name).is_some()).then_some(Self { fhir: None, system });
            }
            "FHIR" => Self { fhir: type_by_name(name), system: None },
            "" => Self { fhir: type_by_name(name), system: SystemType::find(name) },
            _ => return None,
        };
        (spec.fhir.is_some() || spec.system.is_some()).then_some(spec)
    }
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// The System type that the value of a FHIR primitive has (FHIR R4 `fhirpath.html`, 2.9.1.2).
pub fn system_of(type_id: TypeId) -> Option<SystemType> {
    if type_id.kind() != TypeKind::Primitive {
        return None;
    }
    Some(match type_id.name() {
        "boolean" => SystemType::Boolean,
        "integer" | "unsignedInt" | "positiveInt" | "integer64" => SystemType::Integer,
        "decimal" => SystemType::Decimal,
        "date" => SystemType::Date,
        "dateTime" | "instant" => SystemType::DateTime,
        "time" => SystemType::Time,
        _ => SystemType::String,
    })
}

/// Whether a FHIR type is the one that a specifier of `as` and `ofType` names: primitives only
/// exactly (FHIR R4 `fhirpath.html`, `ofType`), others with their descendants.
pub fn selects(wanted: TypeId, actual: TypeId) -> bool {
    wanted == actual || (wanted.kind() != TypeKind::Primitive && actual.is_a(wanted))
}
