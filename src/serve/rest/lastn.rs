//! `GET [base]/Observation/$lastn` (FHIR R4 `observation-operation-lastn.html`): the last observations of each code.

use super::arguments::{Argument, Arguments};
use super::call::{Answer, Call};
use super::params::query;
use super::search::searchset;
use super::subset::Shown;
use crate::base::fault::{Fault, Issue, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::lastn::Latest;
use crate::repo::{MatchMode, Note, Scan, SearchAnswer, SearchEntry};
use crate::search::context::SearchContext;
use crate::search::kind::escape::escape;

/// Observations that are read at a time.
const PIECE: usize = 500;
/// Search parameters whose expression has a code.
const CODES: [&str; 12] = [
    "category",
    "code",
    "combo-code",
    "component-code",
    "code-value-concept",
    "code-value-date",
    "code-value-quantity",
    "code-value-string",
    "combo-code-value-concept",
    "combo-code-value-quantity",
    "component-code-value-concept",
    "component-code-value-quantity",
];
/// What a search takes and this operation does not: it has an order and a size of its own.
const ABSENT: [&str; 7] = ["_sort", "_include", "_revinclude", "_contained", "_containedType", "_explain", "_page"];

/// A searchset, the group with the newest observation first.
///
/// # Errors
/// 400 without a subject or a code, for wrong parameters, and where there are too many observations to look at.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::all(call, body, "lastn")?;
    let most = arguments.positive("max")?.unwrap_or(1);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for argument in arguments.iter().filter(|argument| argument.name != "max") {
        if ABSENT.contains(&base(argument.name)) {
            return Err(Fault::unsupported(format!("$lastn has no parameter \"{}\"", base(argument.name))));
        }
        pairs.push((argument.name.to_owned(), value(argument)?));
    }
    let has = |names: &[&str]| pairs.iter().any(|(name, value)| names.contains(&base(name)) && !value.is_empty());
    if !has(&["patient", "subject"]) {
        return Err(arguments.missing("a patient or subject"));
    }
    if !has(&CODES) {
        return Err(arguments.missing("a category, or a parameter with a code"));
    }
    let kind = call.kind()?;
    let shown = Shown::read(&pairs, Some(kind), call.prefer.handling)?;
    // How many matches there are on a page is for searches.
    let asked: Vec<_> = pairs.iter().filter(|(name, _)| !is_size(name)).cloned().collect();
    let mut scan = call.session.scan(SearchContext::Type(kind), &asked, call.prefer.handling).await?;
    if pairs.iter().any(|(name, _)| is_size(name)) {
        let message = "_count and _total are ignored: max says how many observations of each code are answered";
        scan.warnings.push(Issue::warning("not-supported", message));
    }
    let numbers = latest(call, &scan).await?.finish(most);
    let mut answer = SearchAnswer { total: Some(numbers.len() as u64), ..SearchAnswer::default() };
    for piece in numbers.chunks(PIECE).filter(|_| !shown.count_only) {
        let found = call.session.fetch(&scan, piece).await?.into_iter();
        let entry = |stored| SearchEntry { mode: MatchMode::Match, stored, note: Note::default(), contained: None };
        answer.entries.extend(found.map(entry));
    }
    answer.used = scan.used;
    answer.used.extend(arguments.text("max")?.map(|max| ("max".to_owned(), max.to_owned())));
    answer.warnings = scan.warnings;
    let own = query(&answer.used);
    searchset(call, &answer, &shown, &format!("{kind}/$lastn"), &own).map(Answer::whole)
}

/// What a search is given for a parameter: its text, what a `valueReference` refers to, the code of a `valueCoding`.
fn value(argument: &Argument<'_>) -> Result<String> {
    let text = |part: &str, name: &str| argument.part(part)?.get(name)?.as_str();
    if let Some(text) = argument.text().or_else(|| text("valueReference", "reference")) {
        return Ok(text.to_owned());
    }
    let code = text("valueCoding", "code").map(escape);
    let system = text("valueCoding", "system").map(|system| format!("{}|", escape(system)));
    code.map(|code| system.unwrap_or_default() + &code)
        .ok_or_else(|| argument.wrong("it needs a value of a primitive type, a reference, or a Coding with a code"))
}

/// The name of a parameter without modifiers and chains.
fn base(name: &str) -> &str {
    name.split([':', '.']).next().unwrap_or_default()
}

fn is_size(name: &str) -> bool {
    matches!(name, "_count" | "_total")
}

/// The matches in groups; read in pieces, and only what is needed of each is kept.
async fn latest(call: &Call<'_>, scan: &Scan) -> Result<Latest> {
    let mut latest = Latest::default();
    let numbers: Vec<usize> = (0..scan.count()).collect();
    for piece in numbers.chunks(PIECE) {
        let found = call.session.fetch(scan, piece).await?;
        if found.len() != piece.len() {
            return Err(Fault::unavailable("observations were expunged while they were looked at; try again"));
        }
        let work = move || -> Result<Latest> {
            for stored in found {
                latest.add(&parse_stored(stored.body.as_deref().unwrap_or_default())?);
            }
            Ok(latest)
        };
        let done = tokio::task::spawn_blocking(work).await;
        latest = done.map_err(|_| Fault::internal("the grouping of observations stopped"))??;
    }
    Ok(latest)
}
