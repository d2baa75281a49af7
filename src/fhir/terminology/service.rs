//! The operations by name, over a library and parameters.

use std::sync::Arc;

use super::compare;
use super::compose::{ValueSet, canonical};
use super::context::Context;
use super::contradictions;
use super::dated::Dated;
use super::expand::expand;
use super::expansion::{Stamp, resource};
use super::face::Library;
use super::issues;
use super::lookup::lookup;
use super::matches::find_matches;
use super::memory::text;
pub use super::operation::Operation;
use super::params::Params;
use super::shelf::{Layers, Shelf};
use super::subsumes::subsumes;
use super::translate::translate;
use super::validate_code::{in_code_system, in_value_set, parameter, parameters, value_set};
use super::version;
use super::wanted::Wanted;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::outcome::outcome;

/// Most validations of one batch.
const BATCH: usize = 1000;

/// Parameters that these operations know, with those that terminology clients send and that change nothing here.
const KNOWN: [&str; 84] = [
    "_format",
    "_pretty",
    "abstract",
    "activeOnly",
    "cache-id",
    "check-system-version",
    "code",
    "codeA",
    "codeB",
    "codeSystem",
    "codeableConcept",
    "coding",
    "codingA",
    "codingB",
    "compositional",
    "conceptMap",
    "conceptMapVersion",
    "context",
    "contextDirection",
    "count",
    "date",
    "default-to-latest-version",
    "default-valueset-version",
    "dependency",
    "designation",
    "diagnostics",
    "display",
    "displayLanguage",
    "exact",
    "exclude-system",
    "excludeNested",
    "excludeNotForUI",
    "excludePostCoordinated",
    "exclude-post-coordinated",
    "filter",
    "force-system-version",
    "implicit",
    "includeAlternateCodes",
    "includeDefinition",
    "includeDesignations",
    "incomplete-ok",
    "inferSystem",
    "issues",
    "lenient-display-validation",
    "limitedExpansion",
    "mode",
    "no-cache",
    "offset",
    "otherUrl",
    "otherValueSet",
    "otherVersion",
    "profile",
    "property",
    "reverse",
    "source",
    "sourceCode",
    "sourceCodeableConcept",
    "sourceCoding",
    "sourceScope",
    "sourceSystem",
    "system",
    "system-version",
    "systemVersion",
    "target",
    "targetCode",
    "targetCodeableConcept",
    "targetCoding",
    "targetScope",
    "targetSystem",
    "targetsystem",
    "thisUrl",
    "thisValueSet",
    "thisVersion",
    "tx-resource",
    "url",
    "useSupplement",
    "uuid",
    "validation",
    "valueset-membership-only",
    "valueSet",
    "valueSetVersion",
    "valueSetMode",
    "version",
    "displayWarning",
];

/// A call of an operation.
pub struct Call<'c> {
    /// What is done.
    pub operation: Operation,
    /// The parameters.
    pub params: &'c Params,
    /// The header `Accept-Language`.
    pub accept_language: Option<&'c str>,
    /// The resource of the path, at instance level.
    pub own: Option<Arc<Json>>,
    /// A UUID for what is made.
    pub id: &'c str,
    /// The time, as an instant.
    pub now: &'c str,
}

/// Runs an operation; resources that came with it are above those of the library.
///
/// # Errors
/// What the operation says; 400 for parameters that are not known.
pub fn run(library: &dyn Library, call: &Call<'_>) -> Result<Json> {
    if let Some((name, _)) = call.params.iter().find(|(name, _)| !KNOWN.contains(name)) {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        return Err(Fault::unsupported(format!("there is no parameter \"{shown}\"")).at(shown));
    }
    check_types(call.params)?;
    let mut shelf = Shelf::default();
    for name in ["tx-resource", "codeSystem", "conceptMap"] {
        call.params
            .all(name)
            .filter(|json| json.as_object().is_some())
            .for_each(|json| shelf.add(Arc::new(json.clone())));
    }
    if let Some(own) = &call.own {
        shelf.add(own.clone());
    }
    let layers = Layers(vec![&shelf, library]);
    let library: &dyn Library = if shelf.is_empty() { library } else { &layers };
    match call.params.text("date")? {
        Some(date) => {
            let dated = Dated::new(library, date)?;
            call.own.as_deref().map_or(Ok(()), |own| dated.check(own))?;
            operate(&dated, call, call.params)
        }
        None => operate(library, call, call.params),
    }
}

/// Resources that are given stand in the parameters for their types; those of `tx-resource` may be of any type.
fn check_types(params: &Params) -> Result<()> {
    let types = [
        ("codeSystem", "CodeSystem"),
        ("conceptMap", "ConceptMap"),
        ("valueSet", "ValueSet"),
        ("thisValueSet", "ValueSet"),
        ("otherValueSet", "ValueSet"),
    ];
    for (name, value) in params.iter() {
        let Some((_, kind)) = types.iter().find(|(known, _)| *known == name) else { continue };
        if value.as_object().is_some() && text(value, "resourceType") != Some(kind) {
            let message = format!("the parameter {name} is a {kind}");
            return Err(Fault::coded(Category::Invalid, "structure", message).at(name));
        }
    }
    Ok(())
}

fn operate(library: &dyn Library, call: &Call<'_>, params: &Params) -> Result<Json> {
    contradictions::check(library, call.operation, params, call.own.as_ref())?;
    let context = Context::new(library, params, call.accept_language)?;
    match call.operation {
        Operation::Expand => {
            let set = set(&context, call, params)?;
            if let Some(made) = &set.made {
                made.check(params, &set.listed_versions())?;
            }
            let found = expand(&context, &Wanted::new(params)?, &set)?;
            resource(&context, params, &set, &found, &Stamp { id: call.id, timestamp: call.now })
        }
        Operation::ValidateInValueSet => {
            let set = set(&context, call, params)?;
            in_value_set(&context, params, &set)
        }
        Operation::ValidateInCodeSystem => {
            let given = params.object("codeSystem")?.or(call.own.as_deref());
            let named = params.text("url")?.map(version::split);
            let (url, version) = match given {
                Some(json) => (text(json, "url"), text(json, "version")),
                None => (named.map(|(url, _)| url), named.and_then(|(_, version)| version)),
            };
            in_code_system(&context, params, url, version.or(params.text("version")?))
        }
        Operation::Lookup => lookup(&context, params, own(call)),
        Operation::Subsumes => subsumes(&context, params, own(call)),
        Operation::FindMatches => find_matches(&context, params, own(call)),
        Operation::Translate => translate(&context, params, call.own.clone()),
        Operation::BatchValidate => batch(library, call, params),
        Operation::Compare => compare::compare(&context, params, call.own.clone()),
    }
}

/// The value set that is meant: that of the path, or of parameters.
fn set(context: &Context<'_>, call: &Call<'_>, params: &Params) -> Result<std::rc::Rc<ValueSet>> {
    match &call.own {
        Some(own) if !params.has("valueSet") => {
            let wanted = params.text("valueSetVersion")?.filter(|wanted| text(own, "version") != Some(wanted));
            match wanted.zip(text(own, "url")) {
                // another version of it
                Some((version, url)) => {
                    let name = canonical(url, Some(version));
                    context.value_set(&name)?.ok_or_else(|| issues::value_set_unknown(&name))
                }
                None => context.understood(ValueSet::new(own.clone())?).map(std::rc::Rc::new),
            }
        }
        _ => value_set(context, params),
    }
}

/// URL and version of the code system of the path.
fn own<'c>(call: &'c Call<'_>) -> Option<(&'c str, Option<&'c str>)> {
    let own = call.own.as_deref()?;
    Some((text(own, "url")?, text(own, "version")))
}

/// Each `validation` with the parameters of the whole beside its own; one that fails answers with its outcome.
fn batch(library: &dyn Library, call: &Call<'_>, params: &Params) -> Result<Json> {
    let all: Vec<&Json> = params.all("validation").collect();
    if all.is_empty() || all.len() > BATCH {
        let text = format!("there are 1 to {BATCH} parameters validation");
        return Err(Fault::coded(Category::Invalid, "required", text));
    }
    let mut out = Vec::new();
    for json in all {
        let mut own = Params::from_resource(json)?;
        let names = |own: &Params, name: &str| own.has(name);
        let mut shared = Params::default();
        params
            .iter()
            .filter(|(name, _)| *name != "validation" && !names(&own, name))
            .for_each(|(name, value)| shared.push(name, value.clone()));
        own.extend(&shared);
        let operation = if own.has("valueSet") || own.has("url") {
            Operation::ValidateInValueSet
        } else {
            Operation::ValidateInCodeSystem
        };
        let one = Call { operation, own: call.own.clone(), ..*call };
        let answered = check_types(&own).and_then(|()| operate(library, &one, &own));
        let answer = answered.unwrap_or_else(|fault| outcome(fault.issues()));
        out.push(parameter("validation", "resource", answer));
    }
    Ok(parameters(out))
}
