//! Modifiers that ask something else than the plain value does: `:text`, `:of-type`, `:in`, `:not-in`, `:below`, `:above`, `:fuzzy`; and the
//! parameters that are searches of words, `_text` and `_content`.

use std::sync::Arc;

use super::context::{Trouble, Work, bad, tests, unsupported};
use crate::fhir::definitions::params::{ParamKind, SearchParam, search_param};
use crate::fhir::types::ResourceType;
use crate::search::codeset::{Asked, AskedCode, ConceptTest};
use crate::search::hierarchy::parent;
use crate::search::kind::{escape::unescape, fuzzy, reference, string, token, uri, words};
use crate::search::path::types;
use crate::search::query::{Clause, ReferenceTest, StringTest, SystemTest, Test, WordPlace};

/// The condition of a parameter with such a modifier; none when it is not one of them, or not for this type.
pub(super) fn clause(
    work: &Work<'_>,
    param: &Arc<SearchParam>,
    modifier: &str,
    name: &str,
    text: &str,
) -> Result<Option<Clause>, Trouble> {
    let each = |parse: &dyn Fn(&str) -> Result<Test, &'static str>| tests(work, name, text, parse);
    let found = match (param.kind, modifier) {
        (ParamKind::Token, "text") => {
            need(param, &["Coding", "CodeableConcept", "Identifier"], modifier, name)?;
            each(&|value| text_of(value).map(Test::Text))?
        }
        (ParamKind::String, "text") => {
            each(&|value| words::parse(&unescape(value)?).map(|words| Test::String(StringTest::Words(words))))?
        }
        (ParamKind::String, "fuzzy") => {
            each(&|value| fuzzy::parse(&unescape(value)?).map(|fuzzy| Test::String(StringTest::Fuzzy(fuzzy))))?
        }
        (ParamKind::Token, "of-type") => {
            need(param, &["Identifier"], modifier, name)?;
            each(&|value| token::parse_typed(value).map(Test::Typed))?
        }
        (ParamKind::Token, "below") if is_mime(param) => {
            let pairs = tests(work, name, text, |value| {
                let test = token::parse(value)?;
                let base = test.code.clone().ok_or("there is no MIME type in it")?;
                Ok([Test::Token(test), Test::Mime(base)])
            })?;
            pairs.into_iter().flatten().collect()
        }
        (ParamKind::Token, "in") => {
            need(param, &CODED, modifier, name)?;
            each(&|value| in_set(param, value))?
        }
        (ParamKind::Token, "not-in") => {
            need(param, &CODED, modifier, name)?;
            return Ok(Some(Clause::Not { param: param.clone(), tests: each(&|value| in_set(param, value))? }));
        }
        (ParamKind::Token, "below" | "above") => {
            need(param, &CODED, modifier, name)?;
            each(&|value| related(param, value, modifier == "above"))?
        }
        (ParamKind::Uri, "below" | "above") => {
            each(&|value| uri::parse(value, Some(modifier == "above")).map(Test::Uri))?
        }
        (ParamKind::Reference, "below" | "above") => return hierarchy(work, param, modifier, name, text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Clause::Param { param: param.clone(), tests: found }))
}

/// Types of elements that have codes of code systems.
const CODED: [&str; 3] = ["Coding", "CodeableConcept", "code"];

/// Whether elements of a parameter may have codes of code systems.
pub(super) fn is_coded(param: &SearchParam) -> bool {
    let mut known = types(param).peekable();
    known.peek().is_none() || known.any(|found| CODED.contains(&found))
}

/// Whether all elements of a parameter are codes alone.
fn is_code(param: &SearchParam) -> bool {
    let mut known = types(param).peekable();
    known.peek().is_some() && known.all(|name| name == "code")
}

/// `:in`: a value set.
///
/// # Errors
/// The reason, when there is none.
pub(super) fn in_set(param: &SearchParam, value: &str) -> Result<Test, &'static str> {
    let url = unescape(value)?;
    if url.is_empty() { Err("a value set is named by its URL") } else { Ok(asked(param, Asked::In(url.into()))) }
}

/// `:above` and `:below`: a code.
///
/// # Errors
/// The reason, when there is none.
pub(super) fn related(param: &SearchParam, value: &str, above: bool) -> Result<Test, &'static str> {
    let test = token::parse(value)?;
    let system = match test.system {
        SystemTest::Absent => return Err("a code without a system is in no hierarchy"),
        SystemTest::Is(system) => Some(system),
        SystemTest::Any => None,
    };
    let code = AskedCode { system, code: test.code.ok_or("there is no code in it")? };
    Ok(asked(param, if above { Asked::Above(code) } else { Asked::Below(code) }))
}

fn asked(param: &SearchParam, asked: Asked) -> Test {
    Test::Concepts(ConceptTest::new(asked, is_code(param)))
}

/// Where a parameter looks for words, if it does and the type has it.
pub(super) fn word_place(kind: ResourceType, code: &str) -> Option<WordPlace> {
    let place = match code {
        "_text" => WordPlace::Narrative,
        "_content" => WordPlace::Content,
        _ => return None,
    };
    search_param(kind, code).map(|_| place)
}

/// `_text` and `_content`.
pub(super) fn in_words(
    work: &Work<'_>,
    place: WordPlace,
    modifier: Option<&str>,
    name: &str,
    text: &str,
) -> Result<Clause, Trouble> {
    if modifier.is_some() {
        return Err(unsupported(name, "a modifier").into());
    }
    Ok(Clause::Words { place, tests: tests(work, name, text, |value| words::parse(&unescape(value)?))? })
}

/// A folded text.
fn text_of(value: &str) -> Result<Box<str>, &'static str> {
    let folded = string::fold(&unescape(value)?);
    if folded.is_empty() { Err("there is no letter, digit or sign in it") } else { Ok(folded) }
}

/// Refuses a modifier when no element of the parameter can have what it asks for.
fn need(param: &SearchParam, names: &[&str], modifier: &str, name: &str) -> Result<(), Trouble> {
    let mut known = types(param).peekable();
    if known.peek().is_none() || known.any(|found| names.contains(&found)) {
        return Ok(());
    }
    let what = format!("modifier \":{modifier}\" on elements that are no {}", names.join(", "));
    Err(unsupported(name, &what).into())
}

/// Whether the parameter's elements are MIME types.
fn is_mime(param: &SearchParam) -> bool {
    param.expression.as_ref().is_some_and(|text| text.ends_with(".contentType"))
}

/// Canonicals below a canonical, or what refers to the hierarchy of a resource.
fn hierarchy(
    work: &Work<'_>,
    param: &Arc<SearchParam>,
    modifier: &str,
    name: &str,
    text: &str,
) -> Result<Clause, Trouble> {
    let above = modifier == "above";
    let found = tests(work, name, text, |value| reference::parse(value, None, param, work.context.base))?;
    let (mut roots, mut canonicals) = (Vec::new(), Vec::new());
    for test in found {
        match test {
            ReferenceTest::Local { types, id } => {
                let kinds = types.into_iter().filter(|kind| parent(*kind).is_some());
                roots.extend(kinds.map(|kind| crate::fhir::types::ResourceKey::new(kind, id.clone())));
            }
            ReferenceTest::Url(url) if !above => canonicals.push(Test::Reference(ReferenceTest::Below(url))),
            _ => return Err(unsupported(name, "modifier \":above\" on a canonical").into()),
        }
    }
    match (roots.is_empty(), canonicals.is_empty()) {
        (false, true) => Ok(Clause::Hierarchy { param: param.clone(), above, roots }),
        (true, false) => Ok(Clause::Param { param: param.clone(), tests: canonicals }),
        (true, true) => {
            let what = format!("modifier \":{modifier}\" on a reference to types without a hierarchy");
            Err(unsupported(name, &what).into())
        }
        (false, false) => Err(bad(name, text, "resources and canonicals are searched one at a time").into()),
    }
}
