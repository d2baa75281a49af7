//! The columns of a table and their types (SQL on FHIR, "Column Types", "Type Hinting with Tags").

use super::cell::Cell;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeKind, type_by_name};
use crate::fhir::fhirpath::{Known, SystemType};
use crate::fhir::time;

/// A column, as those see it who write the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Box<str>,
    /// How its values are kept where there are types.
    pub storage: Storage,
    /// Whether each of its values is a list.
    pub is_list: bool,
    /// What the definition says that its values are: the name of a FHIR type.
    pub declared: Option<Box<str>>,
    /// Whether the type is one with parts, or is not known, so that its values may be elements.
    pub is_open: bool,
    /// What its values are; none where that is not known.
    pub family: Option<Family>,
}

/// What all values of a column are. Types that differ in what they allow only, such as `id` and `string`, are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// `boolean`
    Boolean,
    /// `integer`, `positiveInt`, `unsignedInt`
    Integer,
    /// `integer64`
    Integer64,
    /// `decimal`
    Decimal,
    /// `string`, `code`, `id`, `markdown`, `uri` and all others that are texts.
    Text,
    /// `date`
    Date,
    /// `dateTime`
    DateTime,
    /// `instant`
    Instant,
    /// `time`
    Time,
    /// `base64Binary`
    Binary,
    /// A type with parts, by its name.
    Parts(Box<str>),
}

/// How values are kept where there are types: the closest to the SQL types of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// `BOOLEAN`
    Boolean,
    /// `INT`, 32 bits.
    Int,
    /// `BIGINT`, 64 bits.
    BigInt,
    /// `DOUBLE PRECISION`
    Double,
    /// `DATE`
    Date,
    /// `TIMESTAMP WITH TIME ZONE`
    Timestamp,
    /// `BINARY`
    Binary,
    /// `CHARACTER VARYING`; elements with parts are kept as JSON.
    Text,
}

/// What stands before the name of a type where it is a whole URI.
const STRUCTURES: &str = "http://hl7.org/fhir/StructureDefinition/";
const SYSTEM: &str = "http://hl7.org/fhirpath/System.";

/// Types that elements of several types are of.
const ABSTRACT: [&str; 4] = ["Element", "BackboneElement", "Resource", "DomainResource"];

impl Family {
    /// That of a FHIR type; none for one that tells nothing.
    fn of_fhir(name: &str, has_parts: bool) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" | "positiveInt" | "unsignedInt" => Self::Integer,
            "integer64" => Self::Integer64,
            "decimal" => Self::Decimal,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "instant" => Self::Instant,
            "time" => Self::Time,
            "base64Binary" => Self::Binary,
            name if ABSTRACT.contains(&name) => return None,
            name if has_parts => Self::Parts(name.into()),
            _ => Self::Text,
        })
    }

    /// That of a System type.
    fn of_system(kind: SystemType) -> Option<Self> {
        Some(match kind {
            SystemType::Any => return None,
            SystemType::Boolean => Self::Boolean,
            SystemType::String => Self::Text,
            SystemType::Integer => Self::Integer,
            SystemType::Decimal => Self::Decimal,
            SystemType::Date => Self::Date,
            SystemType::DateTime => Self::DateTime,
            SystemType::Time => Self::Time,
            SystemType::Quantity => Self::Parts("Quantity".into()),
        })
    }

    /// The name of the FHIR type that stands for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Integer64 => "integer64",
            Self::Decimal => "decimal",
            Self::Text => "string",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Instant => "instant",
            Self::Time => "time",
            Self::Binary => "base64Binary",
            Self::Parts(name) => name,
        }
    }

    /// Whether a value can be one of these, in any column.
    fn has(&self, cell: &Cell) -> bool {
        match (self, cell) {
            (_, Cell::Null | Cell::List(_)) => true,
            (Self::Boolean, cell) => matches!(cell, Cell::Bool(_)),
            (Self::Integer | Self::Integer64 | Self::Decimal, cell) => matches!(cell, Cell::Number(_)),
            (Self::Parts(_), cell) => matches!(cell, Cell::Element(_)),
            (Self::Date, Cell::Text(text)) => !text.contains('T') && time::parse(text).is_ok(),
            (Self::DateTime, Cell::Text(text)) => time::parse(text).is_ok(),
            (Self::Instant, Cell::Text(text)) => time::parse(text).is_ok_and(|time| time.zone().is_some()),
            (Self::Time, Cell::Text(text)) => {
                let hour = text.split(':').next().unwrap_or_default();
                hour.len() == 2 && hour.bytes().all(|byte| byte.is_ascii_digit())
            }
            (_, cell) => matches!(cell, Cell::Text(_)),
        }
    }
}

impl Storage {
    /// That of a FHIR type.
    fn of_fhir(name: &str) -> Self {
        match name {
            "boolean" => Self::Boolean,
            "integer" | "positiveInt" | "unsignedInt" => Self::Int,
            "integer64" => Self::BigInt,
            "instant" => Self::Timestamp,
            "base64Binary" => Self::Binary,
            _ => Self::Text,
        }
    }

    /// That of a System type.
    fn of_system(kind: SystemType) -> Self {
        match kind {
            SystemType::Boolean => Self::Boolean,
            SystemType::Integer => Self::Int,
            _ => Self::Text,
        }
    }

    /// That of the tag `ansi/type`; none for a type that is not known here, which changes nothing.
    pub fn of_tag(text: &str) -> Option<Self> {
        let name = text.split('(').next().unwrap_or(text).trim().to_ascii_uppercase();
        Some(match name.as_str() {
            "BOOLEAN" => Self::Boolean,
            "INT" | "INTEGER" | "SMALLINT" => Self::Int,
            "BIGINT" => Self::BigInt,
            "REAL" | "FLOAT" | "DOUBLE" | "DOUBLE PRECISION" => Self::Double,
            "DATE" => Self::Date,
            "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE" => Self::Timestamp,
            "BINARY" | "VARBINARY" | "BINARY VARYING" => Self::Binary,
            "CHARACTER" | "CHAR" | "VARCHAR" | "CHARACTER VARYING" | "TEXT" => Self::Text,
            _ => return None,
        })
    }
}

/// What a column's type makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// As in [`Column`].
    pub storage: Storage,
    /// As in [`Column`].
    pub is_open: bool,
    /// As in [`Column`].
    pub declared: Option<Box<str>>,
    /// As in [`Column`].
    pub family: Option<Family>,
}

impl ColumnType {
    /// The type that a definition declares: the name of a FHIR type, or a URI that ends in one.
    ///
    /// # Errors
    /// 422 for a type that FHIR does not have.
    pub fn declared(text: &str) -> Result<Self> {
        if let Some(kind) = text.strip_prefix(SYSTEM).and_then(SystemType::find) {
            let is_open = kind == SystemType::Quantity || kind == SystemType::Any;
            let family = Family::of_system(kind);
            return Ok(Self { storage: Storage::of_system(kind), is_open, declared: Some(text.into()), family });
        }
        let name = text.strip_prefix(STRUCTURES).unwrap_or(text);
        let is_open = match type_by_name(name) {
            Some(kind) => kind.kind() != TypeKind::Primitive,
            // of R5, and of the table of types in the specification
            None if name == "integer64" => false,
            None => {
                let message = format!("there is no FHIR type \"{}\"", name.escape_debug());
                return Err(Fault::new(Category::Unprocessable, message));
            }
        };
        let family = Family::of_fhir(name, is_open);
        Ok(Self { storage: Storage::of_fhir(name), is_open, declared: Some(name.into()), family })
    }

    /// The type that an expression tells, if it tells one.
    pub fn inferred(known: Option<Known>) -> Self {
        let (storage, is_open) = match known {
            Some(Known::Fhir(kind)) => (Storage::of_fhir(kind.name()), kind.kind() != TypeKind::Primitive),
            Some(Known::System(kind)) => (Storage::of_system(kind), kind == SystemType::Quantity),
            None => (Storage::Text, true),
        };
        let family = match known {
            Some(Known::Fhir(kind)) => Family::of_fhir(kind.name(), is_open),
            Some(Known::System(kind)) => Family::of_system(kind),
            None => None,
        };
        Self { storage, is_open, declared: None, family }
    }
}

impl Column {
    /// A value as one of the column's type: what is no text is written as one where texts are declared.
    ///
    /// # Errors
    /// 422 when it is of another type; it names the column, and never the value.
    pub fn typed(&self, cell: Cell) -> Result<Cell> {
        let is_text = self.declared.is_some() && self.family == Some(Family::Text);
        let cell = match cell {
            Cell::List(cells) => {
                return cells.into_iter().map(|cell| self.typed(cell)).collect::<Result<_>>().map(Cell::List);
            }
            Cell::Bool(value) if is_text => Cell::Text(if value { "true" } else { "false" }.into()),
            Cell::Number(number) if is_text => Cell::Text(number.as_str().into()),
            cell => cell,
        };
        self.check(&cell).map(|()| cell)
    }

    fn check(&self, cell: &Cell) -> Result<()> {
        let is_of_type = self.declared.is_none() || self.family.as_ref().is_none_or(|family| family.has(cell));
        let fits = is_of_type
            && match cell {
                Cell::Null | Cell::List(_) => true,
                Cell::Element(_) => self.is_open,
                Cell::Bool(_) => matches!(self.storage, Storage::Boolean | Storage::Text),
                Cell::Number(number) => match self.storage {
                    Storage::Int => number.as_str().parse::<i32>().is_ok(),
                    Storage::BigInt => number.as_str().parse::<i64>().is_ok(),
                    Storage::Double | Storage::Text => true,
                    Storage::Boolean | Storage::Date | Storage::Timestamp | Storage::Binary => false,
                },
                Cell::Text(_) => {
                    matches!(self.storage, Storage::Text | Storage::Date | Storage::Timestamp | Storage::Binary)
                }
            };
        if fits { Ok(()) } else { Err(self.misfit(cell)) }
    }

    /// The fault of a value that is not of the column's type.
    pub fn misfit(&self, cell: &Cell) -> Fault {
        let wanted = self.declared.as_deref().map_or_else(|| format!("{:?}", self.storage), str::to_owned);
        let message = format!("column '{}' is of type {wanted} and gets {}", self.name, cell.kind());
        Fault::coded(Category::Unprocessable, "processing", message)
    }
}
