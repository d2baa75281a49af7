//! `$translate` (FHIR R4 `conceptmap-operation-translate.html`): what concept maps make of a code.

use std::sync::Arc;

use hashbrown::HashSet;

use super::closure::is_table;
use super::concept::Coding;
use super::context::Context;
use super::issues::{self, issue};
use super::map_sides::Side;
use super::memory::{coding, extension, list, text};
use super::params::Params;
use super::target::{Target, of_side};
use super::translated::{Match, product};
use super::validate_code::{parameter, parameters};
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Most maps that refer on to another one.
const HOPS: usize = 8;
/// The extension with R5's relationship of a fixed code.
const RELATIONSHIP: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ConceptMap.group.unmapped.relationship";
/// Most matches of one answer.
const MATCHES: usize = 1000;

/// What is asked of a map.
#[derive(Clone)]
struct Asked<'p> {
    coding: Coding,
    /// Whether the code system disregards case.
    folds: bool,
    /// Whether a group may be asked that does not say of which code system it is: so it is where the map, or its value set, was named.
    takes_any: bool,
    target_system: Option<&'p str>,
    is_reverse: bool,
    /// Whether it was asked as R5 does: by the code of the target.
    by_target: bool,
    dependencies: Vec<(Option<&'p str>, Vec<Coding>)>,
}

/// What was found.
#[derive(Default)]
struct Found {
    matches: Vec<Match>,
    /// The properties of dependencies without which a mapping could not be taken.
    needs: Vec<String>,
    /// Which maps were passed over, and why.
    passed: Vec<String>,
}

/// Translates a code; `own` is the concept map of the path.
///
/// # Errors
/// 400 for parameters that name no code; 404 for a concept map that is not known.
pub fn translate(context: &Context<'_>, params: &Params, own: Option<Arc<Json>>) -> Result<Json> {
    let is_reverse = params.flag("reverse")?.unwrap_or(false);
    let codings = codings(params)?;
    let by_target = ["targetCode", "targetCoding", "targetCodeableConcept"].iter().any(|name| params.has(name));
    let is_reverse = is_reverse || by_target;
    // who asks as R5 does is answered so: `source` is a Coding there, and the map is called `originMap`
    let is_r5 =
        by_target || ["sourceCode", "sourceCoding", "sourceCodeableConcept"].iter().any(|name| params.has(name));
    let far = if by_target { "sourceSystem" } else { "targetsystem" };
    let target_system = match params.text(far)? {
        None if !by_target => params.text("targetSystem")?,
        given => given,
    };
    let implied = params.text("url")?.filter(|url| own.is_none() && url.contains("?fhir_cm="));
    let named = match (maps_named(context, params, own), implied) {
        (Err(fault), Some(_)) if fault.category() == Category::NotFound => None,
        (named, _) => named?,
    };
    let wanted = Target::new(context, params.text("target")?, is_reverse)?;
    let mut found = Found::default();
    for coding in codings {
        let folds = folds(context, &coding)?;
        let (takes_any, dependencies) = (true, dependencies(params)?);
        let asked = Asked { coding, folds, takes_any, target_system, is_reverse, by_target, dependencies };
        match (&named, implied) {
            (Some(map), _) => of_named(context, map, &asked, &wanted, &mut found)?,
            (None, Some(url)) => {
                let Some(_) = asked.coding.system else { continue };
                of_named(context, &implied_map(context, url, &asked)?, &asked, &wanted, &mut found)?;
            }
            (None, None) => of_all(context, params, &asked, &wanted, &mut found)?,
        }
    }
    wanted.check()?;
    let Found { mut matches, mut needs, passed } = found;
    // several maps may say the same
    let mut said = HashSet::new();
    matches.retain(|one| {
        let key = |coding: &Option<Coding>| coding.as_ref().map(|c| (c.system.clone(), c.code.clone()));
        said.insert((one.equivalence.clone(), key(&one.coding), key(&one.origin), format!("{:?}", one.products)))
    });
    let is_translation = |one: &Match| !matches!(&*one.equivalence, "unmatched" | "disjoint");
    let is_found = matches.iter().any(is_translation);
    let mut out = vec![parameter("result", "valueBoolean", Json::Bool(is_found))];
    let mut remarks = match (is_found, matches.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec!["no mapping was found for the code".to_owned()],
        (false, false) => vec!["the code is mapped to nothing".to_owned()],
    };
    needs.sort_unstable();
    needs.dedup();
    if !needs.is_empty() {
        remarks.push(format!("mappings depend on what was not given as dependency: {}", needs.join(", ")));
    }
    remarks.extend(passed);
    if !remarks.is_empty() {
        out.push(parameter("message", "valueString", Json::string(remarks.join("; "))));
    }
    for mut one in matches {
        one.name(context)?;
        out.push(one.told(is_r5));
    }
    Ok(parameters(out))
}

/// What the one map says that is meant.
fn of_named(context: &Context<'_>, map: &Arc<Json>, asked: &Asked<'_>, wanted: &Target, out: &mut Found) -> Result<()> {
    if asked.coding.system.is_none() {
        return Ok(());
    }
    let before = out.matches.len();
    of_map(context, map, asked, HOPS, out)?;
    keep(context, map, asked, wanted, (before, out))
}

/// Leaves out the matches from a place on that are not in the value set that is wanted.
fn keep(
    context: &Context<'_>,
    map: &Json,
    asked: &Asked<'_>,
    wanted: &Target,
    (before, out): (usize, &mut Found),
) -> Result<()> {
    wanted.note(map);
    for one in out.matches.split_off(before) {
        let coding = if asked.by_target { &one.origin } else { &one.coding };
        let is_kept = match coding {
            Some(coding) => wanted.may_have(context, coding)?,
            None => true,
        };
        if is_kept {
            out.matches.push(one);
        }
    }
    Ok(())
}

/// What all maps say that fit; one that cannot be followed is passed over.
fn of_all(context: &Context<'_>, params: &Params, asked: &Asked<'_>, wanted: &Target, out: &mut Found) -> Result<()> {
    let Some(system) = asked.coding.system.as_deref() else { return Ok(()) };
    let maps = context.library.concept_maps(system, asked.is_reverse)?;
    let unsure = Asked { takes_any: false, ..asked.clone() };
    let near = if asked.is_reverse { "target" } else { "source" };
    let is_of_set = |map: &Json| of_side(map, near).is_some() && params.has("source");
    for map in maps.iter().filter(|map| !is_table(map) && fits(map, params, asked.is_reverse)) {
        let before = (out.matches.len(), out.needs.len());
        let asked = if is_of_set(map) { asked } else { &unsure };
        match of_map(context, map, asked, HOPS, out) {
            Ok(()) => keep(context, map, asked, wanted, (before.0, out))?,
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Unprocessable) => {
                context.may_go_on()?;
                out.matches.truncate(before.0);
                out.needs.truncate(before.1);
                let name = canonical(map).unwrap_or_default();
                let text = format!("the concept map '{name}' was passed over: {fault}");
                if !out.passed.contains(&text) {
                    out.passed.push(text);
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// The codes to translate.
fn codings(params: &Params) -> Result<Vec<Coding>> {
    let first = |names: [&'static str; 3]| names.into_iter().find(|name| params.has(name));
    let required =
        || Fault::coded(Category::Invalid, "required", "one of code with system, coding and codeableConcept is given");
    let given = [
        "code",
        "coding",
        "codeableConcept",
        "sourceCode",
        "sourceCoding",
        "sourceCodeableConcept",
        "targetCode",
        "targetCoding",
        "targetCodeableConcept",
    ];
    if given.iter().filter(|name| params.has(name)).count() != 1 {
        return Err(required());
    }
    if let Some(name) = first(["codeableConcept", "sourceCodeableConcept", "targetCodeableConcept"]) {
        let json = params.object(name)?.ok_or_else(required)?;
        return Ok(list(json, "coding").iter().map(coding).collect());
    }
    if let Some(name) = first(["coding", "sourceCoding", "targetCoding"]) {
        return Ok(vec![coding(params.object(name)?.ok_or_else(required)?)]);
    }
    let owned = |name: &str| params.text(name).map(|text| text.map(Into::into));
    let (system, code) = if params.has("targetCode") {
        (owned("targetSystem")?, owned("targetCode")?)
    } else if params.has("sourceCode") {
        (owned("sourceSystem")?.or(owned("system")?), owned("sourceCode")?)
    } else {
        (owned("system")?, owned("code")?)
    };
    if system.is_none() || code.is_none() {
        return Err(required());
    }
    Ok(vec![Coding { system, version: owned("version")?, code, display: None }])
}

fn dependencies(params: &Params) -> Result<Vec<(Option<&str>, Vec<Coding>)>> {
    let one = |json: &'_ Json| -> Option<(Option<Box<str>>, Vec<Coding>)> {
        let parts = json.as_array()?;
        let part = |name: &str| parts.iter().find(|part| text(part, "name") == Some(name));
        let element = part("element").and_then(|part| super::memory::value(part)?.1.as_str().map(Into::into));
        let concept = part("concept").and_then(|part| super::memory::value(part)).map(|(_, value)| value);
        Some((element, concept.map(|json| list(json, "coding").iter().map(coding).collect()).unwrap_or_default()))
    };
    let mut out = Vec::new();
    for json in params.all("dependency") {
        let Some((_, codings)) = one(json) else {
            return Err(Fault::invalid("a dependency has the parts element and concept").at("dependency"));
        };
        let element = json.as_array().into_iter().flatten().find(|part| text(part, "name") == Some("element"));
        out.push((element.and_then(|part| super::memory::value(part)?.1.as_str()), codings));
    }
    Ok(out)
}

/// The concept map that the request names.
fn maps_named(context: &Context<'_>, params: &Params, own: Option<Arc<Json>>) -> Result<Option<Arc<Json>>> {
    if let Some(json) = params.object("conceptMap")? {
        return Ok(Some(Arc::new(json.clone())));
    }
    let Some(canonical) = params.text("url")?.filter(|_| own.is_none()) else { return Ok(own) };
    let (url, version) = version::split(canonical);
    let version = version.or(params.text("conceptMapVersion")?);
    let found = context.library.concept_map(url, version)?;
    found.map(Some).ok_or_else(|| unknown(&super::compose::canonical(url, version)))
}

fn unknown(name: &str) -> Fault {
    let text = format!("A definition for the concept map '{name}' could not be found");
    issues::fault(Category::NotFound, issue("error", "not-found", "not-found", "Unable_to_resolve_concept_map", text))
}

/// What a concept map that a code system implies says of a code.
fn implied_map(context: &Context<'_>, url: &str, asked: &Asked<'_>) -> Result<Arc<Json>> {
    let code = asked.coding.code.as_deref().unwrap_or("");
    let map = context.implied_map(url, code, asked.is_reverse)?;
    map.map(Arc::new).ok_or_else(|| unknown(url))
}

/// Whether a map is between the value sets that the request names.
fn fits(map: &Json, params: &Params, is_reverse: bool) -> bool {
    let names = if is_reverse {
        [("target", "source"), ("source", "target")]
    } else {
        [("source", "source"), ("target", "target")]
    };
    names.into_iter().all(|(parameter, side)| {
        let Ok(Some(wanted)) = params.text(parameter) else { return true };
        let same = |given: &str| version::split(given).0 == version::split(wanted).0;
        of_side(map, side).is_none_or(same)
    })
}

/// Whether the system of a code disregards case; not, where it is not known.
fn folds(context: &Context<'_>, coding: &Coding) -> Result<bool> {
    let Some(url) = coding.system.as_deref() else { return Ok(false) };
    let find = |version: Option<&str>| match context.library.code_system(url, version) {
        // how it was at a date is not known
        Err(fault) if fault.category() == Category::Unprocessable => Ok(None),
        found => found,
    };
    let found = match find(coding.version.as_deref())? {
        None if coding.version.is_some() => find(None)?,
        found => found,
    };
    Ok(found.is_some_and(|system| !system.about().case_sensitive))
}

impl Asked<'_> {
    /// Whether it is the code that is asked for, as its code system compares codes.
    fn is_code(&self, code: Option<&str>) -> bool {
        let (Some(code), Some(wanted)) = (code, self.coding.code.as_deref()) else { return false };
        code == wanted || (self.folds && code.to_lowercase() == wanted.to_lowercase())
    }
}

/// A group between the systems that are asked for.
struct Group<'m> {
    json: &'m Json,
    source: Side,
    target: Side,
    /// Whether it has the code at all.
    is_known: bool,
}

fn of_map(context: &Context<'_>, map: &Arc<Json>, asked: &Asked<'_>, hops: usize, out: &mut Found) -> Result<()> {
    let mut groups = Vec::new();
    for json in list(map, "group") {
        context.step(1)?;
        let side = |name: &str| Side::new(context, map, json, name);
        let mut group = Group { json, source: side("source")?, target: side("target")?, is_known: false };
        if group.fits(asked) {
            of_group(context, map, &mut group, asked, out)?;
            groups.push(group);
        }
    }
    // what another group says of the code counts above what this one makes of all others
    let says = |target: Option<&str>| {
        let is_about = |group: &Group<'_>| group.target.system().is_none() || group.target.system() == target;
        groups.iter().any(|group| group.is_known && is_about(group))
    };
    for group in groups.iter().filter(|group| !asked.is_reverse && !says(group.target.system())) {
        unmapped(context, map, group, asked, hops, out)?;
    }
    Ok(())
}

impl Group<'_> {
    /// Whether it is between the systems, and of the version, that are asked for.
    fn fits(&self, asked: &Asked<'_>) -> bool {
        let (near, far) = if asked.is_reverse { (&self.target, &self.source) } else { (&self.source, &self.target) };
        let is_near = asked.coding.system.as_deref().is_some_and(|url| near.may_be(url));
        let is_near = is_near && (asked.takes_any || near.is_told());
        // without a target a group says what is mapped to nothing, whatever the system
        let is_sure = asked.takes_any || !asked.is_reverse || far.is_told();
        let is_far = asked.target_system.is_none_or(|wanted| far.may_be(wanted) && is_sure);
        is_near && is_far && near.is_version(asked.coding.version.as_deref())
    }
}

/// The matches of a group.
fn of_group(
    context: &Context<'_>,
    map: &Json,
    group: &mut Group<'_>,
    asked: &Asked<'_>,
    out: &mut Found,
) -> Result<()> {
    let elements = list(group.json, "element");
    context.step(elements.len() as u64)?;
    for element in elements {
        let is_source = asked.is_code(text(element, "code"));
        if !asked.is_reverse && !is_source {
            continue;
        }
        for target in list(element, "target") {
            if out.matches.len() >= MATCHES {
                group.is_known = true;
                return Ok(());
            }
            if asked.is_reverse && !asked.is_code(text(target, "code")) {
                continue;
            }
            group.is_known = true;
            let (is_taken, needed) = depends(target, asked);
            out.needs.extend(needed);
            if is_taken {
                out.matches.push(matched(map, group, element, target, asked));
            }
        }
        group.is_known |= is_source && !asked.is_reverse;
    }
    Ok(())
}

fn matched(map: &Json, group: &Group<'_>, element: &Json, target: &Json, asked: &Asked<'_>) -> Match {
    let equivalence = text(target, "equivalence").unwrap_or("relatedto");
    let (mut source_coding, mut target_coding) = (group.source.coding(element), group.target.coding(target));
    // a group that says nothing of the system of the code that is asked for means that of the code
    let near = if asked.is_reverse { &mut target_coding } else { &mut source_coding };
    if let Some(coding) = near.as_mut().filter(|coding| coding.system.is_none()) {
        coding.system.clone_from(&asked.coding.system);
    }
    let is_turned = asked.is_reverse && !asked.by_target;
    Match {
        equivalence: if is_turned { turned(equivalence) } else { equivalence }.into(),
        coding: if is_turned { source_coding.clone() } else { target_coding },
        origin: source_coding.filter(|_| asked.by_target),
        products: list(target, if is_turned { "dependsOn" } else { "product" }).iter().map(product).collect(),
        map: canonical(map),
    }
}

/// The equivalence that a relationship of R5 is.
fn equivalence(relationship: &str) -> &str {
    match relationship {
        "related-to" => "relatedto",
        "source-is-narrower-than-target" => "wider",
        "source-is-broader-than-target" => "narrower",
        "not-related-to" => "disjoint",
        other => other,
    }
}

/// An equivalence read the other way round.
fn turned(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    }
}

fn canonical(map: &Json) -> Option<String> {
    Some(super::compose::canonical(text(map, "url")?, text(map, "version")))
}

/// Whether a mapping can be taken: all that it depends on is given. In reverse what it produces is what it depends on (4.10.7), but
/// what is not given may be so. And the properties that are missing.
fn depends(target: &Json, asked: &Asked<'_>) -> (bool, Vec<String>) {
    let side = if asked.is_reverse { "product" } else { "dependsOn" };
    let (mut is_taken, mut missing) = (true, Vec::new());
    for needed in list(target, side) {
        let is_value = |coding: &Coding| {
            coding.code.as_deref() == text(needed, "value")
                && text(needed, "system")
                    .is_none_or(|system| coding.system.as_deref() == Some(version::split(system).0))
        };
        let property = text(needed, "property");
        let mut given = asked.dependencies.iter().filter(|(element, _)| *element == property).peekable();
        if given.peek().is_none() {
            missing.extend(property.map(str::to_owned).filter(|_| !asked.is_reverse));
            is_taken &= asked.is_reverse;
        } else {
            is_taken &= given.any(|(_, codings)| codings.iter().any(is_value));
        }
    }
    (is_taken, missing)
}

/// What a group makes of a code that it does not have (`ConceptMap.group.unmapped`).
fn unmapped(
    context: &Context<'_>,
    map: &Arc<Json>,
    group: &Group<'_>,
    asked: &Asked<'_>,
    hops: usize,
    out: &mut Found,
) -> Result<()> {
    let Some(json) = group.json.get("unmapped") else { return Ok(()) };
    let target: Option<Box<str>> = group.target.system().map(Into::into);
    let made = |equivalence: &str, code: Option<Box<str>>, display: Option<Box<str>>| Match {
        equivalence: equivalence.into(),
        coding: Some(Coding { system: target.clone(), version: None, code, display }),
        origin: None,
        products: Vec::new(),
        map: canonical(map),
    };
    match text(json, "mode") {
        Some("provided") => out.matches.push(made("equal", asked.coding.code.clone(), asked.coding.display.clone())),
        Some("fixed") => {
            // how a code for all others stands to one of them is not known, unless the map says so as R5 does
            let said = text(json, "equivalence").or_else(|| text(extension(json, RELATIONSHIP)?, "valueCode"));
            let code = |name: &str| text(json, name).map(Into::into);
            out.matches.push(made(said.map_or("relatedto", equivalence), code("code"), code("display")));
        }
        Some("other-map") => {
            let (url, version) = version::split(text(json, "url").unwrap_or(""));
            if hops == 0 {
                let text = format!("concept maps refer to one another more than {HOPS} times, or in a circle");
                return Err(Fault::coded(Category::Unprocessable, "too-costly", text));
            }
            let other = match context.library.concept_map(url, version)? {
                Some(other) => other,
                None => implied_map(context, url, asked)?,
            };
            of_map(context, &other, asked, hops - 1, out)?;
        }
        _ => {}
    }
    Ok(())
}
