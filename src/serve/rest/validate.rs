//! `$validate` (FHIR R4 `resource-operation-validate.html`): what is wrong with a resource, and whether a change with it would
//! be done. The answer is 200 with an OperationOutcome, whether the resource is valid or not.

use bytes::Bytes;

use super::call::{Answer, Call};
use super::offered::Operation;
use super::routes::{Target, has_endpoint};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::outcome::outcome_text;
use crate::fhir::resource::set_id;
use crate::repo::{Change, Which, WriteEntry};

/// The parameters of a URL.
const PARAMS: [&str; 2] = ["mode", "profile"];

/// Most profiles that are asked for at a time.
const PROFILES: usize = 32;

/// What the resource is to be acceptable for (value set `resource-validation-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As a resource.
    General,
    /// To be created.
    Create,
    /// To be the next version of the resource of the URL.
    Update,
    /// The resource of the URL is to be deleted.
    Delete,
    /// The resource of the URL is held against a profile.
    Profile,
}

/// What is asked.
#[derive(Debug)]
struct Asked {
    resource: Option<Json>,
    mode: Mode,
    profiles: Vec<String>,
}

/// Validates the resource that came with the request, or that of the URL.
///
/// # Errors
/// 400 without a resource, for a mode that is none or not at this place, and for parameters of the wrong form; 404 for a profile
/// that is not known; 404 and 410 for a resource that is not there.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let Asked { resource, mode, profiles } = Asked::read(call, body)?;
    let of_url = if call.target.id.is_some() { Some(call.key()?) } else { None };
    if matches!(mode, Mode::Update | Mode::Delete | Mode::Profile) && of_url.is_none() {
        return Err(Fault::coded(
            Category::Invalid,
            "value",
            "the modes update, delete and profile are for a resource by its id",
        ));
    }
    if mode != Mode::General && !call.target.kind.is_none_or(has_endpoint) {
        return Err(Fault::coded(
            Category::Invalid,
            "value",
            "Parameters are not stored: there is nothing to be done with them",
        ));
    }
    if mode == Mode::Profile && profiles.is_empty() {
        return Err(Fault::coded(Category::Invalid, "required", "the mode profile needs a profile"));
    }
    let is_stored = resource.is_none() || mode == Mode::Profile;
    let resource = match (&of_url, resource) {
        (Some(key), None) if mode == Mode::Delete => {
            call.session.read(key).await?;
            None
        }
        (_, Some(_)) if mode == Mode::Delete => None,
        (Some(key), _) if is_stored && mode != Mode::Update => {
            let stored = call.session.read(key).await?;
            let body = stored.body.ok_or_else(|| Fault::internal(format!("{key} has no body")))?;
            Some(parse_stored(&body)?)
        }
        (_, Some(resource)) => Some(resource),
        (_, None) => {
            let message = "there is no resource: it is the body, or the parameter resource of a Parameters";
            return Err(Fault::coded(Category::Invalid, "required", message));
        }
    };
    let mut issues = match &resource {
        Some(resource) => {
            let mut issues = of_type(call, resource);
            issues.extend(call.session.validate(resource.clone(), profiles).await?);
            issues
        }
        None => Vec::new(),
    };
    if issues.iter().all(|issue| !is_error(issue))
        && let Some(change) = change(call, mode, resource)?
        && let Err(fault) = call.session.rehearse(WriteEntry { index: None, full_url: None, change }).await
    {
        if fault.category() == Category::Unavailable || fault.category() == Category::Internal {
            return Err(fault);
        }
        issues.extend_from_slice(fault.issues());
    }
    Ok(verdict(issues))
}

/// Whether a fault about the body says that what it holds is not valid.
pub fn is_verdict(target: &Target, fault: &Fault) -> bool {
    target.operation == Some(Operation::Validate)
        && matches!(fault.category(), Category::Invalid | Category::Unprocessable)
        && fault.issues().iter().all(|issue| issue.code != "required")
}

/// 200 with these issues; without any, one that says so.
pub fn verdict(mut issues: Vec<Issue>) -> Answer {
    issues.sort_by_key(|issue| !is_error(issue));
    if issues.is_empty() {
        issues.push(Issue::information("nothing is wrong with it"));
    }
    Answer::whole(Bytes::from(outcome_text(&issues)))
}

fn is_error(issue: &Issue) -> bool {
    matches!(issue.severity, "error" | "fatal")
}

/// A resource of another type than the URL's.
fn of_type(call: &Call<'_>, resource: &Json) -> Vec<Issue> {
    let given = resource.get("resourceType").and_then(Json::as_str);
    match (call.target.kind, given) {
        (Some(kind), Some(name)) if kind.name() != name => {
            let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            let message = format!("the resource is of type \"{shown}\", the URL of type {kind}");
            vec![Issue::error("value", message).at(shown)]
        }
        _ => Vec::new(),
    }
}

/// Whether a body is the input of the operation, not the resource itself. Where the resource is of type Parameters, it is the
/// input that has one of these as a parameter.
fn is_input(call: &Call<'_>, body: &Json) -> bool {
    let has_resource = || {
        let parameters = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
        parameters.iter().any(|parameter| parameter.get("name").and_then(Json::as_str) == Some("resource"))
    };
    body.get("resourceType").and_then(Json::as_str) == Some("Parameters")
        && (call.target.kind.is_none_or(has_endpoint) || has_resource())
}

/// The change that is to be acceptable.
fn change(call: &Call<'_>, mode: Mode, resource: Option<Json>) -> Result<Option<Change>> {
    let if_match = || call.conditions.if_match();
    Ok(match (mode, resource) {
        (Mode::Create, Some(resource)) => {
            let kind = call.kind()?;
            Some(Change::Create { kind, resource, if_none_exist: call.conditions.if_none_exist.clone() })
        }
        (Mode::Update, Some(mut resource)) => {
            let key = call.key()?;
            if resource.get("id").is_none() {
                set_id(&mut resource, key.id.as_str());
            }
            Some(Change::Update { which: Which::Key(key), resource, if_match: if_match()?, if_none_match: None })
        }
        (Mode::Delete, _) => Some(Change::Delete { which: Which::Key(call.key()?), if_match: if_match()? }),
        _ => None,
    })
}

impl Asked {
    fn read(call: &Call<'_>, body: Option<&Json>) -> Result<Self> {
        let mut asked = Self { resource: None, mode: Mode::General, profiles: Vec::new() };
        for (name, value) in &call.params.pairs {
            asked.set(name, value).map_err(|fault| fault.at(name.as_str()))?;
        }
        match body {
            Some(body) if is_input(call, body) => asked.parameters(body)?,
            Some(body) => asked.resource = Some(body.clone()),
            None => {}
        }
        Ok(asked)
    }

    fn parameters(&mut self, body: &Json) -> Result<()> {
        let parameters = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
        for (at, parameter) in parameters.iter().enumerate() {
            let place = || format!("Parameters.parameter[{at}]");
            let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default();
            if name == "resource" {
                if self.resource.is_some() {
                    return Err(
                        Fault::coded(Category::Invalid, "value", "there is one resource, not several").at(place())
                    );
                }
                let resource = parameter.get("resource").cloned();
                let missing = || Fault::coded(Category::Invalid, "required", "there is no resource").at(place());
                self.resource = Some(resource.ok_or_else(missing)?);
            } else if PARAMS.contains(&name) {
                let forms = ["valueCode", "valueUri", "valueCanonical", "valueUrl", "valueString"];
                let value = forms.iter().find_map(|form| parameter.get(form)?.as_str());
                let missing = || Fault::invalid(format!("{name} is a code or URI")).at(place());
                self.set(name, value.ok_or_else(missing)?).map_err(|fault| fault.at(place()))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match (name, value) {
            ("mode", "") | ("profile", "") => {}
            ("mode", "create") => self.mode = Mode::Create,
            ("mode", "update") => self.mode = Mode::Update,
            ("mode", "delete") => self.mode = Mode::Delete,
            ("mode", "profile") => self.mode = Mode::Profile,
            ("mode", _) => {
                let message = "the mode is create, update, delete or profile";
                return Err(Fault::coded(Category::Invalid, "code-invalid", message));
            }
            ("profile", _) if self.profiles.len() == PROFILES => {
                let message = format!("at most {PROFILES} profiles are asked for at a time");
                return Err(Fault::coded(Category::Invalid, "too-costly", message));
            }
            ("profile", url) => self.profiles.push(url.to_owned()),
            _ => {}
        }
        Ok(())
    }
}
