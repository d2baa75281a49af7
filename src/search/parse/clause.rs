//! One condition: a parameter, perhaps with a modifier, and its values.

use std::sync::Arc;

use smallvec::SmallVec;

use super::context::{Trouble, Work, bad, shown, tests, unsupported};
use super::list::list;
use super::modifier;
use crate::base::fault::{Category, Fault};
use crate::fhir::definitions::params::{ParamKind, SearchParam};
use crate::fhir::types::{ResourceId, ResourceType};
use crate::search::kind::escape::{split, unescape};
use crate::search::kind::{date, dispatch, reference, string, token};
use crate::search::params::{check_modifier, check_prefix, check_values};
use crate::search::query::{Clause, ReferenceTest, Test};

/// Modifiers of the specification that are not offered yet.
const ABSENT: [&str; 7] = ["text", "in", "not-in", "below", "above", "of-type", "iterate"];

/// Parameters that are known but not offered.
const NOT_OFFERED: [&str; 4] = ["_filter", "_query", "_type", "_score"];

/// A parameter's name without chains: the parameter, and the modifier after the colon.
pub(super) fn split_name(name: &str) -> (&str, Option<&str>) {
    name.split_once(':').map_or((name, None), |(code, modifier)| (code, Some(modifier)))
}

/// The parameter of a type.
pub(super) fn find(work: &Work<'_>, kind: ResourceType, code: &str, name: &str) -> Result<Arc<SearchParam>, Trouble> {
    if NOT_OFFERED.contains(&code) {
        return Err(unsupported(name, &format!("\"{code}\"")).into());
    }
    match work.param(kind, code) {
        Some(param) if param.expression.is_none() => Err(unsupported(name, &format!("\"{code}\"")).into()),
        Some(param) => Ok(param),
        None => {
            let mut message = format!("unknown search parameter \"{}\" of {kind}", shown(code));
            if code != name {
                message.push_str(&format!(", in \"{}\"", shown(name)));
            }
            Err(Trouble::Unknown(Fault::unsupported(message)))
        }
    }
}

/// A condition without a chain. `name` is the whole name, for messages.
pub(super) fn plain(
    work: &Work<'_>,
    kind: ResourceType,
    part: &str,
    name: &str,
    text: &str,
) -> Result<Clause, Trouble> {
    work.count()?;
    let (code, modifier) = split_name(part);
    if code == "_list" {
        return list(work, modifier, name, text);
    }
    if matches!(code, "_id" | "_lastUpdated") {
        return own(work, code, modifier, name, text);
    }
    if let Some(place) = modifier::word_place(kind, code) {
        return modifier::in_words(work, place, modifier, name, text);
    }
    let param = find(work, kind, code, name)?;
    allowed(&param, modifier, name, text)?;
    match modifier {
        Some("missing") => missing(&param, name, text),
        Some("not") if param.kind == ParamKind::Token => {
            let tests = tests(work, name, text, |value| parse(work, &param, value))?;
            Ok(Clause::Not { param, tests })
        }
        Some(modifier) => match modifier::clause(work, &param, modifier, name, text)? {
            Some(clause) => Ok(clause),
            None => {
                let tests = with_modifier(work, &param, modifier, name, text)?;
                Ok(Clause::Param { param, tests })
            }
        },
        None => {
            let tests = tests(work, name, text, |value| parse_all(work, &param, value))?;
            Ok(Clause::Param { param, tests: tests.into_iter().flatten().collect() })
        }
    }
}

/// What the definition of the parameter allows.
fn allowed(param: &SearchParam, modifier: Option<&str>, name: &str, text: &str) -> Result<(), Trouble> {
    if param.details.is_none() {
        return Ok(());
    }
    let count = split(text, b',').filter(|value| !value.is_empty()).count();
    check_values(param, count).map_err(|reason| bad(name, text, reason))?;
    match modifier.map(|modifier| check_modifier(param, modifier)) {
        Some(Err(reason)) => {
            let message = format!("search parameter \"{}\": {reason}", shown(name));
            Err(Fault::coded(Category::Invalid, "not-supported", message).into())
        }
        _ => Ok(()),
    }
}

/// One value without a modifier.
pub(super) fn parse(work: &Work<'_>, param: &SearchParam, value: &str) -> Result<Test, &'static str> {
    let test = dispatch::parse(param, value, &work.reading())?;
    check_prefix(param, &test)?;
    Ok(test)
}

/// The same as tests of which one must pass.
fn parse_all(work: &Work<'_>, param: &SearchParam, value: &str) -> Result<SmallVec<[Test; 2]>, &'static str> {
    let tests = dispatch::parse_all(param, value, &work.reading())?;
    tests.iter().try_for_each(|test| check_prefix(param, test))?;
    Ok(tests)
}

/// `_id` and `_lastUpdated`, which the index knows without extraction.
fn own(work: &Work<'_>, code: &str, modifier: Option<&str>, name: &str, text: &str) -> Result<Clause, Trouble> {
    match modifier {
        // every resource has both
        Some("missing") => {
            let nothing = Clause::Id(Vec::new());
            let is_missing = is_true(name, text)?;
            return Ok(if is_missing { nothing } else { Clause::Complement(Box::new(nothing)) });
        }
        Some("not") if code == "_id" => {
            let found = own(work, code, None, name, text)?;
            return Ok(Clause::Complement(Box::new(found)));
        }
        Some(modifier) => return Err(unsupported(name, &format!("modifier \":{}\"", shown(modifier))).into()),
        None => {}
    }
    if code == "_lastUpdated" {
        return Ok(Clause::LastUpdated(tests(work, name, text, |value| date::parse(value, work.context.now))?));
    }
    let ids = tests(work, name, text, |value| {
        let id = unescape(value)?;
        ResourceId::parse(&id).map_err(|_| "an id has 1 to 64 letters, digits, `-` and `.`")
    })?;
    Ok(Clause::Id(ids))
}

fn missing(param: &Arc<SearchParam>, name: &str, text: &str) -> Result<Clause, Trouble> {
    if param.kind == ParamKind::Composite {
        return Err(not_allowed(param, "missing", name).into());
    }
    Ok(Clause::Missing { param: param.clone(), missing: is_true(name, text)? })
}

/// The value of `:missing`.
fn is_true(name: &str, text: &str) -> Result<bool, Trouble> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        "" => Err(Trouble::Empty),
        _ => Err(bad(name, text, "`:missing` is true or false").into()),
    }
}

fn with_modifier(
    work: &Work<'_>,
    param: &SearchParam,
    modifier: &str,
    name: &str,
    text: &str,
) -> Result<Vec<Test>, Trouble> {
    let mode = match modifier {
        "exact" => Some(string::Mode::Exact),
        "contains" => Some(string::Mode::Contains),
        _ => None,
    };
    match (param.kind, mode) {
        (ParamKind::String, Some(mode)) => {
            let tests = tests(work, name, text, |value| string::parse(value, mode))?;
            Ok(tests.into_iter().flatten().map(Test::String).collect())
        }
        (ParamKind::Reference, _) if modifier == "identifier" => tests(work, name, text, |value| {
            token::parse(value).map(|test| Test::Reference(ReferenceTest::Identifier(test)))
        }),
        (ParamKind::Reference, _) => match ResourceType::find(modifier) {
            Some(kind) => {
                check_target(param, kind, name)?;
                tests(work, name, text, |value| {
                    reference::parse(value, Some(kind), param, work.context.base).map(Test::Reference)
                })
            }
            None => Err(not_allowed(param, modifier, name).into()),
        },
        _ => Err(not_allowed(param, modifier, name).into()),
    }
}

/// Refuses a type that a reference parameter cannot lead to.
pub(super) fn check_target(param: &SearchParam, kind: ResourceType, name: &str) -> Result<(), Fault> {
    if param.targets.is_empty() || param.targets.contains(&kind) {
        return Ok(());
    }
    let message = format!("search parameter \"{}\": \"{}\" does not refer to {kind}", shown(name), param.code);
    Err(Fault::coded(Category::Invalid, "value", message))
}

/// 400 for a modifier that the parameter's type does not have, or that is not offered yet.
pub(super) fn not_allowed(param: &SearchParam, modifier: &str, name: &str) -> Fault {
    if ABSENT.contains(&modifier) {
        return unsupported(name, &format!("modifier \":{modifier}\""));
    }
    let kind = format!("{:?}", param.kind).to_lowercase();
    let message = format!(
        "search parameter \"{}\": modifier \":{}\" is not allowed on a parameter of type {kind}",
        shown(name),
        shown(modifier)
    );
    Fault::coded(Category::Invalid, "not-supported", message)
}
