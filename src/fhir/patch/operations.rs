//! Reading a FHIRPath Patch: the operations in a Parameters resource (FHIR R4 `fhirpatch.html`, 3.1.5.2).

use super::budget::PatchBounds;
use super::value::Value;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::fhirpath::{Expression, compile};
use crate::fhir::json::{Json, Object};
use crate::fhir::validate::structure;

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) path: Expression,
    pub(super) act: Act,
}

/// What it does.
#[derive(Debug)]
pub(super) enum Act {
    /// Appends `value` under `name` to the element.
    Add { name: String, value: Value },
    /// Puts `value` into the list, in front of item `index`.
    Insert { value: Value, index: usize },
    /// Takes the element away.
    Delete,
    /// Puts `value` in the place of the element.
    Replace { value: Value },
    /// Moves an item of the list.
    Move { source: usize, destination: usize },
}

impl Act {
    /// Its code.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Insert { .. } => "insert",
            Self::Delete => "delete",
            Self::Replace { .. } => "replace",
            Self::Move { .. } => "move",
        }
    }
}

/// Reads the operations.
///
/// # Errors
/// 400 with the place: not a Parameters, a parameter that is no operation, a part that is missing or of a wrong type, a
/// path that is no FHIRPath.
pub(super) fn read(mut document: Json, bounds: PatchBounds) -> Result<Vec<Operation>> {
    if document.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
        return Err(Fault::invalid("a FHIRPath Patch is a Parameters resource"));
    }
    structure(&document)?;
    let parameters = match document.as_object_mut().and_then(|object| object.remove("parameter")) {
        Some(Json::Array(parameters)) => parameters,
        _ => Vec::new(),
    };
    if parameters.len() > bounds.operations {
        let most = bounds.operations;
        let message = format!("the patch has {} operations; at most {most} are accepted", parameters.len());
        return Err(Fault::coded(Category::Invalid, "too-costly", message));
    }
    let read = |(at, parameter)| {
        let operation = operation(parameter);
        operation.map_err(|fault: Fault| fault.at(format!("Parameters.parameter[{at}]")))
    };
    parameters.into_iter().enumerate().map(read).collect()
}

/// The parts of one operation.
#[derive(Default)]
struct Parts {
    kind: Option<Value>,
    path: Option<Value>,
    name: Option<Value>,
    value: Option<Value>,
    index: Option<Value>,
    source: Option<Value>,
    destination: Option<Value>,
}

fn operation(parameter: Json) -> Result<Operation> {
    let Json::Object(mut parameter) = parameter else { return Err(Fault::invalid("a parameter is an object")) };
    if parameter.get("name").and_then(Json::as_str) != Some("operation") {
        return Err(Fault::invalid("every parameter of a FHIRPath Patch is named \"operation\""));
    }
    let mut parts = Parts::default();
    if let Some(Json::Array(items)) = parameter.remove("part") {
        for item in items {
            let Json::Object(item) = item else { continue };
            parts.read(item)?;
        }
    }
    parts.operation()
}

impl Parts {
    fn read(&mut self, mut part: Object) -> Result<()> {
        let name = part.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let slot = match name.as_str() {
            "type" => &mut self.kind,
            "path" => &mut self.path,
            "name" => &mut self.name,
            "value" => &mut self.value,
            "index" => &mut self.index,
            "source" => &mut self.source,
            "destination" => &mut self.destination,
            other => {
                let shown: String = other.chars().take(60).flat_map(char::escape_debug).collect();
                return Err(Fault::invalid(format!("an operation has no part \"{shown}\"")));
            }
        };
        let value = Value::read(&mut part).ok_or_else(|| Fault::invalid(format!("part \"{name}\" has no value")))?;
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(Fault::invalid(format!("part \"{name}\" stands twice"))),
        }
    }

    fn operation(self) -> Result<Operation> {
        let missing = |name: &str| Fault::coded(Category::Invalid, "required", format!("the operation has no {name}"));
        let text = |part: &Option<Value>, name: &str| {
            let part = part.as_ref().ok_or_else(|| missing(name))?;
            part.text().map(str::to_owned).ok_or_else(|| Fault::invalid(format!("{name} is a string")))
        };
        let number = |part: &Option<Value>, name: &str| {
            let part = part.as_ref().ok_or_else(|| missing(name))?;
            part.number().ok_or_else(|| Fault::invalid(format!("{name} is an integer, 0 or more")))
        };
        let kind = text(&self.kind, "type")?;
        let path = compile(&text(&self.path, "path")?)?;
        let act = match kind.as_str() {
            "add" => Act::Add { name: text(&self.name, "name")?, value: self.value.ok_or_else(|| missing("value"))? },
            "insert" => {
                Act::Insert { index: number(&self.index, "index")?, value: self.value.ok_or_else(|| missing("value"))? }
            }
            "delete" => Act::Delete,
            "replace" => Act::Replace { value: self.value.ok_or_else(|| missing("value"))? },
            "move" => Act::Move {
                source: number(&self.source, "source")?,
                destination: number(&self.destination, "destination")?,
            },
            _ => return Err(Fault::invalid("type is one of add, insert, delete, replace, move")),
        };
        Ok(Operation { path, act })
    }
}
