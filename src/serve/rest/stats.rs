//! `GET [base]/Observation/$stats` (FHIR R4 `observation-operation-stats.html`): statistics of measurements.

use std::collections::HashSet;

use super::arguments::Arguments;
use super::call::{Answer, Call};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::decimal;
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::measurements::{About, Measurements, Wanted};
use crate::fhir::statistics::{Statistic, statistic};
use crate::fhir::time;
use crate::fhir::types::ResourceKey;
use crate::repo::{Handling, Stored};
use crate::search::context::SearchContext;
use crate::search::kind::escape::escape;
use crate::search::kind::reference::local;

/// Observations that are read at a time.
const PIECE: usize = 500;
/// Most source observations of an answer.
const SOURCES: usize = 1000;
const NAMES: [&str; 9] = ["subject", "code", "system", "coding", "duration", "period", "statistic", "include", "limit"];

/// What is asked.
struct Asked {
    subject: String,
    wanted: Vec<Wanted>,
    statistics: Vec<Statistic>,
    /// Start and end, as texts.
    period: (Option<String>, Option<String>),
    /// Source observations that are answered at most.
    sources: usize,
}

/// Parameters with a `statistics` for each code and unit, and a `source` for each Observation where these are asked for.
///
/// # Errors
/// 400 for what is missing or wrong, and where there are too many observations to look at.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "stats", &NAMES)?;
    let asked = read(call, &arguments)?;
    let mut pairs = common(&asked);
    let code = |wanted: &Wanted| match &wanted.system {
        Some(system) => format!("{}|{}", escape(system), escape(&wanted.code)),
        None => escape(&wanted.code),
    };
    pairs.push(("combo-code".to_owned(), asked.wanted.iter().map(code).collect::<Vec<_>>().join(",")));
    let mut work =
        Work { measurements: Measurements::new(asked.wanted.clone()), members: Vec::new(), sources: Vec::new() };
    let mut seen = HashSet::new();
    work = gather(call, work, &pairs, (&asked, &mut seen), false).await?;
    let members: Vec<ResourceKey> = work.members.iter().filter_map(|text| local(text, &call.site.base)).collect();
    let kind = call.kind()?;
    let mut ids: Vec<&str> =
        members.iter().filter(|key| key.kind == kind && !seen.contains(*key)).map(|key| key.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    for ids in ids.chunks(PIECE) {
        let mut pairs = common(&asked);
        pairs.push(("_id".to_owned(), ids.join(",")));
        work = gather(call, work, &pairs, (&asked, &mut seen), true).await?;
    }
    answer(&asked, work)
}

/// The conditions that all observations must meet, the newest first.
fn common(asked: &Asked) -> Vec<(String, String)> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut pairs = vec![
        pair("subject", escape(&asked.subject)),
        pair("status:not", "entered-in-error".to_owned()),
        pair("_sort", "-date".to_owned()),
    ];
    let side = |prefix: &str, side: &Option<String>| side.as_ref().map(|text| pair("date", format!("{prefix}{text}")));
    pairs.extend(side("ge", &asked.period.0));
    pairs.extend(side("le", &asked.period.1));
    pairs
}

/// What was gathered so far.
struct Work {
    measurements: Measurements,
    /// References to members of panels.
    members: Vec<String>,
    sources: Vec<Json>,
}

impl Work {
    fn take(&mut self, found: Vec<Stored>, are_members: bool, most: usize) -> Result<()> {
        for stored in found {
            let observation = parse_stored(stored.body.as_deref().unwrap_or_default())?;
            match are_members {
                true => self.measurements.add_member(&observation),
                false => self.members.extend(self.measurements.add(&observation)),
            }
            if self.sources.len() < most {
                self.sources.push(observation);
            }
        }
        Ok(())
    }
}

/// Takes every match of a search, in pieces.
async fn gather(
    call: &Call<'_>,
    mut work: Work,
    pairs: &[(String, String)],
    (asked, seen): (&Asked, &mut HashSet<ResourceKey>),
    are_members: bool,
) -> Result<Work> {
    let scan = call.session.scan(SearchContext::Type(call.kind()?), pairs, Handling::Strict).await?;
    let (numbers, most): (Vec<usize>, usize) = ((0..scan.count()).collect(), asked.sources);
    for piece in numbers.chunks(PIECE) {
        let found = call.session.fetch(&scan, piece).await?;
        let found: Vec<Stored> = found.into_iter().filter(|stored| seen.insert(stored.key.clone())).collect();
        let done = tokio::task::spawn_blocking(move || work.take(found, are_members, most).map(|()| work)).await;
        work = done.map_err(|_| Fault::internal("the statistics stopped"))??;
    }
    Ok(work)
}

fn answer(asked: &Asked, work: Work) -> Result<Answer> {
    let start = asked.period.0.as_deref().and_then(|text| time::parse(text).ok()).map(|time| Timestamp(time.span(0).0));
    let period = (asked.period.0.as_deref(), asked.period.1.as_deref());
    let about = About { subject: &asked.subject, period, start };
    let named = |name: &str, resource: Json| Json::object([("name", Json::string(name)), ("resource", resource)]);
    let statistics = work.measurements.finish(&asked.statistics, &about);
    let mut parameters: Vec<Json> = statistics.into_iter().map(|one| named("statistics", one)).collect();
    parameters.extend(work.sources.into_iter().map(|one| named("source", one)));
    let answer = Json::object([("resourceType", Json::string("Parameters")), ("parameter", Json::Array(parameters))]);
    let mut out = Vec::new();
    write(&answer, &mut out);

    Ok(Answer::whole(out.into()))
}

fn read(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Asked> {
    let subject = arguments.text("subject")?.ok_or_else(|| arguments.missing("a subject"))?.to_owned();
    let wanted = wanted(arguments)?;
    let mut statistics: Vec<Statistic> = Vec::new();
    for argument in arguments.named("statistic") {
        for code in argument.text().unwrap_or_default().split(',') {
            let found = statistic(code).ok_or_else(|| argument.wrong("it is no code of observation-statistics"))?;
            if !statistics.contains(&found) {
                statistics.push(found);
            }
        }
    }
    if statistics.is_empty() {
        return Err(arguments.missing("a statistic"));
    }
    let sources = match arguments.boolean("include")? {
        Some(true) => arguments.positive("limit")?.unwrap_or(SOURCES).min(SOURCES),
        // the limit is ignored then, whatever it is
        Some(false) | None => 0,
    };
    Ok(Asked { subject, wanted, statistics, period: period(call, arguments)?, sources })
}

/// The codes that are asked for.
fn wanted(arguments: &Arguments<'_>) -> Result<Vec<Wanted>> {
    let system = arguments.text("system")?;
    let mut wanted = Vec::new();
    for argument in arguments.named("code").chain(arguments.named("coding")) {
        if let Some(coding) = argument.part("valueCoding") {
            let text = |name: &str| coding.get(name).and_then(Json::as_str).map(str::to_owned);
            let code = text("code").ok_or_else(|| argument.wrong("the coding has no code"))?;
            wanted.push(Wanted { system: text("system"), code, display: text("display") });
            continue;
        }
        let text = argument.text().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| argument.wrong("it is a code, or a Coding"))?;
        let (own, code) = match text.split_once('|') {
            Some((own, code)) => (Some(own), code),
            None => (system, text),
        };
        wanted.push(Wanted { system: own.map(str::to_owned), code: code.to_owned(), display: None });
    }
    if wanted.is_empty() {
        return Err(arguments.missing("a code, or a coding"));
    }
    Ok(wanted)
}

/// From when to when: the last hours, or a period.
fn period(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(Option<String>, Option<String>)> {
    const HOUR: i64 = 3_600_000_000;
    let period = arguments.one("period")?;
    if let Some(argument) = arguments.one("duration")? {
        if period.is_some() {
            return Err(argument.wrong("it is not together with period"));
        }
        let hours =
            argument.text().and_then(decimal::read).filter(|hours| hours.is_sign_positive() && !hours.is_zero());
        let micros = hours.and_then(|hours| hours.checked_mul(HOUR.into())).and_then(|n| i64::try_from(n.round()).ok());
        let micros = micros.ok_or_else(|| argument.wrong("it is a number of hours, more than 0"))?;
        let now = call.site.clock.now();
        let start = now.0.checked_sub(micros).filter(|start| *start > -62_000_000_000_000_000);
        let start = start.ok_or_else(|| argument.wrong("it reaches back too far"))?;
        return Ok((Some(Timestamp(start).to_string()), Some(now.to_string())));
    }
    let Some(argument) = period else { return Ok((None, None)) };
    let value = argument.part("valuePeriod").ok_or_else(|| argument.wrong("it is a valuePeriod, in a body"))?;
    let side = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    Ok((side("start"), side("end")))
}
