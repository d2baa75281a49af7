//! A translation as `$translate` answers it.

use super::concept::Coding;
use super::context::Context;
use super::display::Shown;
use super::expansion::coding_json;
use super::member::Found;
use super::memory::text;
use super::validate_code::parameter;
use crate::base::fault::{Category, Result};
use crate::fhir::json::Json;

/// A translation.
pub struct Match {
    /// How it stands to what was translated.
    pub equivalence: Box<str>,
    /// What it is translated to.
    pub coding: Option<Coding>,
    /// What is translated, where that was asked for by its target.
    pub origin: Option<Coding>,
    /// What else it produces.
    pub products: Vec<Json>,
    /// The concept map that says so.
    pub map: Option<String>,
}

impl Match {
    /// Gives a code that the map has no text for the one of its code system. Who asks by the target knows that, and is told codes alone.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub fn name(&mut self, context: &Context<'_>) -> Result<()> {
        if let (Some(coding), None) = (&mut self.coding, &self.origin)
            && coding.display.is_none()
        {
            coding.display = display(context, coding)?.map(Into::into);
        }
        Ok(())
    }

    /// The parameter of the answer; `is_r5`: as R5 has it.
    pub fn told(self, is_r5: bool) -> Json {
        let mut parts = vec![parameter("equivalence", "valueCode", Json::string(self.equivalence))];
        parts.extend(self.coding.map(|coding| parameter("concept", "valueCoding", coding_json(&coding))));
        parts.extend(self.products);
        if let Some(origin) = self.origin {
            parts.push(parameter("source", "valueCoding", coding_json(&origin)));
        }
        let name = if is_r5 { ("originMap", "valueCanonical") } else { ("source", "valueUri") };
        parts.extend(self.map.map(|map| parameter(name.0, name.1, Json::string(map))));
        Json::object([("name", Json::string("match")), ("part", Json::Array(parts))])
    }
}

/// The text of a code in the language of the request, if its code system is here and has it.
fn display(context: &Context<'_>, coding: &Coding) -> Result<Option<String>> {
    let (Some(url), Some(code)) = (coding.system.as_deref(), coding.code.as_deref()) else { return Ok(None) };
    let system = match context.library.code_system(url, coding.version.as_deref()) {
        Ok(Some(system)) => system,
        Ok(None) => return Ok(None),
        // a translation is one without its text too
        Err(fault) if matches!(fault.category(), Category::Unprocessable | Category::Unavailable) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    context.step(1)?;
    let Some(concept) = system.find(code)?.map(std::borrow::Cow::into_owned) else { return Ok(None) };
    let found = Found { url: url.into(), system: Some(system), concept, listed: None, mismatch: None };
    Ok(Shown::new(found, &[])?.display(context.languages.as_ref()))
}

/// A parameter for what a mapping produces beside its target.
pub fn product(json: &Json) -> Json {
    let concept = Coding {
        system: text(json, "system").map(Into::into),
        version: None,
        code: text(json, "value").map(Into::into),
        display: text(json, "display").map(Into::into),
    };
    let mut parts = Vec::new();
    parts.extend(text(json, "property").map(|property| parameter("element", "valueUri", Json::string(property))));
    parts.push(parameter("concept", "valueCoding", coding_json(&concept)));
    Json::object([("name", Json::string("product")), ("part", Json::Array(parts))])
}
