//! `$lookup` (FHIR R4 `codesystem-operation-lookup.html`): what a code system says about a code.

use std::sync::Arc;

use super::concept::{Coding, Concept, PropertyValue};
use super::context::Context;
use super::display::Shown;
use super::expansion::{coding_json, json_value, preferred};
use super::face::CodeSystem;
use super::issues::{self, issue};
use super::matching::plain;
use super::member::Found;
use super::memory::coding;
use super::params::Params;
use super::validate_code::{parameter, parameters};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::codes::ROLE_GROUP;
use crate::fhir::json::Json;

/// Properties that have parameters of their own.
const OWN: [&str; 9] = ["url", "name", "version", "system", "code", "display", "definition", "designation", "abstract"];

/// The code that is asked about: `coding`, or `code` and `system`; `own` is the code system of the path.
///
/// # Errors
/// 400 when neither is given.
pub fn asked(params: &Params, own: Option<(&str, Option<&str>)>) -> Result<Coding> {
    let mut asked = match params.object("coding")? {
        Some(json) if !params.has("code") => coding(json),
        Some(_) => return Err(Fault::coded(Category::Invalid, "required", "either code or coding is given")),
        None => {
            let owned = |name: &str| params.text(name).map(|text| text.map(Into::into));
            Coding { system: owned("system")?, version: owned("version")?, code: owned("code")?, display: None }
        }
    };
    if let Some((url, version)) = own {
        if asked.system.as_deref().is_some_and(|system| system != url) {
            let text = format!("the code is not of the code system {url}");
            return Err(Fault::coded(Category::Invalid, "invalid", text));
        }
        asked.system = Some(url.into());
        asked.version = asked.version.or(version.map(Into::into));
    }
    if asked.system.is_none() || asked.code.is_none() {
        return Err(Fault::coded(Category::Invalid, "required", "code and system are given, or coding with both"));
    }
    Ok(asked)
}

/// A code system that is needed.
///
/// # Errors
/// 404 when it is not known, or not in this version.
pub fn system(context: &Context<'_>, url: &str, version: Option<&str>) -> Result<Arc<dyn CodeSystem>> {
    if let Some(system) = context.resolve(url, version, None)?.system {
        return Ok(system);
    }
    let known = context.library.code_system_versions(url)?;
    Err(issues::fault(Category::NotFound, issues::system_missing(url, version, &known, false)))
}

/// What is known of a code.
///
/// # Errors
/// 400 for parameters that name no code, and for a code that the system does not have (as the specification's example); 404 for a code
/// system that is not known.
pub fn lookup(context: &Context<'_>, params: &Params, own: Option<(&str, Option<&str>)>) -> Result<Json> {
    let asked = asked(params, own)?;
    let (url, code) = (asked.system.as_deref().unwrap_or(""), asked.code.as_deref().unwrap_or(""));
    let system = system(context, url, asked.version.as_deref())?;
    let Some(concept) = system.find(code)? else {
        let text = match &system.about().version {
            Some(version) => format!("Unknown code '{code}' in the CodeSystem '{url}' version '{version}'"),
            None => format!("Unknown code '{code}' in the CodeSystem '{url}'"),
        };
        let unknown = issue("error", "not-found", "invalid-code", "Unknown_Code_in_Version", text);
        return Err(issues::fault(Category::Invalid, unknown));
    };
    let supplements = context.supplements(None)?;
    let found = Found {
        url: url.into(),
        system: Some(system.clone()),
        concept: concept.into_owned(),
        listed: None,
        mismatch: None,
    };
    let shown = Shown::new(found, &supplements)?;
    // the specification's own example asks for `designations`
    let plain = |name| if name == "designations" { "designation" } else { name };
    let wanted: Vec<&str> = params.texts("property").map(plain).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| *one == name || *one == "*");
    Ok(parameters(answer(context, &*system, &shown, &is_wanted, &wanted)?))
}

fn answer(
    context: &Context<'_>,
    system: &dyn CodeSystem,
    shown: &Shown,
    is_wanted: &dyn Fn(&str) -> bool,
    wanted: &[&str],
) -> Result<Vec<Json>> {
    let (about, concept) = (system.about(), &shown.found.concept);
    let name = about.name.as_ref().or(about.title.as_ref()).unwrap_or(&about.url);
    let mut out = vec![parameter("name", "valueString", Json::string(name.clone()))];
    let mut tell =
        |name: &str, kind: &str, value: Option<Json>| out.extend(value.map(|value| parameter(name, kind, value)));
    tell("version", "valueString", about.version.clone().map(Json::string));
    let display = shown.display(context.languages.as_ref()).unwrap_or_else(|| concept.code.to_string());
    tell("display", "valueString", Some(Json::string(display)));
    tell("code", "valueCode", Some(Json::string(concept.code.clone())));
    tell("system", "valueUri", Some(Json::string(about.url.clone())));
    tell("abstract", "valueBoolean", Some(Json::Bool(concept.is_abstract)));
    if wanted.contains(&"url") {
        tell("url", "valueUri", Some(Json::string(about.url.clone())));
    }
    if is_wanted("definition") {
        tell("definition", "valueString", concept.definition.clone().map(Json::string));
    }
    for added in &shown.added {
        tell("used-supplement", "valueCanonical", Some(Json::string(added.source.as_str())));
    }
    designations(shown, is_wanted, wanted, &mut out);
    properties(context, system, shown, is_wanted, &mut out)?;
    Ok(out)
}

fn group(name: &str, parts: Vec<Json>) -> Json {
    Json::object([("name", Json::string(name)), ("part", Json::Array(parts))])
}

/// All texts, or those in a language that is asked for as `lang.X`.
fn designations(shown: &Shown, is_wanted: &dyn Fn(&str) -> bool, wanted: &[&str], out: &mut Vec<Json>) {
    for one in shown.texts() {
        let is_of_language = |language: &str| wanted.iter().any(|name| name.strip_prefix("lang.") == Some(language));
        if !is_wanted("designation") && !one.language.is_some_and(is_of_language) {
            continue;
        }
        let mut parts = Vec::new();
        let language = one.language.filter(|_| !one.is_untagged);
        parts.extend(language.map(|language| parameter("language", "valueCode", Json::string(language))));
        let usage = one.usage.map(coding_json).or_else(|| one.is_display.then(preferred));
        parts.extend(usage.map(|usage| parameter("use", "valueCoding", usage)));
        parts.extend(one.source.map(|source| parameter("source", "valueCanonical", Json::string(source))));
        parts.push(parameter("value", "valueString", Json::string(one.value)));
        out.push(group("designation", parts));
    }
}

fn properties(
    context: &Context<'_>,
    system: &dyn CodeSystem,
    shown: &Shown,
    is_wanted: &dyn Fn(&str) -> bool,
    out: &mut Vec<Json>,
) -> Result<()> {
    let concept = &shown.found.concept;
    let mut tell = |code: &str, kind: &str, value: Json, description: Option<String>| {
        let mut parts = vec![parameter("code", "valueCode", Json::string(code)), parameter("value", kind, value)];
        parts.extend(description.map(|text| parameter("description", "valueString", Json::string(text))));
        out.push(group("property", parts));
    };
    let display = |code: &str| -> Result<Option<String>> {
        let Some(found) = system.find(code)? else { return Ok(None) };
        let found = Found {
            url: system.about().url.clone(),
            system: shown.found.system.clone(),
            concept: found.into_owned(),
            listed: None,
            mismatch: None,
        };
        Ok(Shown::new(found, &[])?.display(context.languages.as_ref()))
    };
    for (name, codes) in [("parent", system.parents(&concept.code)?), ("child", system.children(&concept.code)?)] {
        for code in codes.iter().filter(|_| is_wanted(name)) {
            tell(name, "valueCode", Json::string(code.clone()), display(code)?);
        }
    }
    if is_wanted("inactive") {
        tell("inactive", "valueBoolean", Json::Bool(concept.is_inactive), None);
    }
    let all = std::iter::once(concept).chain(shown.added.iter().map(|added| &added.concept));
    for property in all.flat_map(|concept| &concept.properties) {
        let code = &*property.code;
        let is_told = OWN.contains(&code) || matches!(code, "parent" | "child" | "inactive" | ROLE_GROUP);
        if is_told || !is_wanted(code) {
            continue;
        }
        let (kind, value) = json_value(&property.value);
        let description = match &property.value {
            PropertyValue::Code(code) => display(code)?,
            _ => None,
        };
        tell(code, kind, value, description);
    }
    if is_wanted(ROLE_GROUP) {
        out.extend(groups(concept, &display)?);
    }
    Ok(())
}

/// The groups of relationships of a concept of SNOMED CT, as nested properties.
fn groups(concept: &Concept, display: &dyn Fn(&str) -> Result<Option<String>>) -> Result<Vec<Json>> {
    let mut found: Vec<(&str, Vec<Json>)> = Vec::new();
    for value in concept.values(ROLE_GROUP) {
        let PropertyValue::String(text) = value else { continue };
        let mut parts = text.splitn(3, ' ');
        let (Some(number), Some(code), Some(value)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let own = concept.values(code).find(|own| plain(own) == value).map(json_value);
        let (kind, json) = own.unwrap_or(("valueString", Json::string(value)));
        let mut parts = vec![parameter("code", "valueCode", Json::string(code)), parameter("value", kind, json)];
        let description = if kind == "valueCode" { display(value)? } else { None };
        parts.extend(description.map(|text| parameter("description", "valueString", Json::string(text))));
        let part = group("subproperty", parts);
        match found.iter_mut().find(|(known, _)| *known == number) {
            Some((_, parts)) => parts.push(part),
            None => found.push((number, vec![parameter("code", "valueCode", Json::string(ROLE_GROUP)), part])),
        }
    }
    Ok(found.into_iter().map(|(_, parts)| group("property", parts)).collect())
}
