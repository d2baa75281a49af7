//! An expansion as a ValueSet resource (FHIR R4 `valueset.html#expansion`). What R5 has in elements of its own (properties of codes) stands in
//! the extensions that R5 defines for R4.

use super::about::About;
use super::compose::ValueSet;
use super::concept::{PropertyKind, PropertyValue};
use super::context::Context;
use super::display::Shown;
use super::expand::{Expanded, Item};
use super::language::{Languages, choose};
use super::memory::{STANDARDS_STATUS, list, text, value};
use super::notices::copyright;
use super::params::Params;
use super::validate_code::parameter;
use super::version;
use crate::base::fault::Result;
use crate::fhir::json::{Json, Number, Object};

/// The extension of R5's `expansion.property`.
const PROPERTY: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.property";
/// The extension of R5's `expansion.contains.property`.
const CONTAINS_PROPERTY: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property";
/// What the URIs of the standard properties begin with.
const STANDARD: &str = "http://hl7.org/fhir/concept-properties#";
/// Where extensions of HL7 stand.
const EXTENSIONS: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Extensions of a concept that are told with it.
const TOLD: [&str; 6] = [
    "rendering-style",
    "rendering-xhtml",
    "valueset-deprecated",
    "valueset-concept-definition",
    "coding-sctdescid",
    "structuredefinition-standards-status",
];
/// Elements of a value set that its expansion has too.
const HEAD: [&str; 9] = ["language", "url", "version", "name", "title", "status", "experimental", "date", "publisher"];
/// Parameters that are told as they came.
const ECHOED: [&str; 9] = [
    "activeOnly",
    "excludeNested",
    "excludeNotForUI",
    "excludePostCoordinated",
    "includeDesignations",
    "filter",
    "designation",
    "exclude-system",
    "default-valueset-version",
];

/// What makes one expansion another than the next.
pub struct Stamp<'s> {
    /// A UUID.
    pub id: &'s str,
    /// The time, as an instant.
    pub timestamp: &'s str,
}

/// How codes are shown.
struct Style<'s> {
    languages: Option<&'s Languages>,
    designations: bool,
    wanted: Vec<&'s str>,
    properties: Vec<&'s str>,
    set: &'s ValueSet,
}

/// The ValueSet resource of an expansion.
///
/// # Errors
/// 400 for parameters of the wrong type.
pub fn resource(
    context: &Context<'_>,
    params: &Params,
    set: &ValueSet,
    found: &Expanded,
    stamp: &Stamp<'_>,
) -> Result<Json> {
    let of_set = set.languages();
    let style = Style {
        languages: context.languages.as_ref().or(of_set.as_ref()),
        designations: params.flag("includeDesignations")?.unwrap_or(params.has("designation")),
        wanted: params.texts("designation").collect(),
        properties: params.texts("property").collect(),
        set,
    };
    let mut out = Object::new();
    out.set("resourceType", Json::string("ValueSet"));
    out.set("id", Json::string(stamp.id));
    let with_definition = params.flag("includeDefinition")?.unwrap_or(false);
    for (name, value) in set.json.as_object().into_iter().flat_map(Object::iter) {
        let is_kept = if with_definition {
            !matches!(name.as_str(), "resourceType" | "id" | "meta" | "expansion" | "text")
        } else {
            HEAD.contains(&name.as_str())
        };
        if is_kept {
            out.set(name.as_str(), value.clone());
        }
    }
    if out.get("status").is_none() {
        out.set("status", Json::string("unknown"));
    }
    let systems = found.items.iter().map(|item| &*item.shown.found.url);
    if let Some(copyright) = copyright(text(&set.json, "copyright"), systems) {
        out.set("copyright", Json::string(copyright));
    }
    out.set("expansion", expansion(context, params, found, stamp, &style)?);
    Ok(Json::Object(out))
}

fn expansion(
    context: &Context<'_>,
    params: &Params,
    found: &Expanded,
    stamp: &Stamp<'_>,
    style: &Style<'_>,
) -> Result<Json> {
    let mut out = Object::new();
    let mut extensions = Vec::new();
    if let Some(reason) = &found.unclosed {
        extensions.push(extension(&format!("{EXTENSIONS}valueset-unclosed"), "valueBoolean", Json::Bool(true)));
        extensions.push(extension(
            &format!("{EXTENSIONS}valueset-unclosed-reason"),
            "valueString",
            Json::string(reason.as_str()),
        ));
    }
    let mut used = Vec::new();
    let contains: Vec<Json> = found.items.iter().map(|item| contains(item, style, &mut used)).collect();
    extensions.extend(used.iter().map(|(code, uri)| {
        let mut parts = vec![extension("code", "valueCode", Json::string(code.as_str()))];
        parts.extend(uri.as_deref().map(|uri| extension("uri", "valueUri", Json::string(uri))));
        Json::object([("extension", Json::Array(parts)), ("url", Json::string(PROPERTY))])
    }));
    if !extensions.is_empty() {
        out.set("extension", Json::Array(extensions));
    }
    out.set("identifier", Json::string(format!("urn:uuid:{}", stamp.id)));
    out.set("timestamp", Json::string(stamp.timestamp));
    if let Some(total) = found.total.filter(|_| !is_infinite(found)) {
        out.set("total", number(total));
    }
    if let Some(offset) = params.number("offset")?.or_else(|| params.has("count").then_some(0)) {
        out.set("offset", number(offset));
    }
    let told = told(context, params, style)?;
    if !told.is_empty() {
        out.set("parameter", Json::Array(told));
    }
    if !contains.is_empty() {
        out.set("contains", Json::Array(contains));
    }
    Ok(Json::Object(out))
}

fn is_infinite(found: &Expanded) -> bool {
    found.unclosed.as_deref().is_some_and(|reason| reason.contains("infinite"))
}

fn number(value: usize) -> Json {
    Json::integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn extension(url: &str, kind: &str, value: Json) -> Json {
    Json::object([("url", Json::string(url)), (kind, value)])
}

/// The parameters that made the expansion what it is, and what it was made of.
fn told(context: &Context<'_>, params: &Params, style: &Style<'_>) -> Result<Vec<Json>> {
    let mut out = Vec::new();
    for name in ECHOED {
        for value in params.all(name) {
            let flag = value.as_bool().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            let is_uri = matches!(name, "exclude-system" | "default-valueset-version");
            out.push(match (flag, value) {
                (Some(flag), _) if name != "filter" => parameter(name, "valueBoolean", Json::Bool(flag)),
                (_, value) => parameter(name, if is_uri { "valueUri" } else { "valueString" }, value.clone()),
            });
        }
    }
    out.extend(params.text("date")?.map(|date| parameter("date", "valueDateTime", Json::string(date))));
    for name in ["offset", "count"] {
        out.extend(params.number(name)?.map(|value| parameter(name, "valueInteger", number(value))));
    }
    if let Some(languages) = style.languages {
        out.push(parameter("displayLanguage", "valueCode", Json::string(languages.text.clone())));
    }
    let used = context.used.borrow();
    let uri = |name: &str, value: &str| parameter(name, "valueUri", Json::string(value));
    out.extend(used.systems.iter().map(|name| uri("used-codesystem", name)));
    out.extend(used.value_sets.iter().map(|name| uri("used-valueset", name)));
    out.extend(used.fragments.iter().map(|name| uri("used-fragment", name)));
    let supplements = context.supplements(Some(style.set))?;
    let is_used = |about: &About| {
        used.systems
            .iter()
            .map(|name| version::split(name))
            .any(|(url, of)| about.is_supplement_of(url, of.or(Some(""))))
    };
    let applied = supplements.iter().map(|supplement| supplement.about()).filter(|about| is_used(about));
    out.extend(applied.map(|about| uri("used-supplement", &about.canonical())));
    out.extend(used.states.iter().map(|(state, _, name)| uri(&format!("warning-{state}"), name)));
    out.extend(used.rules.iter().filter(|(name, _)| *name != "versionsMatch").map(|(name, value)| uri(name, value)));
    let merges = style.set.parameter("versionsMatch") == Some("true")
        || used.rules.iter().any(|(name, _)| *name == "versionsMatch");
    if merges {
        out.push(parameter("versionsMatch", "valueBoolean", Json::Bool(true)));
    }
    let told: Vec<String> = out.iter().filter_map(|one| text(one, "name").map(str::to_owned)).collect();
    out.extend(
        made_with(style.set).filter(|(name, _)| !told.iter().any(|told| told == name)).map(|(_, one)| one.clone()),
    );
    Ok(out)
}

/// The parameters that a stored expansion was made with, but for those of its own page.
fn made_with(set: &ValueSet) -> impl Iterator<Item = (&str, &Json)> {
    let expansion = set.made.as_ref().and_then(|_| set.json.get("expansion"));
    let all = expansion.map(|expansion| list(expansion, "parameter")).unwrap_or_default();
    all.iter()
        .filter_map(|one| Some((text(one, "name")?, one)))
        .filter(|(name, _)| !matches!(*name, "offset" | "count"))
}

type Used = Vec<(String, Option<String>)>;

fn contains(item: &Item, style: &Style<'_>, used: &mut Used) -> Json {
    let shown = &item.shown;
    let (concept, listed) = (&shown.found.concept, shown.found.listed.as_ref());
    let mut out = Object::new();
    let mut extensions: Vec<Json> = told_extensions(shown);
    extensions.extend(properties(shown, style, used));
    if !extensions.is_empty() {
        out.set("extension", Json::Array(extensions));
    }
    if !shown.found.url.is_empty() {
        out.set("system", Json::string(shown.found.url.clone()));
    }
    if concept.is_abstract || listed.is_some_and(|listed| listed.is_abstract) {
        out.set("abstract", Json::Bool(true));
    }
    if concept.is_inactive || listed.is_some_and(|listed| listed.is_inactive) {
        out.set("inactive", Json::Bool(true));
    }
    let version = shown.found.system.as_ref().and_then(|system| system.about().version.clone());
    if let Some(version) = version.filter(|_| style.set.mixes_versions(&shown.found.url)) {
        out.set("version", Json::string(version));
    }
    if !concept.code.is_empty() {
        out.set("code", Json::string(concept.code.clone()));
    }
    if let Some(display) = shown.display(style.languages) {
        out.set("display", Json::string(display));
    }
    let designations = if style.designations { designations(shown, style) } else { Vec::new() };
    if !designations.is_empty() {
        out.set("designation", Json::Array(designations));
    }
    if !item.children.is_empty() {
        out.set("contains", Json::Array(item.children.iter().map(|child| contains(child, style, used)).collect()));
    }
    Json::Object(out)
}

/// Extensions of the code system, its supplements and the value set; of one kind the last counts.
fn told_extensions(shown: &Shown) -> Vec<Json> {
    let mut found: Vec<Json> = Vec::new();
    let of_set = shown.found.listed.iter().flat_map(|listed| &listed.extensions);
    let of_others = shown.added.iter().flat_map(|added| &added.concept.extensions);
    // the status of the code system is told as a property
    let of_system = shown.found.concept.extensions.iter().filter(|ext| text(ext, "url") != Some(STANDARDS_STATUS));
    for one in of_system.chain(of_others).chain(of_set) {
        let Some(url) = text(one, "url") else { continue };
        if url.strip_prefix(EXTENSIONS).is_some_and(|name| TOLD.contains(&name)) {
            found.retain(|other| text(other, "url") != Some(url));
            found.push(one.clone());
        }
    }
    found
}

fn properties(shown: &Shown, style: &Style<'_>, used: &mut Used) -> Vec<Json> {
    let concept = &shown.found.concept;
    let mut out = Vec::new();
    let mut tell = |code: &str, uri: Option<String>, kind: &str, value: Json| {
        if !used.iter().any(|(known, _)| known == code) {
            used.push((code.to_owned(), uri));
        }
        let parts = vec![extension("code", "valueCode", Json::string(code)), extension("value", kind, value)];
        out.push(Json::object([("extension", Json::Array(parts)), ("url", Json::string(CONTAINS_PROPERTY))]));
    };
    let standard = |name: &str| Some(format!("{STANDARD}{name}"));
    for (code, uri, extensions, kind) in [
        ("label", "label", ["codesystem-label", "valueset-label"], "valueString"),
        ("order", "order", ["codesystem-conceptOrder", "valueset-conceptOrder"], "valueDecimal"),
        ("weight", "itemWeight", ["itemWeight", "itemWeight"], "valueDecimal"),
    ] {
        if let Some(value) = of_extension(shown, extensions) {
            tell(code, standard(uri), kind, value);
        }
    }
    if let Some(status) = concept.status.as_ref().filter(|status| &***status != "active") {
        tell("status", standard("status"), "valueCode", Json::string(status.clone()));
    }
    for wanted in &style.properties {
        if *wanted == "definition" {
            if let Some(definition) = &concept.definition {
                tell(wanted, standard("definition"), "valueString", Json::string(definition.clone()));
            }
            continue;
        }
        if *wanted == "status" {
            continue;
        }
        let systems = shown.found.system.iter().chain(shown.added.iter().map(|added| &added.system));
        let uri =
            systems.filter_map(|system| system.about().property(wanted)?.uri.as_deref().map(str::to_owned)).next();
        let all = std::iter::once(concept).chain(shown.added.iter().map(|added| &added.concept));
        for value in all.flat_map(|concept| concept.values(wanted)) {
            let (kind, value) = json_value(value);
            tell(wanted, uri.clone(), kind, value);
        }
    }
    out
}

/// The value of the last of the extensions with one of two names: the value set's counts.
fn of_extension(shown: &Shown, names: [&str; 2]) -> Option<Json> {
    let of_set = shown.found.listed.iter().flat_map(|listed| &listed.extensions);
    let of_others = shown.added.iter().flat_map(|added| &added.concept.extensions);
    let all = shown.found.concept.extensions.iter().chain(of_others).chain(of_set);
    let is_named = |ext: &&Json| {
        let name = text(ext, "url").and_then(|url| url.strip_prefix(EXTENSIONS));
        name.is_some_and(|name| names.contains(&name))
    };
    value(all.rev().find(is_named)?).map(|(_, value)| value.clone())
}

/// A property's value in JSON, and what it is called there.
pub fn json_value(value: &PropertyValue) -> (&'static str, Json) {
    match value {
        PropertyValue::Code(text) => ("valueCode", Json::string(text.clone())),
        PropertyValue::String(text) => ("valueString", Json::string(text.clone())),
        PropertyValue::DateTime(text) => ("valueDateTime", Json::string(text.clone())),
        PropertyValue::Integer(value) => ("valueInteger", Json::integer(*value)),
        PropertyValue::Boolean(value) => ("valueBoolean", Json::Bool(*value)),
        PropertyValue::Decimal(text) => ("valueDecimal", Number::from_text(text).map_or(Json::Null, Json::Number)),
        PropertyValue::Coding(coding) => ("valueCoding", coding_json(coding)),
    }
}

/// A Coding in JSON.
pub fn coding_json(coding: &super::concept::Coding) -> Json {
    let mut out = Object::new();
    for (name, value) in
        [("system", &coding.system), ("version", &coding.version), ("code", &coding.code), ("display", &coding.display)]
    {
        if let Some(value) = value {
            out.set(name, Json::string(value.clone()));
        }
    }
    Json::Object(out)
}

/// The use of the text that a code system prefers.
pub fn preferred() -> Json {
    coding_json(&super::concept::Coding {
        system: Some("http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra".into()),
        code: Some("preferredForLanguage".into()),
        display: Some("Preferred For Language".into()),
        ..super::concept::Coding::default()
    })
}

/// The texts beside the one that is shown, all or those of the uses and languages that are wanted.
fn designations(shown: &Shown, style: &Style<'_>) -> Vec<Json> {
    let texts = shown.texts();
    let chosen = choose(&texts, style.languages);
    let mut out = Vec::new();
    for (at, one) in texts.iter().enumerate() {
        if Some(at) == chosen || !is_wanted(one, &style.wanted) {
            continue;
        }
        let mut json = Object::new();
        if !one.extensions.is_empty() {
            let known = |ext: &&Json| {
                text(ext, "url").and_then(|url| url.strip_prefix(EXTENSIONS)).is_some_and(|name| TOLD.contains(&name))
            };
            let kept: Vec<Json> = one.extensions.iter().filter(known).cloned().collect();
            if !kept.is_empty() {
                json.set("extension", Json::Array(kept));
            }
        }
        if let Some(language) = one.language.filter(|_| !one.is_untagged) {
            json.set("language", Json::string(language));
        }
        if let Some(usage) = one.usage.map(coding_json).or_else(|| one.is_display.then(preferred)) {
            json.set("use", usage);
        }
        json.set("value", Json::string(one.value));
        out.push(Json::Object(json));
    }
    out
}

/// `urn:ietf:bcp:47|de` is a language, `system|code` a use.
fn is_wanted(one: &super::language::Text<'_>, wanted: &[&str]) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|token| match token.split_once('|') {
            Some(("urn:ietf:bcp:47", language)) => one.language == Some(language),
            Some((system, code)) => one.usage.is_some_and(|usage| {
                usage.system.as_deref().unwrap_or("") == system && usage.code.as_deref() == Some(code)
            }),
            None => one.language == Some(token) || one.usage.is_some_and(|usage| usage.code.as_deref() == Some(token)),
        })
}

/// The element that a property of this type is told in.
pub fn element(kind: PropertyKind) -> &'static str {
    match kind {
        PropertyKind::Code => "valueCode",
        PropertyKind::Coding => "valueCoding",
        PropertyKind::String => "valueString",
        PropertyKind::Integer => "valueInteger",
        PropertyKind::Boolean => "valueBoolean",
        PropertyKind::DateTime => "valueDateTime",
        PropertyKind::Decimal => "valueDecimal",
    }
}
