//! `$validate-code` (FHIR R4 `valueset-operation-validate-code.html`, `codesystem-operation-validate-code.html`), with the issues
//! that terminology clients expect.

use super::check::Check;
use super::compose::ValueSet;
use super::concept::Coding;
use super::context::Context;
use super::everywhere;
use super::issues::{self, issue};
use super::member::{Asked, Look, check_circles};
use super::memory::{coding, list};
use super::params::Params;
use super::verdict::{Options, Place, Verdict};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::outcome::outcome;

/// What is to be checked.
enum Subject {
    /// `code` with `system`, or without.
    Code(Coding),
    /// `coding`
    Coding(Coding),
    /// `codeableConcept`
    Concept(Json),
}

/// Checks a code against a value set.
///
/// # Errors
/// 400 for parameters that do not say what to check; 404 for a value set or supplement that is not known; 422 for a value set that
/// cannot be evaluated.
pub fn in_value_set(context: &Context<'_>, params: &Params, set: &ValueSet) -> Result<Json> {
    let options = Options::new(params)?;
    check_circles(context, set)?;
    context.use_state(set, set);
    let supplements = context.supplements(Some(set))?;
    let languages = context.languages.clone().or_else(|| set.languages());
    let check = Check { context, set, options, supplements, languages, whole_system: false };
    match subject(params, "systemVersion")? {
        Subject::Coding(coding) => of_coding(&check, params, coding),
        Subject::Code(coding) if coding.system.is_none() => inferred(&check, params, coding),
        Subject::Code(coding) => check.coding(&coding, &Place::Code).map(|verdict| answer(verdict, &coding)),
        Subject::Concept(json) => concept(&check, &json),
    }
}

/// Checks a code against a code system.
///
/// # Errors
/// As [`in_value_set`].
pub fn in_code_system(
    context: &Context<'_>,
    params: &Params,
    url: Option<&str>,
    version: Option<&str>,
) -> Result<Json> {
    let options = Options::new(params)?;
    let supplements = context.supplements(None)?;
    let given = subject(params, "version")?;
    let systems: Vec<Coding> = match &given {
        Subject::Code(coding) | Subject::Coding(coding) => vec![coding.clone()],
        Subject::Concept(json) => list(json, "coding").iter().map(coding).collect(),
    };
    let system = url.map(Box::from).or_else(|| systems.first().and_then(|coding| coding.system.clone()));
    let Some(system) = system else {
        return Err(required("a code system is named by url, codeSystem, or the coding"));
    };
    let include = Json::object([("system", Json::string(system.clone()))]);
    let mut json = Json::object([("resourceType", Json::string("ValueSet")), ("url", Json::string(system.clone()))]);
    if let (Some(object), mut include) = (json.as_object_mut(), include) {
        if let (Some(part), Some(version)) = (include.as_object_mut(), version) {
            part.set("version", Json::string(version));
        }
        object.set("compose", Json::object([("include", Json::Array(vec![include]))]));
    }
    let set = ValueSet::new(std::sync::Arc::new(json))?;
    let languages = context.languages.clone();
    let check = Check { context, set: &set, options, supplements, languages, whole_system: true };
    match given {
        Subject::Coding(coding) => of_coding(&check, params, coding),
        Subject::Code(mut coding) => {
            coding.system = coding.system.or(Some(system));
            check.coding(&coding, &Place::Code).map(|verdict| answer(verdict, &coding))
        }
        Subject::Concept(json) => concept(&check, &json),
    }
}

fn required(message: &str) -> Fault {
    Fault::coded(Category::Invalid, "required", message)
}

fn subject(params: &Params, version: &str) -> Result<Subject> {
    let given = ["code", "coding", "codeableConcept"].into_iter().filter(|name| params.has(name)).count();
    if given != 1 {
        return Err(required("one of the parameters code, coding and codeableConcept is given"));
    }
    if let Some(json) = params.object("codeableConcept")? {
        return Ok(Subject::Concept(json.clone()));
    }
    if let Some(json) = params.object("coding")? {
        return Ok(Subject::Coding(coding(json)));
    }
    let owned = |name: &str| params.text(name).map(|text| text.map(Into::into));
    let version = match owned(version)? {
        Some(version) => Some(version),
        None => owned("version")?,
    };
    Ok(Subject::Code(Coding { system: owned("system")?, version, code: owned("code")?, display: owned("display")? }))
}

/// A coding; the parameter `display` is checked as well as its own, or in its place.
fn of_coding(check: &Check<'_, '_>, params: &Params, coding: Coding) -> Result<Json> {
    let beside = params.text("display")?.filter(|display| coding.display.as_deref() != Some(display));
    let Some(display) = beside else {
        return check.coding(&coding, &Place::Coding).map(|verdict| answer(verdict, &coding));
    };
    let mut other = check.coding(&Coding { display: Some(display.into()), ..coding.clone() }, &Place::Coding)?;
    let place = Place::Coding.of("display");
    let (of_display, rest): (Vec<_>, Vec<_>) =
        other.issues.into_iter().partition(|(issue, _)| issue.expression.as_deref() == Some(&*place));
    other.issues = rest;
    let mut verdict = if coding.display.is_some() { check.coding(&coding, &Place::Coding)? } else { other };
    verdict.issues.extend(of_display.into_iter().map(|(issue, is_told)| (issue.at("display"), is_told)));
    Ok(answer(verdict, &coding))
}

/// A code without a system: that of the value set, if only one has it.
fn inferred(check: &Check<'_, '_>, params: &Params, mut coding: Coding) -> Result<Json> {
    let is_wanted = params.flag("inferSystem")?.unwrap_or(false) || params.has("context");
    let code = coding.code.clone().unwrap_or_default();
    if !is_wanted {
        return Err(required("the code has no system; inferSystem asks for that of the value set"));
    }
    let mut look = Look::new(check.context, false);
    let found = look.look(check.set, Asked { system: None, version: None, code: &code })?;
    let mut systems: Vec<&str> = found.iter().map(|found| &*found.url).collect();
    systems.dedup();
    if let [system] = systems[..] {
        coding.system = Some(system.into());
        return check.coding(&coding, &Place::Code).map(|verdict| answer(verdict, &coding));
    }
    let set = &check.set.canonical;
    let (id, text) = if systems.is_empty() {
        let text = format!("The System URI could not be determined for the code '{code}' in the ValueSet '{set}'");
        ("UNABLE_TO_INFER_CODESYSTEM", text)
    } else {
        let text = format!(
            "The System URI could not be determined for the code '{code}' in the ValueSet '{set}': multiple matches were found: {}",
            systems.join(", ")
        );
        ("Unable_to_resolve_system__value_set_has_multiple_matches", text)
    };
    let mut verdict = Verdict::default();
    verdict.tell(issue("error", "not-found", "cannot-infer", id, text).at("code"));
    verdict.tell(check.not_in(&coding, &Place::Code, "error"));
    Ok(answer(verdict, &coding))
}

/// Every coding of a CodeableConcept: one must be in, and none may be wrong.
fn concept(check: &Check<'_, '_>, json: &Json) -> Result<Json> {
    let mut verdicts = Vec::new();
    for (at, one) in list(json, "coding").iter().enumerate() {
        let one = coding(one);
        verdicts.push((check.coding(&one, &Place::Concept(at))?, one));
    }
    let is_in = verdicts.iter().any(|(verdict, _)| verdict.is_member);
    let is_open = verdicts.iter().any(|(verdict, _)| verdict.is_open);
    let mut all = Verdict::default();
    let mut chosen: Option<Coding> = None;
    for (mut verdict, one) in verdicts {
        if is_in && !verdict.is_member {
            verdict.allow_unknown();
        }
        let is_first = verdict.is_member && chosen.is_none();
        if is_first {
            chosen = Some(one);
        }
        all.merge(verdict, is_first);
    }
    if !is_in && !is_open {
        let text = format!("No valid coding was found for the value set '{}'", check.set.canonical);
        all.tell(issue("error", "code-invalid", "not-in-vs", "TX_GENERAL_CC_ERROR_MESSAGE", text));
    }
    let mut answered = answer(all, chosen.as_ref().unwrap_or(&Coding::default()));
    if let Some(Json::Array(parameters)) = answered.as_object_mut().and_then(|object| object.get_mut("parameter")) {
        parameters.push(parameter("codeableConcept", "valueCodeableConcept", json.clone()));
    }
    Ok(answered)
}

/// A parameter with its value.
pub fn parameter(name: &str, kind: &str, value: Json) -> Json {
    Json::object([("name", Json::string(name)), (kind, value)])
}

/// A Parameters resource.
pub fn parameters(list: Vec<Json>) -> Json {
    let mut json = Json::object([("resourceType", Json::string("Parameters"))]);
    if let Some(object) = json.as_object_mut().filter(|_| !list.is_empty()) {
        object.set("parameter", Json::Array(list));
    }
    json
}

fn answer(verdict: Verdict, coding: &Coding) -> Json {
    let is_valid = !verdict.issues.iter().any(|(issue, _)| issue.severity == "error");
    let mut out = vec![parameter("result", "valueBoolean", Json::Bool(is_valid))];
    let mut text = |name: &str, kind: &str, value: Option<&str>| {
        out.extend(value.map(|value| parameter(name, kind, Json::string(value))));
    };
    text("code", "valueCode", coding.code.as_deref());
    text("system", "valueUri", verdict.system.as_deref().or(coding.system.as_deref()));
    text("version", "valueString", verdict.version.as_deref());
    text("display", "valueString", verdict.display.as_deref());
    text("normalized-code", "valueCode", verdict.normalized.as_deref());
    text("status", "valueCode", verdict.status.as_deref());
    for (is_cause, canonical) in &verdict.unknown {
        let name = if *is_cause { "x-caused-by-unknown-system" } else { "x-unknown-system" };
        text(name, "valueCanonical", Some(canonical));
    }
    if verdict.is_inactive {
        out.push(parameter("inactive", "valueBoolean", Json::Bool(true)));
    }
    let mut told: Vec<&str> =
        verdict.issues.iter().filter(|(_, is_told)| *is_told).map(|(issue, _)| &*issue.diagnostics).collect();
    told.extend(verdict.remarks.iter().map(|remark| &**remark));
    told.sort_unstable();
    told.dedup();
    if !told.is_empty() {
        out.push(parameter("message", "valueString", Json::string(told.join("; "))));
    }
    if !verdict.issues.is_empty() {
        let issues: Vec<_> = verdict.issues.into_iter().map(|(issue, _)| issue).collect();
        out.push(parameter("issues", "resource", outcome(&issues)));
    }
    parameters(out)
}

/// The value set that parameters name: `valueSet`, `url` with `valueSetVersion`, or the `context` that it is bound to.
///
/// # Errors
/// 400 when none is named; 404 when it is not known; 422 when it is not understood.
pub fn value_set(context: &Context<'_>, params: &Params) -> Result<std::rc::Rc<ValueSet>> {
    if let Some(json) = params.object("valueSet")? {
        let set = ValueSet::new(std::sync::Arc::new(json.clone()))?;
        return context.understood(set).map(std::rc::Rc::new);
    }
    let bound;
    let url = match (params.text("url")?, params.text("context")?) {
        (Some(url), _) => url,
        (None, Some(given)) => {
            bound = super::bound::value_set_of(context.library, params, given)?;
            &bound
        }
        (None, None) => return Err(required("a value set is named by url or context, or given as valueSet")),
    };
    if url == everywhere::ALL {
        return everywhere::value_set(context);
    }
    let name = super::compose::canonical(url, params.text("valueSetVersion")?);
    context.value_set(&name)?.ok_or_else(|| issues::value_set_unknown(&name))
}
