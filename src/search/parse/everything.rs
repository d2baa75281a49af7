//! The parameters of `$everything` (FHIR R4 `patient-operation-everything.html`).

use super::context::{Trouble, Work, bad, shown};
use super::control::{Taken, take};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::types::{ResourceId, ResourceType};
use crate::search::kind::date;
use crate::search::query::{DateTest, Everything, Prefix, Query};
use crate::search::value::Span;

/// What is asked before its parameters are read.
pub(super) fn begin(kind: ResourceType, id: Option<&ResourceId>, params: &[(String, String)]) -> Everything {
    let is_narrowed = params.iter().any(|(name, _)| name == "_type");
    Everything { kind, id: id.cloned(), is_narrowed, since: None, care: Vec::new() }
}

/// Takes a parameter; `value` is not empty.
pub(super) fn parameter(
    work: &Work<'_>,
    query: &mut Query,
    everything: &mut Everything,
    name: &str,
    value: &str,
) -> Result<Taken, Trouble> {
    let now = work.context.now;
    let is_again = query.used.iter().any(|(used, _)| used == name);
    if is_again {
        return Err(bad(name, value, "the parameter stands there twice").into());
    }
    match name {
        // what goes on at some time of the range is in it: from the start on, and until the end is over
        "start" => everything.care.push(edge(time(name, value, Prefix::Gt, now)?, |span| span.start)),
        "end" => everything.care.push(edge(time(name, value, Prefix::Lt, now)?, |span| span.end)),
        // What was written in that very instant may come again, but is never missed.
        "_since" => everything.since = Some(time(name, value, Prefix::Ge, now)?),
        "_count" | "_summary" | "_elements" | "_total" => return take(work, query, name, value).map_err(Trouble::from),
        _ => {
            let message = format!("$everything has no parameter \"{}\"", shown(name));
            return Err(Trouble::Unknown(Fault::unsupported(message)));
        }
    }
    let side = |prefix| everything.care.iter().find(|test| test.prefix == prefix).map(|test| test.span);
    match (side(Prefix::Gt), side(Prefix::Lt)) {
        (Some(start), Some(end)) if end.end <= start.start => {
            Err(bad(name, value, "the end is before the start").into())
        }
        _ => Ok(Taken::Used),
    }
}

/// The same test, against one moment of the value.
fn edge(test: DateTest, moment: impl Fn(&Span) -> i64) -> DateTest {
    let at = moment(&test.span);
    DateTest { span: Span { start: at, end: at }, ..test }
}

fn time(name: &str, value: &str, prefix: Prefix, now: Timestamp) -> Result<DateTest> {
    let read = date::parse(value, now).map_err(|reason| bad(name, value, reason))?;
    if read.prefix != Prefix::Eq || value.starts_with("eq") {
        return Err(bad(name, value, "it is a date without a prefix"));
    }
    Ok(DateTest { prefix, span: read.span })
}
