//! What a `_filter` asks of a type: names to parameters, operations to tests by the type of the parameter
//! (FHIR R4 `search_filter.html`, 3.1.3.2).

use super::chain::{reference, to_targets};
use super::clause::{find, parse as parse_value};
use super::context::{Trouble, Work, shown};
use super::filter::{Comparison, Filter, Operation, Step, parse};
use super::modifier::{in_set, is_coded, related};
use super::types::check_common;
use crate::base::fault::{Category, Fault};
use crate::fhir::definitions::params::{ParamKind, SearchParam};
use crate::fhir::types::{ResourceId, ResourceType};
use crate::search::kind::{date, dispatch, number, reference as references, string, token};
use crate::search::nested::{self, Meaning, Names, RELATIONSHIPS};
use crate::search::query::{AnyCase, Clause, DateTest, Prefix, Relation, StringTest, SystemTest, Test, UriTest};

/// Names that stand for code systems (3.1.3.2, the note).
const SYSTEMS: [(&str, &str); 4] = [
    ("loinc", "http://loinc.org"),
    ("snomed", "http://snomed.info/sct"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("ucum", "http://unitsofmeasure.org"),
];

/// The condition of a `_filter` on some types.
///
/// # Errors
/// 400 for what is malformed, unknown or not common to the types: a filter is never ignored.
pub(super) fn clause(work: &Work<'_>, types: &[ResourceType], text: &str) -> Result<Clause, Fault> {
    let filter = parse(text)?;
    let kind = types.first().copied().ok_or_else(|| Fault::internal("a search of no type"))?;
    let found = common(work, types, &filter).and_then(|()| of(work, Place::Resource(kind), &filter, 0));
    found.map_err(|trouble| match trouble {
        Trouble::Bad(fault) | Trouble::Unknown(fault) => fault,
        Trouble::Empty => wrong("a value is empty"),
    })
}

/// What the names of a filter are looked up in.
#[derive(Clone, Copy)]
enum Place {
    /// The parameters of a type.
    Resource(ResourceType),
    /// The children of a name of a type.
    Element(ResourceType, &'static Names),
}

fn common(work: &Work<'_>, types: &[ResourceType], filter: &Filter<'_>) -> Result<(), Trouble> {
    match filter {
        Filter::And(a, b) | Filter::Or(a, b) => common(work, types, a).and_then(|()| common(work, types, b)),
        Filter::Not(inner) => common(work, types, inner),
        Filter::Compare(Comparison { path, .. }) => {
            path.first().map_or(Ok(()), |step| check_common(work, types, step.name))
        }
    }
}

fn of(work: &Work<'_>, place: Place, filter: &Filter<'_>, depth: usize) -> Result<Clause, Trouble> {
    Ok(match filter {
        Filter::And(a, b) => match of(work, place, a, depth)? {
            Clause::All(mut all) => {
                all.push(of(work, place, b, depth)?);
                Clause::All(all)
            }
            first => Clause::All(vec![first, of(work, place, b, depth)?]),
        },
        Filter::Or(a, b) => match of(work, place, a, depth)? {
            Clause::Any(mut any) => {
                any.push(of(work, place, b, depth)?);
                Clause::Any(any)
            }
            first => Clause::Any(vec![first, of(work, place, b, depth)?]),
        },
        Filter::Not(inner) => Clause::Complement(Box::new(of(work, place, inner, depth)?)),
        Filter::Compare(comparison) if is_absence(comparison)? => {
            let present = Comparison { value: "true".into(), ..comparison.clone() };
            Clause::Complement(Box::new(along(work, place, &present, &present.path, depth)?))
        }
        Filter::Compare(comparison) => along(work, place, comparison, &comparison.path, depth)?,
    })
}

/// `pr false`: there is nothing at the end of the whole path.
fn is_absence(comparison: &Comparison<'_>) -> Result<bool, Fault> {
    let is = |text: &str| comparison.value.eq_ignore_ascii_case(text);
    match comparison.operation {
        Operation::Pr if !is("true") && !is("false") => Err(wrong("the value of \"pr\" is true or false")),
        operation => Ok(operation == Operation::Pr && is("false")),
    }
}

/// A comparison at the end of a path.
fn along(
    work: &Work<'_>,
    place: Place,
    comparison: &Comparison<'_>,
    path: &[Step<'_>],
    depth: usize,
) -> Result<Clause, Trouble> {
    work.count()?;
    let most = work.context.limits.chain_depth;
    if depth >= most {
        let message = format!("search parameter \"_filter\": more than {most} steps");
        return Err(Fault::coded(Category::Invalid, "too-costly", message).into());
    }
    let Some((step, rest)) = path.split_first() else { return Err(wrong("a path has no name").into()) };
    let on = On { comparison, filter: step.filter.as_deref(), rest, depth };
    match place {
        Place::Element(kind, names) => child(work, kind, names, step.name, on),
        Place::Resource(kind) => match names(work, kind, step, rest) {
            Some(names) => element(work, kind, names, on),
            None => one(work, kind, step.name, on),
        },
    }
}

/// What comes after a name: its filter in brackets, the rest of the path, and the comparison at the end of it.
#[derive(Clone, Copy)]
struct On<'a> {
    comparison: &'a Comparison<'a>,
    filter: Option<&'a Filter<'a>>,
    rest: &'a [Step<'a>],
    depth: usize,
}

/// The name with children that is meant: `characteristic` of a Group is also a parameter, and a tenant may have
/// references of these names.
fn names(work: &Work<'_>, kind: ResourceType, step: &Step<'_>, rest: &[Step<'_>]) -> Option<&'static Names> {
    let names = nested::find(kind, step.name)?;
    let means_param = match work.context.params.find(kind, step.name) {
        Some(param) => rest.is_empty() || param.kind == ParamKind::Reference,
        None => false,
    };
    (!means_param).then_some(names)
}

/// `name[filter].child`: both hold for one of the elements.
fn element(work: &Work<'_>, kind: ResourceType, names: &'static Names, on: On<'_>) -> Result<Clause, Trouble> {
    let name = names.name;
    if names.children.is_empty() {
        let message = format!("search parameter \"_filter\": {kind} has no elements for \"{name}\" in R4");
        return Err(Fault::unsupported(message).into());
    }
    let place = Place::Element(kind, names);
    let Some(filter) = on.filter else {
        let known = known_children(names);
        return Err(wrong(&format!("\"{name}\" has a filter in brackets and one of {known} after it")).into());
    };
    let both = vec![of(work, place, filter, on.depth + 1)?, along(work, place, on.comparison, on.rest, on.depth + 1)?];
    Ok(Clause::Element { kind, name, clause: Box::new(Clause::All(both)) })
}

fn known_children(names: &Names) -> String {
    names.children.iter().map(|child| format!("\"{}\"", child.name)).collect::<Vec<_>>().join(", ")
}

/// A child of an element, by each of its parameters.
fn child(work: &Work<'_>, kind: ResourceType, names: &Names, name: &str, on: On<'_>) -> Result<Clause, Trouble> {
    let Some(child) = names.children.iter().find(|child| child.name == name) else {
        let known = known_children(names);
        return Err(wrong(&format!("\"{}\" of \"{}\" is none of {known}", shown(name), names.name)).into());
    };
    let codes = match &child.meaning {
        Meaning::Params(codes) => codes,
        Meaning::Codes(codes) if on.rest.is_empty() => return code(work, kind, name, codes, on.comparison),
        Meaning::Codes(_) => return Err(wrong(&format!("\"{name}\" is not a reference")).into()),
    };
    let (mut found, mut trouble) = (Vec::new(), None);
    for code in *codes {
        match one(work, kind, code, on) {
            Ok(clause) => found.push(clause),
            Err(other) => trouble = Some(other),
        }
    }
    // as for the targets of a chain: by one of the parameters nothing can match
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(Clause::Any(found)),
    }
}

/// A child that says which parameter the element has a value for.
fn code(
    work: &Work<'_>,
    kind: ResourceType,
    name: &str,
    codes: &[(&str, &str)],
    comparison: &Comparison<'_>,
) -> Result<Clause, Trouble> {
    let wanted = token::parse(&comparison.value).map_err(|reason| unfit(name, &comparison.value, reason))?;
    let is_of_system = match &wanted.system {
        SystemTest::Any => true,
        SystemTest::Absent => false,
        SystemTest::Is(system) => system.eq_ignore_ascii_case(RELATIONSHIPS),
    };
    let is_asked = |word: &str| match comparison.operation {
        Operation::Pr => true,
        _ => is_of_system && wanted.code.as_deref().is_none_or(|code| code.eq_ignore_ascii_case(word)),
    };
    if !matches!(comparison.operation, Operation::Eq | Operation::Ne | Operation::Pr) {
        return Err(not_for(comparison.operation, name, "token").into());
    }
    let mut equal = vec![Clause::Id(Vec::new())];
    for (_, code) in codes.iter().filter(|(word, _)| is_asked(word)) {
        let param = find(work, kind, code, "_filter")?;
        equal.push(Clause::Missing { param, missing: false });
    }
    let equal = Clause::Any(equal);
    Ok(if comparison.operation == Operation::Ne { Clause::Complement(Box::new(equal)) } else { equal })
}

/// A parameter, or what it leads to.
fn one(work: &Work<'_>, kind: ResourceType, name: &str, on: On<'_>) -> Result<Clause, Trouble> {
    if on.rest.is_empty() {
        return end(work, kind, name, on.comparison);
    }
    let param = reference(work, kind, name, "_filter")?;
    to_targets(param, |target| {
        let place = Place::Resource(target);
        let inner = along(work, place, on.comparison, on.rest, on.depth + 1)?;
        match on.filter {
            Some(filter) => Ok(Clause::All(vec![of(work, place, filter, on.depth + 1)?, inner])),
            None => Ok(inner),
        }
    })
}

/// A comparison with the values of one parameter.
fn end(work: &Work<'_>, kind: ResourceType, name: &str, comparison: &Comparison<'_>) -> Result<Clause, Trouble> {
    if name == "_id" {
        return Ok(id(comparison)?);
    }
    if name == "_lastUpdated" {
        return Ok(match comparison.operation {
            Operation::Pr => Clause::Complement(Box::new(Clause::Id(Vec::new()))),
            _ => Clause::LastUpdated(vec![dated(name, comparison, |text| date::parse(text, work.context.now))?]),
        });
    }
    let param = find(work, kind, name, "_filter")?;
    if comparison.operation == Operation::Pr {
        return Ok(Clause::Missing { param, missing: false });
    }
    let tests = vec![test(work, &param, comparison)?];
    Ok(match comparison.operation {
        // none of the values is in the value set
        Operation::Ni => Clause::Not { param, tests },
        _ => Clause::Param { param, tests },
    })
}

/// `_id` is compared as written.
fn id(comparison: &Comparison<'_>) -> Result<Clause, Fault> {
    let ids = match comparison.operation {
        Operation::Pr => Vec::new(),
        Operation::Eq | Operation::Ne => {
            vec![ResourceId::parse(&comparison.value).map_err(|_| wrong("the value of \"_id\" is no id"))?]
        }
        other => return Err(not_for(other, "_id", "token")),
    };
    let is = Clause::Id(ids);
    Ok(if comparison.operation == Operation::Eq { is } else { Clause::Complement(Box::new(is)) })
}

fn test(work: &Work<'_>, param: &SearchParam, comparison: &Comparison<'_>) -> Result<Test, Fault> {
    let Comparison { operation, value, .. } = comparison;
    let bad = |reason: &str| unfit(&param.code, value, reason);
    match (param.kind, operation) {
        (ParamKind::String, _) => text(param, comparison),
        (ParamKind::Date, _) => {
            dated(&param.code, comparison, |text| dispatch::dated(param, text, work.context.now)).map(Test::Date)
        }
        (ParamKind::Number, Operation::Co) => {
            let value = number::parse(plain(&param.code, value)?).map_err(bad)?.value;
            Ok(Test::Implied(value))
        }
        (ParamKind::Number | ParamKind::Quantity, _) => {
            let text = prefixed(param, comparison)?;
            parse_value(work, param, &text).map_err(bad)
        }
        (ParamKind::Token, Operation::Eq | Operation::Ne) => {
            let token = token::parse(&with_system(value, 0)).map_err(bad)?;
            Ok(Test::AnyCase(AnyCase { token, other: *operation == Operation::Ne }))
        }
        (ParamKind::Token, Operation::In | Operation::Ni | Operation::Ss | Operation::Sb) if !is_coded(param) => {
            let what = format!("\"{}\" on elements that are no Coding, CodeableConcept, code", operation.code());
            Err(Fault::unsupported(format!("search parameter \"_filter\": {what} is not supported")))
        }
        (ParamKind::Token, Operation::In | Operation::Ni) => in_set(param, value).map_err(bad),
        // what the value subsumes is below it
        (ParamKind::Token, Operation::Ss | Operation::Sb) => {
            related(param, &with_system(value, 0), *operation == Operation::Sb).map_err(bad)
        }
        (ParamKind::Reference, Operation::Re) => {
            references::parse(value, None, param, work.context.base).map(Test::Reference).map_err(bad)
        }
        (ParamKind::Reference, Operation::Eq) => Err(wrong("references are compared with \"re\", not with \"eq\"")),
        (ParamKind::Uri, Operation::Eq) => Ok(Test::Uri(UriTest::Same(value.as_str().into()))),
        (ParamKind::Uri, Operation::Ne) => Ok(Test::Uri(UriTest::Other(value.as_str().into()))),
        (kind, _) => Err(not_for(*operation, &param.code, &format!("{kind:?}").to_lowercase())),
    }
}

fn text(param: &SearchParam, comparison: &Comparison<'_>) -> Result<Test, Fault> {
    let folded = string::fold(&comparison.value);
    if folded.is_empty() {
        return Err(unfit(&param.code, &comparison.value, "there is no letter, digit or sign in it"));
    }
    let relation = match comparison.operation {
        Operation::Co => Relation::Contains,
        Operation::Sw => Relation::Starts,
        Operation::Eq => Relation::Same,
        Operation::Ne => Relation::Other,
        Operation::Ew => Relation::Ends,
        Operation::Gt => Relation::Above,
        Operation::Ge => Relation::AtLeast,
        Operation::Lt => Relation::Below,
        Operation::Le => Relation::AtMost,
        other => return Err(not_for(other, &param.code, "string")),
    };
    Ok(Test::String(StringTest::Relation(relation, folded)))
}

fn dated(
    code: &str,
    comparison: &Comparison<'_>,
    read: impl Fn(&str) -> Result<DateTest, &'static str>,
) -> Result<DateTest, Fault> {
    let own = match comparison.operation {
        Operation::Po => Some(Prefix::Ap),
        Operation::Co => Some(Prefix::Co),
        _ => None,
    };
    let text = match own {
        Some(_) => plain(code, &comparison.value)?.to_owned(),
        None => prefix(code, "date", comparison)?,
    };
    let test = read(&text).map_err(|reason| unfit(code, &comparison.value, reason))?;
    Ok(own.map_or(test, |prefix| DateTest { prefix, ..test }))
}

/// A number or quantity with the operation as its prefix.
fn prefixed(param: &SearchParam, comparison: &Comparison<'_>) -> Result<String, Fault> {
    let kind = if param.kind == ParamKind::Number { "number" } else { "quantity" };
    prefix(&param.code, kind, comparison).map(|text| with_system(&text, 1))
}

fn prefix(code: &str, kind: &str, comparison: &Comparison<'_>) -> Result<String, Fault> {
    match comparison.operation {
        Operation::Eq
        | Operation::Ne
        | Operation::Gt
        | Operation::Lt
        | Operation::Ge
        | Operation::Le
        | Operation::Ap
        | Operation::Sa
        | Operation::Eb => Ok(format!("{}{}", comparison.operation.code(), plain(code, &comparison.value)?)),
        other => Err(not_for(other, code, kind)),
    }
}

/// A value without a prefix of its own.
fn plain<'a>(code: &str, value: &'a str) -> Result<&'a str, Fault> {
    let is_plain = value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if is_plain { Ok(value) } else { Err(unfit(code, value, "it begins with a digit or a sign")) }
}

/// A value whose part `at` (between `|`) may be the short name of a code system.
fn with_system(value: &str, at: usize) -> String {
    let mut parts: Vec<&str> = value.split('|').collect();
    let is_system = parts.len() > at + 1;
    if let Some(part) = parts.get_mut(at).filter(|_| is_system)
        && let Some((_, system)) = SYSTEMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(part))
    {
        *part = system;
    }
    parts.join("|")
}

fn wrong(reason: &str) -> Fault {
    Fault::coded(Category::Invalid, "value", format!("search parameter \"_filter\": {reason}"))
}

fn unfit(code: &str, value: &str, reason: &str) -> Fault {
    wrong(&format!("value \"{}\" of \"{code}\" is not valid: {reason}", shown(value)))
}

fn not_for(operation: Operation, code: &str, kind: &str) -> Fault {
    let what = format!("\"{}\" does not apply to \"{code}\", which is of type {kind}", operation.code());
    Fault::coded(Category::Invalid, "not-supported", format!("search parameter \"_filter\": {what}"))
}
