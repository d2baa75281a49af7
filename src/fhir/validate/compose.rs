//! What a ValueSet is made of: code systems with absolute URLs, and filters whose operator is one for the property and whose value
//! is one of its type (FHIR R4 `valueset.html`, `codesystem.html#filters`, `snomedct.html` and `loinc.html` for their own filters).
//!
//! A code that cannot be looked up is an error here, as it is for HL7's validator: a filter with a wrong code is a value set without codes.

use super::codes::Membership;
use super::primitive::Primitive;
use super::state::{Check, shown};
use super::uris;
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::quantity::UCUM;
use crate::fhir::terminology::ecl;
use crate::fhir::terminology::memory::{list, text};

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const CPT: &str = "http://www.ama-assn.org/go/cpt";

/// The properties of LOINC whose values are codes of parts and terms.
const LOINC_CODES: [&str; 15] = [
    "parent",
    "child",
    "ancestor",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "answers-for",
    "answer-list",
    "category",
    "document-kind",
    "document-role",
];

/// Those whose values are texts.
const LOINC_TEXTS: [&str; 4] = ["STATUS", "CLASSTYPE", "ORDER_OBS", "DOCUMENT_SECTION"];

/// The operators for concepts, and those for other properties where a system restricts them.
const OF_CONCEPTS: &[&str] = &["=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "generalizes"];
const OF_CODES: &[&str] = &["=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "generalizes", "regex"];
const OF_SNOMED: &[&str] = &["is-a", "descendent-of", "is-not-a", "in"];
const OF_LOINC: &[&str] = &["=", "is-a", "is-not-a"];
const OF_LOINC_PROPERTIES: &[&str] = &["=", "regex", "in", "not-in", "exists"];
const EQUAL: &[&str] = &["="];
const EQUAL_OR_IN: &[&str] = &["=", "in"];
const ALL_BUT_REGEX: &[&str] = &["=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "generalizes", "exists"];

/// As much as a regular expression may take while it is looked at.
const REGEX_BYTES: usize = 1 << 14;

/// What the values of a property are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Codes of the system.
    Codes,
    /// `system#code`
    Codings,
    /// An expression constraint of SNOMED CT.
    Constraint,
    Booleans,
    Integers,
    Decimals,
    Times,
    /// Texts, which nothing is known of.
    Texts,
    /// Whatever, also where it is asked whether there is a value: the property is not known.
    Open,
}

/// What the values of a property are, and which operators it has where not all.
fn property(check: &Check<'_, '_>, system: &str, property: &str) -> (Values, Option<&'static [&'static str]>) {
    match (system, property) {
        (SNOMED, "concept" | "code") => (Values::Codes, Some(OF_SNOMED)),
        (SNOMED, "constraint") => (Values::Constraint, Some(EQUAL)),
        (SNOMED, "expressions") => (Values::Booleans, Some(EQUAL_OR_IN)),
        (SNOMED, attribute) if attribute.bytes().all(|byte| byte.is_ascii_digit()) => (Values::Codes, None),
        (LOINC, "concept" | "code") => (Values::Open, Some(OF_LOINC)),
        (LOINC, name) if LOINC_CODES.contains(&name) => (Values::Codes, Some(OF_LOINC_PROPERTIES)),
        (LOINC, name) if LOINC_TEXTS.contains(&name) => (Values::Texts, Some(OF_LOINC_PROPERTIES)),
        (CPT, _) => (Values::Open, None),
        (RXNORM | UCUM, name) => (Values::Open, (name == "concept").then_some(ALL_BUT_REGEX)),
        (_, "concept") => (Values::Codes, Some(OF_CONCEPTS)),
        (_, "code") => (Values::Codes, Some(OF_CODES)),
        (_, "inactive" | "notSelectable") => (Values::Booleans, None),
        (_, "status") => (Values::Texts, None),
        _ => (declared(check, system, property), None),
    }
}

/// What the values of a property are by the definition of the system.
fn declared(check: &Check<'_, '_>, system: &str, property: &str) -> Values {
    let definition = check.registry.definition("CodeSystem", system);
    if matches!(property, "parent" | "child") && definition.as_deref().is_some_and(is_hierarchy) {
        return Values::Codes;
    }
    let properties = definition.as_deref().map_or(&[][..], |json| list(json, "property"));
    let Some(found) = properties.iter().find(|one| text(one, "code") == Some(property)) else { return Values::Open };
    match text(found, "type") {
        // of any system, whatever `codesystem.html` says: HL7's own systems have them so
        Some("code") => Values::Texts,
        Some("Coding") => Values::Codings,
        Some("boolean") => Values::Booleans,
        Some("integer") => Values::Integers,
        Some("decimal") => Values::Decimals,
        Some("dateTime") => Values::Times,
        _ => Values::Open,
    }
}

/// Whether the concepts of a system are said to be below one another.
fn is_hierarchy(system: &Json) -> bool {
    let is_parent = |property: &Json| text(property, "uri").is_some_and(|uri| uri.ends_with("#parent"));
    list(system, "property").iter().any(is_parent)
        || list(system, "concept").iter().any(|one| one.get("concept").is_some())
}

/// Checks the parts of a ValueSet.
pub fn check(check: &mut Check<'_, '_>, set: &Json, path: &Path) {
    let compose = path.child("compose");
    for name in ["include", "exclude"] {
        let all = compose.child(name);
        for (n, part) in set.get("compose").map_or(&[][..], |one| list(one, name)).iter().enumerate() {
            let (place, Some(system)) = (all.item(n), text(part, "system")) else { continue };
            self::system(check, system, &place.child("system"));
            let filters = place.child("filter");
            for (m, filter) in list(part, "filter").iter().enumerate() {
                self::filter(check, system, filter, &filters.item(m));
            }
        }
    }
}

/// A system is a code system with an absolute URL.
fn system(check: &mut Check<'_, '_>, system: &str, path: &Path) {
    if !uris::is_absolute_canonical(system) {
        check.fail("value", || format!("the system must be an absolute URL, not {}", shown(system)), path);
    } else if check.registry.kind_of(system) == Some("ValueSet") {
        check.fail("value", || format!("{} is a value set, and no code system", shown(system)), path);
    }
}

fn filter(check: &mut Check<'_, '_>, system: &str, filter: &Json, path: &Path) {
    let (Some(property), Some(op), Some(value)) = (text(filter, "property"), text(filter, "op"), text(filter, "value"))
    else {
        return;
    };
    let (values, ops) = self::property(check, system, property);
    if let Some(ops) = ops.filter(|ops| !ops.contains(&op)) {
        let text = || {
            format!("the property {} is not filtered by \"{}\", but by {}", shown(property), shown(op), ops.join(", "))
        };
        return check.fail("value", text, &path.child("op"));
    }
    let place = path.child("value");
    match (op, values) {
        ("regex", _) => regex(check, value, &place),
        (_, Values::Open) => {}
        ("exists", _) => self::value(check, system, Values::Booleans, value, &place),
        ("in" | "not-in", _) => value.split(',').for_each(|one| self::value(check, system, values, one.trim(), &place)),
        _ => self::value(check, system, values, value, &place),
    }
}

fn value(check: &mut Check<'_, '_>, system: &str, values: Values, value: &str, path: &Path) {
    let (is_fine, what) = match values {
        Values::Codes => return code(check, system, value, path),
        Values::Codings => match value.rsplit_once('#') {
            Some((system, value)) => return code(check, system.split('|').next().unwrap_or(system), value, path),
            None => (false, "code with its system before a #"),
        },
        Values::Constraint => return constraint(check, value, path),
        Values::Booleans => (matches!(value, "true" | "false"), "boolean"),
        Values::Integers => (compared(value).parse::<i64>().is_ok(), "integer"),
        Values::Decimals => (compared(value).parse::<f64>().is_ok_and(f64::is_finite), "decimal"),
        Values::Times => (Primitive::DateTime.is_text(compared(value)), "date or date with a time"),
        Values::Texts | Values::Open => return,
    };
    if !is_fine {
        check.fail("value", || format!("\"{}\" is no {what}", shown(value)), path);
    }
}

/// A regular expression is one, as far as it is one of those that are understood here.
fn regex(check: &mut Check<'_, '_>, value: &str, path: &Path) {
    // only whether it is understood: a large one is not made
    if let Err(regex::Error::Syntax(why)) = regex::RegexBuilder::new(value).size_limit(REGEX_BYTES).build()
        && !why.contains("not supported")
    {
        check.fail("value", || format!("\"{}\" is no regular expression", shown(value)), path);
    }
}

/// A value without the comparator of a search that may stand before it, as in `lt2`.
fn compared(value: &str) -> &str {
    let prefixes = ["eq", "ne", "lt", "le", "gt", "ge", "sa", "eb", "ap"];
    prefixes.iter().find_map(|prefix| value.strip_prefix(prefix)).unwrap_or(value)
}

/// An expression constraint is one; what its concepts are is known where SNOMED CT is loaded.
fn constraint(check: &mut Check<'_, '_>, value: &str, path: &Path) {
    match ecl::parse(value) {
        Err(fault) => check.fail("value", || shown(fault.message()), path),
        Ok(_) if check.answers.is_some_and(|answers| answers.has_system(SNOMED)) => {}
        Ok(_) => unconfirmed(check, SNOMED, value, path),
    }
}

/// A code is one of its system.
fn code(check: &mut Check<'_, '_>, system: &str, code: &str, path: &Path) {
    let known = check.registry.code_system(system);
    if let Some(known) = known.filter(|known| known.is_complete()) {
        if !known.has(code) {
            let text = || format!("the code system {} has no code \"{}\"", shown(system), shown(code));
            check.fail("code-invalid", text, path);
        }
        return;
    }
    let loaded = check.answers.filter(|answers| answers.has_system(system));
    match loaded.map(|answers| answers.code(system, None, code)) {
        // a property of LOINC is named as well as given by its code
        Some(Membership::Out) if system != LOINC => {
            let text = || format!("the code system {} has no code \"{}\"", shown(system), shown(code));
            check.fail("code-invalid", text, path);
        }
        Some(_) => {}
        None if [SNOMED, LOINC].contains(&system)
            || (known.is_none() && system.starts_with("http://hl7.org/fhir/")) =>
        {
            unconfirmed(check, system, code, path);
        }
        None => {}
    }
}

fn unconfirmed(check: &mut Check<'_, '_>, system: &str, value: &str, path: &Path) {
    let text = || {
        let (system, value) = (shown(system), shown(value));
        format!("whether {system} has \"{value}\" cannot be told, since the code system is not loaded")
    };
    check.fail("code-invalid", text, path);
}
