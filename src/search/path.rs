//! Where the expressions of search parameters lead, as far as the definitions alone can tell.

use std::sync::LazyLock;

use hashbrown::HashSet;

use crate::fhir::definitions::element::{Property, TypeId, property, resource_type_id, type_by_name};
use crate::fhir::definitions::params::{ParamId, ParamKind, SearchParam, all_params, expression_for};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// The operands of a union, when nothing but unions is at the top level; else the whole.
pub fn operands(expression: &str) -> Vec<&str> {
    let parts: Vec<&str> = split(expression, '|').into_iter().map(str::trim).collect();
    let is_plain = |part: &&str| split(part, ' ').len() == 1;
    if parts.iter().all(is_plain) { parts } else { vec![expression] }
}

/// The parts between separators that stand outside of parentheses and brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == separator && depth == 0
    })
    .collect()
}

/// The element that a path leads to from a resource type: properties and `where(...)`, nothing else.
pub fn element(kind: ResourceType, path: &str) -> Option<&'static Property> {
    let (first, rest) = path.split_once('.')?;
    if first != kind.name() && !matches!(first, "Resource" | "DomainResource") {
        return None;
    }
    below(resource_type_id(kind), rest)
}

/// The type of what a path leads to: of the resource itself, or of an element.
pub fn target(kind: ResourceType, path: &str) -> Option<TypeId> {
    if path == kind.name() { type_by_name(path) } else { element(kind, path).map(|found| found.type_id) }
}

/// The element that a path leads to from an element of a type.
pub fn below(mut owner: TypeId, path: &str) -> Option<&'static Property> {
    let mut found = None;
    for step in split(path, '.').into_iter().filter(|step| !step.starts_with("where(")) {
        let next = property(owner, &Name::new(step))?;
        owner = next.type_id;
        found = Some(next);
    }
    found
}

/// Token parameters on strings and contact points: these are compared without regard to case (FHIR R4
/// `search.html`, 3.1.1.4.10: "if the underlying data type is string then the search is not case sensitive").
static CASELESS: LazyLock<HashSet<ParamId>> = LazyLock::new(|| {
    let tokens = all_params().iter().filter(|param| param.kind == ParamKind::Token);
    tokens.filter(|param| types(param).any(is_caseless)).map(|param| param.id).collect()
});

/// Whether tokens of this type are compared without regard to case.
pub fn is_caseless(type_name: &str) -> bool {
    matches!(type_name, "string" | "ContactPoint")
}

/// Whether a token parameter is compared without regard to case.
pub fn ignores_case(param: &SearchParam) -> bool {
    if !param.id.is_added() {
        return CASELESS.contains(&param.id);
    }
    let mut known = types(param).peekable();
    known.peek().is_some() && known.all(is_caseless)
}

/// Date parameters on elements of type `date` alone, such as `birthdate`.
static CALENDAR: LazyLock<HashSet<ParamId>> = LazyLock::new(|| of_types(ParamKind::Date, |name| name == "date"));

/// Whether the elements of a date parameter are dates, which have no zones: "dates do not have time zones, and time zones should
/// not be considered" (`search.html`, 3.1.1.4.7).
pub fn has_no_zones(param: &SearchParam) -> bool {
    CALENDAR.contains(&param.id)
}

/// Token parameters on what has no system.
static BARE: LazyLock<HashSet<ParamId>> =
    LazyLock::new(|| of_types(ParamKind::Token, |name| matches!(name, "ContactPoint" | "boolean" | "uri")));

/// Whether the elements of a token parameter have no system: "for token parameters on elements of type ContactPoint, uri, or
/// boolean, the presence of the pipe symbol SHALL NOT be used" (`search.html`, 3.1.1.4.10).
pub fn has_no_systems(param: &SearchParam) -> bool {
    BARE.contains(&param.id)
}

/// Token parameters on truth values.
static TRUTHS: LazyLock<HashSet<ParamId>> = LazyLock::new(|| of_types(ParamKind::Token, |name| name == "boolean"));

/// Whether the elements of a token parameter are `true` or `false` (`search.html`, 3.1.1.4.10).
pub fn is_truth(param: &SearchParam) -> bool {
    TRUTHS.contains(&param.id)
}

/// The official parameters of a kind whose elements are all known to be of some types.
fn of_types(kind: ParamKind, is_one: impl Fn(&str) -> bool) -> HashSet<ParamId> {
    let all = all_params().iter().filter(|param| param.kind == kind);
    let fits = |param: &&SearchParam| {
        let branches = |kind: &ResourceType| operands(&expression_for(*kind, param).unwrap_or_default()).len();
        let count: usize = param.base.iter().map(branches).sum();
        count > 0 && types(param).count() == count && types(param).all(&is_one)
    };
    all.map(|param| &**param).filter(fits).map(|param| param.id).collect()
}

/// Whether it cannot be told if the elements of a token parameter are compared without regard to case: those of added
/// parameters may be anything (`extension.value`), or of several types.
pub fn may_ignore_case(param: &SearchParam) -> bool {
    if !param.id.is_added() || param.kind != ParamKind::Token || ignores_case(param) {
        return false;
    }
    let branches = |kind: &ResourceType| operands(&expression_for(*kind, param).unwrap_or_default()).len();
    types(param).any(is_caseless) || types(param).count() < param.base.iter().map(branches).sum()
}

/// The names of the types of a parameter's elements, as far as they can be told.
pub fn types(param: &SearchParam) -> impl Iterator<Item = &'static str> {
    param.base.iter().flat_map(move |kind| {
        let text = expression_for(*kind, param).unwrap_or_default();
        operands(&text).into_iter().filter_map(|path| type_of(*kind, path)).collect::<Vec<_>>()
    })
}

/// The name of the type of what a path leads to.
fn type_of(kind: ResourceType, path: &str) -> Option<&'static str> {
    // `x.ofType(T)` and `x.as(T)` say it, whatever x is.
    let inner = path.trim_start_matches('(').trim_end_matches(')');
    let said = ["ofType(", ".as(", " as "].iter().find_map(|word| Some(inner.rsplit_once(word)?.1));
    match said.and_then(|name| type_by_name(name.trim())) {
        Some(found) => Some(found.name()),
        None => element(kind, path).map(|found| found.type_id.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_elements() {
        let kind = |name| ResourceType::find(name).expect(name);
        let type_of = |name, path| element(kind(name), path).map(|found| found.type_id.name());
        assert_eq!(type_of("Patient", "Patient.telecom.where(system='e.m')"), Some("ContactPoint"));
        assert_eq!(type_of("Patient", "Patient.contact.name.family"), Some("string"));
        assert_eq!(type_of("Patient", "Resource.id"), Some("id"));
        assert_eq!(type_of("Patient", "Person.gender"), None);
        assert_eq!(type_of("Patient", "Patient.name.exists()"), None);
        assert_eq!(operands("A.b | A.c.where(x | y)"), ["A.b", "A.c.where(x | y)"]);
        assert_eq!(operands("A.b and A.c | A.d"), ["A.b and A.c | A.d"]);
    }

    #[test]
    fn what_has_no_zones_and_no_systems_is_known() {
        let urls = |is_one: fn(&SearchParam) -> bool| {
            let found =
                all_params().iter().filter(|of| is_one(of)).map(|of| of.url.rsplit('/').next().unwrap_or_default());
            found.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            urls(has_no_zones),
            "Basic-created ClaimResponse-payment-date Goal-start-date Goal-target-date individual-birthdate"
        );
        let bare = urls(has_no_systems);
        for name in ["Patient-active", "individual-telecom", "individual-phone", "individual-email"] {
            assert!(bare.contains(name), "{name} in {bare}");
        }
        assert!(!bare.contains("identifier") && !bare.contains("gender"), "{bare}");
        let truths = urls(is_truth);
        assert!(truths.contains("Patient-active") && !truths.contains("telecom"), "{truths}");
    }

    /// The test side of a search knows only the parameter, the extraction only the element: they agree when no
    /// parameter mixes types that ignore case with others.
    #[test]
    fn no_parameter_ignores_case_for_some_of_its_elements() {
        let mut caseless = 0;
        for of in all_params().iter().filter(|of| of.kind == ParamKind::Token) {
            caseless += usize::from(ignores_case(of));
            assert!(types(of).all(|name| is_caseless(name) == ignores_case(of)), "{}", of.url);
        }
        assert!(caseless > 20, "{caseless}");
        for of in all_params().iter() {
            assert!(!of.components.iter().any(|component| ignores_case(&component.param)), "{}", of.url);
        }
    }
}
