//! UCUM as a code system (FHIR R4 `ucum.html`): its filters, its implicit value sets, and names for people.

use std::borrow::Cow;
use std::sync::LazyLock;

use hashbrown::HashMap;

use super::about::PropertyDefinition;
use super::concept::{Coding, Designation, PropertyKind};
use super::filter::{Filter, Op};
use super::memory::{list, text};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::terminology::{Kind, find};
use crate::fhir::json::{Json, Object};
use crate::fhir::quantity::{UCUM, scale};

/// What the value sets of all units begin with.
const VALUE_SETS: &str = "http://unitsofmeasure.org/vs";
/// FHIR's list of common units, which has names for people.
const COMMON: &str = "http://hl7.org/fhir/ValueSet/ucum-common";
/// The base units by what they measure.
const BASE: [(&str, &str); 7] = [
    ("length", "m"),
    ("time", "s"),
    ("mass", "g"),
    ("plane angle", "rad"),
    ("temperature", "K"),
    ("electric charge", "C"),
    ("luminous intensity", "cd"),
];

/// The names of common units.
static NAMES: LazyLock<HashMap<Box<str>, Box<str>>> = LazyLock::new(|| {
    let Ok(Some(set)) = find(Kind::ValueSet, COMMON) else { return HashMap::new() };
    let includes = set.get("compose").map(|compose| list(compose, "include")).unwrap_or_default();
    let concepts = includes.iter().flat_map(|include| list(include, "concept"));
    concepts.filter_map(|concept| Some((text(concept, "code")?.into(), text(concept, "display")?.into()))).collect()
});

/// The properties by which units are filtered.
pub fn properties() -> Vec<PropertyDefinition> {
    let one = |code: &str, description: &str| PropertyDefinition {
        code: code.into(),
        uri: None,
        description: Some(description.into()),
        kind: PropertyKind::String,
    };
    vec![one("property", "what the base unit measures"), one("canonical", "a unit that is comparable")]
}

/// Whether a code is a unit.
pub fn is_unit(code: &str) -> bool {
    octofhir_ucum::validate(&unit(code)).is_ok()
}

/// A unit with the spaces of its annotations as `_`, and without annotations after a closing bracket: UCUM has neither, FHIR's own list
/// of common units has both.
fn unit(code: &str) -> Cow<'_, str> {
    if let Some((before, rest)) = code.split_once("){")
        && let Some((_, after)) = rest.split_once('}')
    {
        return unit(&format!("{before}){after}")).into_owned().into();
    }
    if !code.contains(' ') {
        return code.into();
    }
    let mut depth = 0_i32;
    let plain = code.chars().map(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ' ' && depth > 0 { '_' } else { c }
    });
    plain.collect::<String>().into()
}

/// Names of a unit for people: made of the names of its parts, and that of FHIR's list of common units.
pub fn designations(code: &str) -> Vec<Designation> {
    let one = |value: &str, usage: Option<Coding>| Designation {
        language: Some("en".into()),
        usage,
        value: value.into(),
        ..Designation::default()
    };
    let synonym = || Coding {
        system: Some("http://snomed.info/sct".into()),
        code: Some("900000000000013009".into()),
        ..Coding::default()
    };
    let made = octofhir_ucum::display_name(&unit(code)).ok().filter(|name| name != code);
    let listed = NAMES.get(code).filter(|name| ***name != *code);
    let made = made.map(|name| one(&name, None));
    made.into_iter().chain(listed.map(|name| one(name, Some(synonym())))).collect()
}

/// Whether a filter is one of UCUM, with a value of the right form: `property` of a base unit; `canonical` and, in its value sets,
/// `comparable` with units.
///
/// # Errors
/// 422 when it is none.
pub fn check(filter: &Filter) -> Result<()> {
    let wrong = |code: &'static str, text: String| Err(Fault::coded(Category::Unprocessable, code, text));
    match (&*filter.property, filter.op) {
        ("property", Op::Equals) if base(&filter.value).is_none() => {
            let known: Vec<&str> = BASE.iter().map(|(name, _)| *name).collect();
            wrong("invalid", format!("a base unit of {UCUM} measures one of: {}", known.join(", ")))
        }
        ("property", Op::Equals) => Ok(()),
        ("canonical" | "comparable", Op::Equals | Op::In) => match units(filter).find(|unit| !is_unit(unit)) {
            None => Ok(()),
            Some(other) => {
                let shown: String = other.chars().take(60).collect();
                wrong("invalid", format!("the filter {} {} has no unit \"{shown}\"", filter.property, filter.op.code()))
            }
        },
        (property, op) => {
            wrong("not-supported", format!("the code system {UCUM} has no filter {property} {}", op.code()))
        }
    }
}

fn base(property: &str) -> Option<&'static str> {
    BASE.iter().find(|(name, _)| name.eq_ignore_ascii_case(property)).map(|(_, unit)| *unit)
}

/// The units that a filter names.
fn units(filter: &Filter) -> impl Iterator<Item = &str> {
    let is_list = filter.op == Op::In;
    let all = is_list.then(|| filter.list()).into_iter().flatten();
    all.chain((!is_list).then_some(&*filter.value))
}

/// Whether a unit passes a filter that was checked.
pub fn passes(code: &str, filter: &Filter) -> bool {
    let is_like = |other: &str| octofhir_ucum::is_comparable(&unit(code), &unit(other)).unwrap_or(false);
    match &*filter.property {
        "property" => base(&filter.value).is_some_and(is_like),
        _ => units(filter).any(is_like),
    }
}

/// Why a unit does not pass a filter; none if it does.
pub fn refusal(code: &str, filter: &Filter) -> Option<String> {
    let is_of_units = matches!(&*filter.property, "canonical" | "comparable");
    let form = scale(&unit(code)).filter(|_| is_of_units && !passes(code, filter))?.unit;
    Some(format!("Code {code} has canonical form {form}, not {} as required", filter.value))
}

/// The value set of a URL: of all units, or of those that are comparable with one.
///
/// # Errors
/// 422 when that is no unit.
pub fn value_set(url: &str) -> Result<Option<Json>> {
    let Some(rest) = url.strip_prefix(VALUE_SETS) else { return Ok(None) };
    let string = |text: &str| Json::string(text);
    let mut include = Object::new();
    include.set("system", string(UCUM));
    let mut name = "All units of UCUM".to_owned();
    if let Some(unit) = rest.strip_prefix('/').filter(|unit| !unit.is_empty()) {
        let filter = Filter { property: "comparable".into(), op: Op::Equals, value: unit.into() };
        check(&filter).map_err(|fault| fault.at(url.to_owned()))?;
        let filter =
            [("property", "comparable"), ("op", "="), ("value", unit)].map(|(name, text)| (name, string(text)));
        include.set("filter", Json::Array(vec![Json::object(filter)]));
        name = format!("UCUM expressions comparable to {unit}");
    } else if !rest.is_empty() {
        return Ok(None);
    }
    let compose = Json::object([("include", Json::Array(vec![Json::Object(include)]))]);
    Ok(Some(Json::object([
        ("resourceType", string("ValueSet")),
        ("url", string(url)),
        ("title", string(&name)),
        ("status", string("active")),
        ("compose", compose),
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(property: &str, op: Op, value: &str) -> Filter {
        Filter { property: property.into(), op, value: value.into() }
    }

    #[test]
    fn filters_compare_what_is_measured() {
        for (property, op, value, code, expected) in [
            ("canonical", Op::Equals, "g", "kg", true),
            ("canonical", Op::Equals, "mg", "kg", true),
            ("canonical", Op::Equals, "g", "mL", false),
            ("canonical", Op::In, "g,L", "mL", true),
            ("canonical", Op::In, "g, m", "mL", false),
            ("comparable", Op::Equals, "mm[Hg]", "kPa", true),
            ("comparable", Op::Equals, "Cel", "[degF]", true),
            ("property", Op::Equals, "mass", "[lb_av]", true),
            ("property", Op::Equals, "mass", "mL", false),
            ("property", Op::Equals, "time", "wk{of pregnancy}", true),
        ] {
            let filter = filter(property, op, value);
            check(&filter).expect(value);
            assert_eq!(passes(code, &filter), expected, "{property} {value} {code}");
        }
        for (property, op, value) in [
            ("property", Op::Equals, "pressure"),
            ("property", Op::In, "mass"),
            ("canonical", Op::Equals, "xyz"),
            ("canonical", Op::Regex, "g"),
            ("concept", Op::IsA, "g"),
        ] {
            assert_eq!(check(&filter(property, op, value)).expect_err(value).category(), Category::Unprocessable);
        }
        let canonical = filter("canonical", Op::Equals, "g");
        assert_eq!(refusal("mL", &canonical).as_deref(), Some("Code mL has canonical form m3, not g as required"));
        assert_eq!(refusal("kg", &canonical), None);
    }

    #[test]
    fn units_have_names() {
        let names = |code: &str| designations(code).into_iter().map(|one| one.value).collect::<Vec<_>>().join("; ");
        assert_eq!(names("mg/dL"), "(milligram) / (deciliter); milligram per deciliter");
        assert_eq!(names("mm"), "(millimeter); millimeter");
    }

    #[test]
    fn value_sets_follow_from_urls() {
        let filter = |url: &str| {
            let set = value_set(url).expect(url)?;
            let include = list(set.get("compose")?, "include").first()?.clone();
            Some(list(&include, "filter").first().and_then(|filter| text(filter, "value")).unwrap_or("").to_owned())
        };
        assert_eq!(filter("http://unitsofmeasure.org/vs").as_deref(), Some(""));
        assert_eq!(filter("http://unitsofmeasure.org/vs/mg/dL").as_deref(), Some("mg/dL"));
        assert_eq!(filter("http://unitsofmeasure.org/vsx"), None);
        assert!(value_set("http://unitsofmeasure.org/vs/nothing").is_err());
    }
}
