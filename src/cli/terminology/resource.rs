//! A CodeSystem resource of any size as JSON: read once from its start to its end, concept by concept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::about::About;
use super::gather::Gather;
use super::source::Source;
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, Designation, Property, PropertyValue, Usage};
use crate::fhir::terminology::about::STANDARD;

/// Reads the file.
///
/// # Errors
/// 400 with file, line and column for what is no CodeSystem.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let name = source.needed("CodeSystem as JSON", |name| {
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        name.ends_with(".json")
    })?;
    let shown = source.shown(&name);
    let mut state = State { out, fault: None, is_flat: true, names: None, is_early: false };
    let mut read = System(&mut state).read(source.read(&name)?);
    if state.is_early {
        // the properties are defined after the concepts, so they are looked for first
        let bad = |error| Fault::invalid(format!("{shown}: {error}"));
        let defined: Defined = serde_json::from_reader(buffered(source.read(&name)?)).map_err(bad)?;
        state.names = Some(Names::new(&defined.property));
        read = System(&mut state).read(source.read(&name)?);
    }
    let is_flat = state.is_flat;
    let mut resource = read.map_err(|error| match state.fault {
        // a failure of the disk is not one of the file
        Some(fault) if fault.category() != crate::base::fault::Category::Invalid => fault,
        _ => Fault::invalid(format!("{shown}: {error}")),
    })?;
    if let Some(version) = asked {
        resource.insert("version".to_owned(), version.into());
    }
    if let Some("supplement" | "not-present") = resource.get("content").and_then(Value::as_str) {
        return Err(Fault::invalid(format!("{shown}: only code systems with concepts of their own are loaded")));
    }
    if !is_flat && !resource.contains_key("hierarchyMeaning") {
        resource.insert("hierarchyMeaning".to_owned(), "is-a".into());
    }
    About::of(&shown, resource)
}

fn buffered<R: std::io::Read>(file: R) -> std::io::BufReader<R> {
    std::io::BufReader::with_capacity(256 << 10, file)
}

/// The properties that a resource defines.
#[derive(serde::Deserialize)]
struct Defined {
    #[serde(default)]
    property: Value,
}

/// The codes of the properties whose meaning is known, as this code system calls them.
struct Names {
    parent: Box<str>,
    child: Box<str>,
    inactive: Box<str>,
    status: Box<str>,
    abstract_: Box<str>,
}

impl Names {
    /// By the URIs of the definitions, else the codes of the standard.
    fn new(defined: &Value) -> Self {
        let name = |standard: &str| {
            let uri = format!("{STANDARD}{standard}");
            let is_it = |one: &&Value| one.get("uri").and_then(Value::as_str) == Some(&*uri);
            let found = defined.as_array().into_iter().flatten().find(is_it);
            found.and_then(|one| text(one, "code")).unwrap_or_else(|| standard.into())
        };
        Self {
            parent: name("parent"),
            child: name("child"),
            inactive: name("inactive"),
            status: name("status"),
            abstract_: name("notSelectable"),
        }
    }
}

struct State<'a> {
    out: &'a mut Gather,
    /// What stopped the reading, when it was no fault of the text.
    fault: Option<Fault>,
    is_flat: bool,
    /// What properties are called, as soon as that is known.
    names: Option<Names>,
    /// Whether concepts came before that.
    is_early: bool,
}

impl State<'_> {
    fn put<E: Error>(&mut self, code: &str, part: &Concept, declares: bool) -> std::result::Result<(), E> {
        let done = if declares { self.out.declare(code, 0, part) } else { self.out.add(code, 0, part) };
        done.map_err(|fault| {
            let error = E::custom(fault.message());
            self.fault = Some(fault);
            error
        })
    }
}

/// The resource: everything but its concepts is kept.
struct System<'s, 'a>(&'s mut State<'a>);

impl System<'_, '_> {
    fn read(self, file: impl std::io::Read) -> serde_json::Result<Map<String, Value>> {
        self.0.is_early = false;
        let mut reader = serde_json::Deserializer::from_reader(buffered(file));
        let resource = self.deserialize(&mut reader)?;
        reader.end().map(|()| resource)
    }
}

impl<'de> DeserializeSeed<'de> for System<'_, '_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for System<'_, '_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CodeSystem")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut resource = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "concept" {
                if self.0.names.is_none() {
                    self.0.is_early = true;
                    return Err(A::Error::custom("concepts stand before the definitions of their properties"));
                }
                map.next_value_seed(List { state: self.0, parent: None })?;
            } else {
                let value: Value = map.next_value()?;
                if name == "property" {
                    self.0.names = Some(Names::new(&value));
                }
                resource.insert(name, value);
            }
        }
        Ok(resource)
    }
}

/// A list of concepts below a parent.
struct List<'s, 'a, 'p> {
    state: &'s mut State<'a>,
    parent: Option<&'p str>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of concepts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        self.state.is_flat &= self.parent.is_none();
        while list.next_element_seed(One { state: self.state, parent: self.parent })?.is_some() {}
        Ok(())
    }
}

/// A concept with what is below it.
struct One<'s, 'a, 'p> {
    state: &'s mut State<'a>,
    parent: Option<&'p str>,
}

impl<'de> DeserializeSeed<'de> for One<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a concept")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut part = Concept::default();
        part.parents.extend(self.parent.map(Box::from));
        // Children that stand before the code of their parent are kept until it is known.
        let mut early = None;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "code" => part.code = map.next_value::<String>()?.into(),
                "display" => part.display = Some(map.next_value::<String>()?.into()),
                "definition" => part.definition = Some(map.next_value::<String>()?.into()),
                "designation" => part.designations = designations(&map.next_value::<Value>()?),
                "property" => {
                    let names = self.state.names.as_ref();
                    let names = names.ok_or_else(|| A::Error::custom("properties without their names"))?;
                    properties(&map.next_value::<Value>()?, names, &mut part).map_err(A::Error::custom)?;
                }
                "concept" if part.code.is_empty() => early = Some(map.next_value::<Value>()?),
                "concept" => map.next_value_seed(List { state: &mut *self.state, parent: Some(&part.code) })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if part.code.is_empty() {
            return Err(A::Error::custom("a concept has no code"));
        }
        if let Some(children) = early {
            let list = List { state: &mut *self.state, parent: Some(&part.code) };
            list.deserialize(children).map_err(A::Error::custom)?;
        }
        let code = part.code.clone();
        let child = self.state.names.as_ref().map(|names| names.child.clone());
        for child in part.properties.iter().filter(|property| Some(&property.code) == child.as_ref()) {
            let below = Concept { parents: vec![code.clone()], ..Concept::default() };
            self.state.put::<A::Error>(&child.value.text(), &below, false)?;
            self.state.is_flat = false;
        }
        self.state.is_flat &= part.parents.is_empty();
        self.state.put(&code, &part, true)
    }
}

fn text(value: &Value, name: &str) -> Option<Box<str>> {
    value.get(name).and_then(Value::as_str).map(Box::from)
}

fn designations(value: &Value) -> Vec<Designation> {
    let each = |value: &Value| {
        let usage = value.get("use").map(|usage| Usage {
            system: text(usage, "system").unwrap_or_default(),
            code: text(usage, "code").unwrap_or_default(),
            display: text(usage, "display").unwrap_or_default(),
        });
        Some(Designation { language: text(value, "language"), usage, value: text(value, "value")? })
    };
    value.as_array().map(|list| list.iter().filter_map(each).collect()).unwrap_or_default()
}

/// Properties, and what those of `http://hl7.org/fhir/concept-properties` mean.
fn properties(value: &Value, names: &Names, part: &mut Concept) -> std::result::Result<(), String> {
    let (mut is_out, mut inactive) = (false, None);
    for value in value.as_array().into_iter().flatten() {
        let code = text(value, "code").ok_or("a property has no code")?;
        let found = property_value(value).ok_or_else(|| format!("property \"{code}\" has no value"))?;
        match &found {
            PropertyValue::Code(parent) if code == names.parent || &*code == "subsumedBy" => {
                part.parents.push(parent.clone());
            }
            PropertyValue::Boolean(truth) if code == names.inactive => inactive = inactive.max(Some(*truth)),
            PropertyValue::Boolean(true) if code == names.abstract_ || &*code == "abstract" => part.is_abstract = true,
            PropertyValue::Code(status) | PropertyValue::String(status) if code == names.status => {
                is_out |= matches!(&**status, "retired" | "inactive" | "withdrawn");
            }
            _ => {}
        }
        part.properties.push(Property { code, value: found });
    }
    part.inactive |= inactive.unwrap_or(is_out);
    Ok(())
}

fn property_value(value: &Value) -> Option<PropertyValue> {
    let text = |name: &str| text(value, name);
    Some(match value.as_object()?.keys().find(|key| key.starts_with("value"))?.as_str() {
        "valueCode" => PropertyValue::Code(text("valueCode")?),
        "valueString" => PropertyValue::String(text("valueString")?),
        "valueDateTime" => PropertyValue::DateTime(text("valueDateTime")?),
        "valueBoolean" => PropertyValue::Boolean(value.get("valueBoolean")?.as_bool()?),
        "valueInteger" => PropertyValue::Integer(value.get("valueInteger")?.as_i64()?),
        "valueDecimal" => PropertyValue::Decimal(value.get("valueDecimal")?.as_number()?.to_string().into()),
        "valueCoding" => {
            let coding = value.get("valueCoding")?;
            let part = |name: &str| self::text(coding, name).unwrap_or_default();
            PropertyValue::Coding { system: part("system"), code: part("code"), display: part("display") }
        }
        _ => return None,
    })
}
