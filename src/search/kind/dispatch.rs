//! From a parameter's type to its file.

use smallvec::{SmallVec, smallvec};

use super::element::Element;
use super::escape::split;
use super::{composite, date, near, number, quantity, reference, string, token, uri};
use crate::base::clock::Timestamp;
use crate::fhir::definitions::params::{ParamKind, SearchParam};
use crate::search::path::{has_no_systems, has_no_zones, ignores_case, is_truth, may_ignore_case};
use crate::search::query::{AnyCase, DateTest, Test, TokenTest};
use crate::search::value::Value;

/// What reading a value needs besides the value.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The server's base, to recognise its own absolute URLs.
    pub base: &'a str,
    /// For the prefix `ap` on dates.
    pub now: Timestamp,
}

/// Reads one value without a modifier into tests of which one must pass.
///
/// # Errors
/// The reason, when it is no value of the parameter's type.
pub fn parse_all(of: &SearchParam, value: &str, reading: &Reading<'_>) -> Result<SmallVec<[Test; 2]>, &'static str> {
    match of.kind {
        ParamKind::String => strings(value),
        ParamKind::Composite => {
            let mut all: SmallVec<[Vec<Test>; 2]> = smallvec![Vec::new()];
            for tests in parts(of, value, reading)? {
                let more = |found: &Vec<Test>| {
                    tests.iter().map(|test| [found.as_slice(), std::slice::from_ref(test)].concat()).collect::<Vec<_>>()
                };
                all = all.iter().flat_map(more).collect();
            }
            Ok(all.into_iter().map(|tests| Test::Composite(tests.into())).collect())
        }
        _ => parse(of, value, reading).map(|test| smallvec![test]),
    }
}

fn strings(value: &str) -> Result<SmallVec<[Test; 2]>, &'static str> {
    Ok(string::parse(value, string::Mode::StartsWith)?.into_iter().map(Test::String).collect())
}

/// Reads one value without a modifier. Of a string with punctuation, which may be written in two ways, the one without.
///
/// # Errors
/// The reason, when it is no value of the parameter's type.
pub fn parse(of: &SearchParam, value: &str, reading: &Reading<'_>) -> Result<Test, &'static str> {
    match plain(of, value, reading)? {
        // When in doubt tokens are compared without regard to case (`search.html`, 3.1.1.4.10).
        Test::Token(token) if may_ignore_case(of) => Ok(Test::AnyCase(AnyCase { token, other: false })),
        test => Ok(test),
    }
}

fn plain(of: &SearchParam, value: &str, reading: &Reading<'_>) -> Result<Test, &'static str> {
    Ok(match of.kind {
        ParamKind::String => {
            let mut tests = string::parse(value, string::Mode::StartsWith)?;
            Test::String(tests.swap_remove(0))
        }
        ParamKind::Token => Test::Token(caseless(of, token_of(of, value)?)),
        ParamKind::Reference => Test::Reference(reference::parse(value, None, of, reading.base)?),
        ParamKind::Date => Test::Date(dated(of, value, reading.now)?),
        ParamKind::Number => Test::Number(number::parse(value)?),
        ParamKind::Quantity => Test::Quantity(quantity::parse(value)?),
        ParamKind::Uri => Test::Uri(uri::parse(value, None)?),
        ParamKind::Composite => {
            let first = parts(of, value, reading)?.into_iter().filter_map(|mut tests| tests.drain(..).next());
            Test::Composite(first.collect())
        }
        ParamKind::Special => Test::Near(near::parse(value)?),
    })
}

/// Reads a value of a date parameter.
///
/// # Errors
/// The reason, when it is no date.
pub fn dated(of: &SearchParam, value: &str, now: Timestamp) -> Result<DateTest, &'static str> {
    if has_no_zones(of) { date::parse_on_calendar(value, now) } else { date::parse(value, now) }
}

fn token_of(of: &SearchParam, value: &str) -> Result<TokenTest, &'static str> {
    if has_no_systems(of) && split(value, b'|').count() > 1 {
        return Err(
            "contact points, URIs and truth values have no system: there is no `|`; one that belongs to the value is written `\\|`",
        );
    }
    let test = token::parse(value)?;
    if is_truth(of) && test.code.as_deref().is_some_and(|code| !matches!(code, "true" | "false")) {
        return Err("it is true or false");
    }
    Ok(test)
}

/// The test as the values of its parameter are kept: in lowercase when case does not matter.
fn caseless(of: &SearchParam, mut test: TokenTest) -> TokenTest {
    if ignores_case(of) {
        test.code = test.code.map(|code| code.to_lowercase().into());
    }
    test
}

/// For each component the tests of which one must pass.
fn parts(of: &SearchParam, value: &str, reading: &Reading<'_>) -> Result<Vec<SmallVec<[Test; 2]>>, &'static str> {
    let parts: Vec<&str> = split(value, b'$').collect();
    if parts.len() != of.components.len() {
        return Err("a composite has one value for each of its components, joined with `$`");
    }
    let tests = parts.iter().zip(&of.components).map(|(part, component)| {
        let component = &component.param;
        match component.kind {
            ParamKind::Composite | ParamKind::Special => Err("a component of this type cannot be searched"),
            _ if part.is_empty() => Err("a component of the composite is empty"),
            ParamKind::String => strings(part),
            _ => plain(component, part, reading).map(|test| smallvec![test]),
        }
    });
    tests.collect()
}

/// The values of one element for a parameter that is not a composite.
pub fn extract(kind: ParamKind, element: Element<'_>, base: &str, out: &mut dyn FnMut(Value)) {
    match kind {
        ParamKind::String => string::extract(element, out),
        ParamKind::Token => token::extract(element, out),
        ParamKind::Reference => reference::extract(element, base, out),
        ParamKind::Date => date::extract(element, out),
        ParamKind::Number => number::extract(element, out),
        ParamKind::Quantity => quantity::extract(element, out),
        ParamKind::Uri => uri::extract(element, out),
        ParamKind::Special => near::extract(element, out),
        ParamKind::Composite => {}
    }
}

/// All combinations of the components' values.
pub fn tuples(components: &[Vec<Value>], out: &mut dyn FnMut(Value)) {
    composite::tuples(components, out);
}

/// Whether one value passes one test; a value of another type never does.
pub fn passes(test: &Test, value: &Value) -> bool {
    match (test, value) {
        (Test::String(test), Value::String { folded, exact, others }) => string::passes(test, folded, exact, others),
        (Test::Concepts(test), Value::Token { system, code, .. }) => test.passes(system.as_deref(), code.as_deref()),
        (Test::AnyCase(test), Value::Token { system, code, .. }) => {
            token::passes_any_case(test, system.as_deref(), code.as_deref())
        }
        (Test::Token(test), Value::Token { system, code, .. }) => {
            token::passes(test, system.as_deref(), code.as_deref())
        }
        (Test::Text(part), Value::Token { text: Some(text), .. }) => string::at_word(text, part),
        (Test::Typed(wanted), Value::Typed(found)) => wanted == found,
        (Test::Mime(wanted), Value::Mime(found)) => wanted == found,
        (Test::Reference(test), Value::Reference(target)) => reference::passes(test, target),
        (Test::Date(test), Value::Date(span)) => date::passes(test, *span),
        (Test::Number(test), Value::Number(number)) => number::passes(test, number.low, number.high),
        (Test::Implied(wanted), Value::Implied(range)) => number::includes(range, *wanted),
        (Test::Quantity(test), Value::Quantity(quantity)) => quantity::passes(test, quantity),
        (Test::Near(circle), Value::Position(at)) => near::passes(circle, *at),
        (Test::Uri(test), Value::Uri(uri)) => uri::passes(test, uri),
        (Test::Composite(tests), Value::Composite(values)) => {
            tests.len() == values.len() && tests.iter().zip(values).all(|(test, value)| passes(test, value))
        }
        _ => false,
    }
}
