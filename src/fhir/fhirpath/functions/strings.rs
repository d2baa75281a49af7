//! Texts (N1, 5.6). Positions and lengths count characters (Unicode scalar values).

use regex::{Regex, RegexBuilder};

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::string;
use crate::fhir::fhirpath::eval::{bounded_text, eval};
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, Node, Text, maybe, one, truth};

/// Longest regular expression in bytes, and most memory of a compiled one.
const MAX_PATTERN: usize = 8 * 1024;
const MAX_PROGRAM: usize = 1 << 20;

/// A regular expression as FHIRPath reads it: case matters, `.` matches line ends, Unicode.
///
/// # Errors
/// 400 when it is no regular expression, uses what the engine does not offer (look-around, back
/// references), or is too large.
pub fn pattern(text: &str) -> Result<Regex> {
    pattern_with(text, "")
}

/// As [`pattern`], with flags: `i` for any case, `m` for `^` and `$` at every line.
fn pattern_with(text: &str, flags: &str) -> Result<Regex> {
    if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm')) {
        return Err(trouble::evaluation(format!("a regular expression has the flags `i` and `m`, not {flag:?}")));
    }
    if text.len() > MAX_PATTERN {
        return Err(trouble::too_costly(format!("a regular expression has at most {MAX_PATTERN} bytes")));
    }
    let mut builder = RegexBuilder::new(text);
    builder.dot_matches_new_line(true).size_limit(MAX_PROGRAM).nest_limit(100);
    let built = builder.case_insensitive(flags.contains('i')).multi_line(flags.contains('m')).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => trouble::too_costly("the regular expression is too large"),
        other => trouble::evaluation(format!("the regular expression is not understood: {other}")),
    })
}

/// The single text that a function is applied to.
fn subject<'a>(input: &Collection<'a>) -> Result<Option<Text<'a>>> {
    string(input, "a function on strings")
}

/// A function of the text and one more text.
fn with_text<'a, T>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    arguments: &[Code],
    apply: impl FnOnce(&str, &str) -> T,
) -> Result<Option<T>> {
    let (text, argument) = (subject(input)?, args::text(m, arguments, 0)?);
    Ok(text.zip(argument).map(|(text, argument)| apply(&text, &argument)))
}

fn position<'a>(bytes: Option<usize>, text: &str) -> Item<'a> {
    let characters = bytes.map(|at| text[..at].chars().count()).and_then(|at| i64::try_from(at).ok());
    Item::Integer(characters.unwrap_or(-1))
}

/// `indexOf(substring)`: where it first begins, or -1.
pub fn index_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(with_text(m, &input, arguments, |text, part| position(text.find(part), text))?))
}

/// `lastIndexOf(substring)`: where it last begins, or -1.
pub fn last_index_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(with_text(m, &input, arguments, |text, part| position(text.rfind(part), text))?))
}

/// `startsWith(prefix)`
pub fn starts_with<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(with_text(m, &input, arguments, |text, part| Item::Bool(text.starts_with(part)))?))
}

/// `endsWith(suffix)`
pub fn ends_with<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(with_text(m, &input, arguments, |text, part| Item::Bool(text.ends_with(part)))?))
}

/// `contains(substring)`
pub fn contains<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(with_text(m, &input, arguments, |text, part| Item::Bool(text.contains(part)))?))
}

/// `substring(start [, length])`; empty when the start lies outside the text.
pub fn substring<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let (text, start) = (subject(&input)?, args::integer(m, arguments, 0)?);
    let length = args::integer(m, arguments, 1)?;
    let Some((text, start)) = text.zip(start) else { return Ok(Collection::new()) };
    let starts = usize::try_from(start).ok().and_then(|start| text.char_indices().nth(start));
    let Some((from, _)) = starts else { return Ok(Collection::new()) };
    let rest = &text[from..];
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let end = rest.char_indices().nth(length).map_or(rest.len(), |(end, _)| end);
    Ok(one(Item::text(&rest[..end])))
}

/// A function of the text alone.
fn mapped<'a>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    apply: impl FnOnce(&str) -> String,
) -> Result<Collection<'a>> {
    match subject(input)? {
        Some(text) => bounded_text(m, apply(&text).into()),
        None => Ok(Collection::new()),
    }
}

/// `upper()`
pub fn upper<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    mapped(m, &input, str::to_uppercase)
}

/// `lower()`
pub fn lower<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    mapped(m, &input, str::to_lowercase)
}

/// `trim()`: without white space at both ends.
pub fn trim<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    // "Whitespace" of the grammar
    mapped(m, &input, |text| text.trim_matches([' ', '\t', '\n', '\r']).to_owned())
}

/// `length()`: the number of characters.
pub fn length<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let count = subject(&input)?.and_then(|text| i64::try_from(text.chars().count()).ok());
    Ok(maybe(count.map(Item::Integer)))
}

/// `toChars()`: each character as a text.
pub fn to_chars<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let Some(text) = subject(&input)? else { return Ok(Collection::new()) };
    m.charge(text.len())?;
    Ok(text.chars().map(|c| Item::text(c.to_string())).collect())
}

/// `replace(pattern, substitution)`: every occurrence replaced.
pub fn replace<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let (text, part) = (subject(&input)?, args::text(m, arguments, 0)?);
    let with = args::text(m, arguments, 1)?;
    let (Some(text), Some(part), Some(with)) = (text, part, with) else { return Ok(Collection::new()) };
    let places = if part.is_empty() { text.len() + 1 } else { text.matches(&*part).count() };
    check_growth(m, text.len(), places, with.len())?;
    bounded_text(m, text.replace(&*part, &with).into())
}

/// Refuses a replacement whose result would be too long, before it is made.
fn check_growth(m: &mut Machine<'_, '_>, text: usize, places: usize, with: usize) -> Result<()> {
    let length = places.saturating_mul(with).saturating_add(text);
    m.charge(length / 64)?;
    if length > m.context.bounds.text {
        return Err(trouble::too_costly(format!(
            "the expression makes a text of more than {} bytes",
            m.context.bounds.text
        )));
    }
    Ok(())
}

/// The regular expression in the first argument, with the flags in the argument `flags`: compiled with the expression
/// if it is a literal without flags. A text that must match as a whole is anchored.
fn with_pattern<'a, T>(
    m: &mut Machine<'a, '_>,
    arguments: &[Code],
    flags: usize,
    is_whole: bool,
    apply: impl FnOnce(&mut Machine<'a, '_>, &Regex) -> Result<T>,
) -> Result<Option<T>> {
    let flags = args::text(m, arguments, flags)?;
    let flags = flags.as_deref().unwrap_or("");
    if let Code::Pattern(pattern, _) = &arguments[0] {
        if !is_whole {
            return apply(m, pattern).map(Some);
        }
        // leftmost-first matching may stop early on an alternative, so the whole is anchored anew
        m.charge(1000)?;
        return apply(m, &pattern_with(&whole(pattern.as_str()), flags)?).map(Some);
    }
    let text = eval(m, &arguments[0])?;
    let Some(text) = string(&text, "a regular expression")? else { return Ok(None) };
    m.charge(1000)?;
    let built = if is_whole { pattern_with(&whole(&text), flags) } else { pattern_with(&text, flags) }?;
    apply(m, &built).map(Some)
}

/// A regular expression that matches only the whole of a text.
fn whole(pattern: &str) -> String {
    format!("\\A(?:{pattern})\\z")
}

/// `matches(regex [, flags])`: whether some part of the text matches.
pub fn matches<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(text) = subject(&input)? else { return Ok(Collection::new()) };
    m.charge(text.len() / 16)?;
    let found = with_pattern(m, arguments, 1, false, |_, pattern| Ok(pattern.is_match(&text)))?;
    Ok(found.map_or_else(Collection::new, truth))
}

/// `matchesFull(regex [, flags])`: whether the whole text matches.
pub fn matches_full<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(text) = subject(&input)? else { return Ok(Collection::new()) };
    m.charge(text.len() / 16)?;
    let found = with_pattern(m, arguments, 1, true, |_, pattern| Ok(pattern.is_match(&text)))?;
    Ok(found.map_or_else(Collection::new, truth))
}

/// `replaceMatches(regex, substitution [, flags])`: every match replaced; `$1` and `${name}` name groups.
pub fn replace_matches<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    let (text, with) = (subject(&input)?, args::text(m, arguments, 1)?);
    let (Some(text), Some(with)) = (text, with) else { return Ok(Collection::new()) };
    let replaced = with_pattern(m, arguments, 2, false, |m, pattern| {
        if pattern.as_str().is_empty() {
            return Ok(text.to_string());
        }
        let places = pattern.find_iter(&text).count();
        // a substitution may name a group, which is at most the text itself
        let longest = with.len() + with.matches('$').count() * text.len();
        check_growth(m, text.len(), places, longest)?;
        Ok(pattern.replace_all(&text, &*braced(&with)).into_owned())
    })?;
    replaced.map_or_else(|| Ok(Collection::new()), |text| bounded_text(m, text.into()))
}

/// A substitution in which `$1a` names group 1, as in PCRE, and not a group `1a`.
fn braced(with: &str) -> String {
    let mut out = String::with_capacity(with.len() + 8);
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            out.push_str(&format!("{{{}}}", &rest[..digits]));
            rest = &rest[digits..];
        }
    }
    out + rest
}

/// `split(separator)`: the parts of the text.
pub fn split<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let (text, separator) = (subject(&input)?, args::text(m, arguments, 0)?);
    let Some((text, separator)) = text.zip(separator) else { return Ok(Collection::new()) };
    m.charge(text.len())?;
    if separator.is_empty() {
        return to_chars(m, input, arguments);
    }
    Ok(text.split(&*separator).map(Item::text).collect())
}

/// `join([separator])`: the texts as one.
pub fn join<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    if input.is_empty() {
        return Ok(Collection::new());
    }
    let separator = args::text(m, arguments, 0)?;
    let mut joined = String::new();
    let is_text = |item: &Item<'_>| item.as_node().is_none_or(|node: Node<'_>| node.has_value());
    for (at, item) in input.into_iter().filter(is_text).enumerate() {
        if at > 0 {
            joined.push_str(separator.as_deref().unwrap_or(""));
        }
        let item = one(item);
        joined.push_str(string(&item, "join()")?.as_deref().unwrap_or(""));
        if joined.len() > m.context.bounds.text {
            break;
        }
    }
    bounded_text(m, joined.into())
}
