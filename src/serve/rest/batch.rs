//! `POST [base]`: batch and transaction (FHIR R4 `http.html`, 3.1.0.11).
//!
//! Entries are done in the order DELETE, POST, PUT and PATCH, GET and answered in the order of the request. In a
//! transaction everything that can be known before the commit is checked before it; a read that finds
//! nothing afterwards answers in its own entry. An operation that changes nothing is one of the reads; what takes content
//! away for good can be no part of a transaction, for it cannot be undone.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::future::join_all;

use super::call::{Answer, Call, Site};
use super::change::{Sent, change};
use super::conditions::{Conditions, Prefer, Return};
use super::framing::{Entry, Framing, Head, Response};
use super::inquire::{check, inquire};
use super::operation::{self, operation};
use super::params::Params;
use super::routes::{Interaction, Target, interaction, target};
use super::subset::Shown;
use super::{expunge, meta, negotiate};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::bundle::{BundleKind, Method, RequestBundle, RequestEntry};
use crate::fhir::fhirpath::from_base64;
use crate::fhir::json::{Json, write};
use crate::fhir::outcome::success;
use crate::fhir::resource::{ReferenceSite, visit_references_mut};
use crate::fhir::types::ResourceType;
use crate::repo::{Session, WriteEntry, Written};
use crate::serve::error::wire;

/// How many entries of a batch are under way at a time: enough to fill a commit of the Writer; of those that take much memory
/// for a small entry fewer. Patches of one resource would also be planned again and again.
fn together(method: Method) -> usize {
    match method {
        Method::Patch => 2,
        Method::Get | Method::Head => 16,
        Method::Post | Method::Put | Method::Delete => 256,
    }
}

/// What the answers of a Bundle may still hold.
struct Room {
    most: usize,
    left: usize,
}

impl Room {
    fn new(site: &Site) -> Self {
        Self { most: site.limits.answer_bytes, left: site.limits.answer_bytes }
    }

    /// Whether there is no more; then reads are not even begun.
    fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Takes the room for an answer: what has none is a fault when it was read, and is left out when it was written.
    fn take(&mut self, answer: Answer, is_read: bool) -> Answer {
        let size = answer.body.as_ref().map_or(0, |body| body.len());
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                answer
            }
            None if answer.is_outcome => answer,
            None => {
                self.left = 0;
                if is_read { self.refused() } else { Answer { body: None, ..answer } }
            }
        }
    }

    fn refused(&self) -> Answer {
        let message = format!("the answers of this Bundle have more than {} bytes together", self.most);
        failed(&Fault::coded(Category::TooLarge, "too-costly", message))
    }
}

/// What an entry comes to.
enum Step {
    Write(WriteEntry, View),
    Inquiry(Interaction, Box<Asked>),
    /// Content is taken away for good.
    Expunge(Interaction, Box<Asked>),
    /// In a history: nothing, for the entry with this number holds a later version.
    Superseded(usize),
}

/// How much of what was written an entry shows.
enum View {
    /// The resource, or a part of it.
    Resource(ResourceType, Shown),
    /// What an operation answers that changed its labels.
    Labels,
}

impl View {
    async fn answer(&self, session: &Session, written: Written, wanted: Return) -> Answer {
        let answer = match self {
            Self::Resource(kind, shown) => shown.answer(*kind, Answer::written(session, written, wanted).await),
            Self::Labels => meta::changed(written),
        };
        answer.unwrap_or_else(|fault| failed(&fault))
    }
}

/// The request of an entry, taken apart.
struct Asked {
    target: Target,
    params: Params,
    conditions: Conditions,
    prefer: Prefer,
    /// What an operation is given.
    body: Option<Json>,
}

impl Asked {
    fn call<'a>(&'a self, site: &'a Site, session: &'a Session) -> Call<'a> {
        let Self { target, params, conditions, prefer, .. } = self;
        Call { site, session, target, params, conditions, prefer: *prefer }
    }
}

/// Does a Bundle.
///
/// # Errors
/// For a transaction the fault of any entry, with its place; a batch itself does not fail.
pub async fn batch(site: &Site, session: &Session, prefer: Prefer, bundle: RequestBundle) -> Result<Answer> {
    let wanted = prefer.answer.unwrap_or(Return::Minimal);
    let (kind, ranks): (_, Vec<_>) = (bundle.kind, bundle.entries.iter().map(|entry| entry.method).collect());
    let made = made(&bundle);
    let steps = bundle.entries.into_iter().enumerate().map(|(i, mut entry)| {
        let index = (kind == BundleKind::Transaction).then_some(i);
        if index.is_none() && !made.is_empty() {
            independent(&mut entry, i, &made)?;
        }
        plan(site, session, prefer, index, entry)
    });
    let (name, mut answers) = match kind {
        BundleKind::Batch => ("batch-response", each(site, session, wanted, steps.collect(), &ranks).await),
        BundleKind::Transaction => {
            let steps = steps.collect::<Result<Vec<_>>>()?;
            ("transaction-response", all(site, session, wanted, steps, &ranks).await?)
        }
    };
    // HEAD is the answer to GET without its body.
    let heads =
        answers.iter_mut().zip(&ranks).filter(|(answer, method)| **method == Method::Head && !answer.is_outcome);
    heads.for_each(|(answer, _)| answer.body = None);
    Ok(Answer::whole(framed(site, name, &answers)))
}

/// The full URLs of what the entries of a batch create, and the places of the entries.
fn made(bundle: &RequestBundle) -> HashMap<String, usize> {
    let is_create = |entry: &RequestEntry| entry.method == Method::Post && entry.resource.is_some();
    let entries = bundle.entries.iter().enumerate().filter(|(_, entry)| is_create(entry));
    entries.filter_map(|(i, entry)| Some((entry.full_url.clone()?, i))).collect()
}

/// Refuses an entry of a batch that refers to what another one creates (FHIR R4 `http.html`, 3.1.0.11.1): outside of a
/// transaction the reference would lead nowhere.
fn independent(entry: &mut RequestEntry, index: usize, made: &HashMap<String, usize>) -> Result<()> {
    let Some(resource) = &mut entry.resource else { return Ok(()) };
    visit_references_mut(resource, &mut |site, text| match made.get(&**text) {
        Some(other) if *other != index && site == ReferenceSite::Reference => {
            let message = format!("in a batch an entry cannot refer to what entry {other} creates; use a transaction");
            Err(Fault::coded(Category::Invalid, "business-rule", message))
        }
        _ => Ok(()),
    })
}

/// Reads what an entry asks for. `index` is its place in a transaction.
fn plan(site: &Site, session: &Session, prefer: Prefer, index: Option<usize>, mut entry: RequestEntry) -> Result<Step> {
    if let Some(fault) = entry.unreadable {
        return Err(fault);
    }
    if let Some(by) = entry.superseded {
        return Ok(Step::Superseded(by));
    }
    let (full_url, resource) = (entry.full_url.take(), entry.resource.take());
    let step = asked(site, prefer, &entry).and_then(|(interaction, mut asked)| match interaction {
        Interaction::Create | Interaction::Update | Interaction::Patch | Interaction::Delete => {
            let call = asked.call(site, session);
            let kind = call.kind()?;
            let view = View::Resource(kind, Shown::of_one(&call, kind)?);
            let change = change(interaction, &call, Sent::entry(resource))?;
            Ok(Step::Write(WriteEntry { index, full_url, change }, view))
        }
        Interaction::Expunge if index.is_some() => Err(irrevocable("to expunge a history")),
        Interaction::Operation if operation::is_change(&asked.target) => {
            let change = meta::planned(&asked.call(site, session), resource.as_ref())?;
            Ok(Step::Write(WriteEntry { index, full_url, change }, View::Labels))
        }
        Interaction::Operation if operation::changes(&asked.target) => {
            let name = operation::name(&asked.target);
            if index.is_some() {
                return Err(irrevocable(&format!("the operation ${name}")));
            }
            asked.body = resource;
            Ok(Step::Expunge(interaction, Box::new(asked)))
        }
        Interaction::Expunge => Ok(Step::Expunge(interaction, Box::new(asked))),
        Interaction::Bundle => Err(Fault::unsupported("a Bundle inside a Bundle is not supported")),
        _ => {
            match resource {
                Some(form) if interaction == Interaction::Search && entry.method == Method::Post => {
                    add_form(&mut asked.params, &form, site.limits.query_bytes)?;
                }
                other => asked.body = other,
            }
            if index.is_some() {
                check(interaction, &asked.call(site, session))?;
            }
            Ok(Step::Inquiry(interaction, Box::new(asked)))
        }
    });
    step.map_err(|fault| index.map_or(fault.clone(), |index| placed(&fault, index)))
}

/// Refuses what cannot be taken back when another entry fails.
fn irrevocable(what: &str) -> Fault {
    let message =
        format!("{what} is not supported in a transaction, for it cannot be undone; use a batch, or call it alone");
    Fault::unsupported(message)
}

/// The form of a search by POST, which an entry can only hold as the content of a Binary.
fn add_form(params: &mut Params, form: &Json, limit: usize) -> Result<()> {
    let text = |name: &str| form.get(name).and_then(Json::as_str);
    if text("resourceType") != Some("Binary") {
        let message = "a search by POST has its parameters in the URL of the entry, or in a Binary that holds the form";
        return Err(Fault::coded(Category::Invalid, "invariant", message).at("resourceType"));
    }
    negotiate::form_body(Some(text("contentType").unwrap_or("none")))?;
    let data: String = text("data").unwrap_or_default().split_ascii_whitespace().collect();
    let bytes = from_base64(&data).ok_or_else(|| Fault::invalid("data is not base64").at("Binary.data"))?;
    let pairs = String::from_utf8(bytes).map_err(|_| Fault::invalid("the form is not UTF-8").at("Binary.data"))?;
    params.add(&pairs, limit)
}

fn asked(site: &Site, prefer: Prefer, entry: &RequestEntry) -> Result<(Interaction, Asked)> {
    let (path, query) = relative(&entry.url, &site.base)?;
    let target = target(path)?;
    let interaction =
        interaction(Some(entry.method), target.shape).map_err(|fault| operation::named(&target, fault))?;
    let params = Params::parse(query, site.limits.query_bytes)?;
    let conditions = Conditions {
        if_match: entry.if_match.clone(),
        if_none_match: entry.if_none_match.clone(),
        if_modified_since: entry.if_modified_since.as_deref().map(Conditions::entry_date).transpose()?,
        if_none_exist: entry.if_none_exist.clone(),
    };
    Ok((interaction, Asked { target, params, conditions, prefer, body: None }))
}

/// Path and query of an entry's URL: relative to the base, or absolute below it.
fn relative<'a>(url: &'a str, base: &str) -> Result<(&'a str, &'a str)> {
    let url = match url.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        _ if url.split('?').next().is_some_and(|path| path.contains("://")) => {
            return Err(Fault::invalid("the URL of an entry is relative, or begins with the base URL of this server"));
        }
        _ => url,
    };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Ok((path.strip_prefix('/').unwrap_or(path), query))
}

/// The same fault with the entry's place before every issue's own.
fn placed(fault: &Fault, index: usize) -> Fault {
    let place = |inner: Option<&str>| match inner {
        // `Patient.id` becomes `Bundle.entry[3].resource.id`.
        Some(inner) => {
            format!("Bundle.entry[{index}].resource.{}", inner.split_once('.').map_or(inner, |(_, rest)| rest))
        }
        None => format!("Bundle.entry[{index}].request"),
    };
    Fault::of(fault.category(), fault.issues().iter().cloned().map(|issue| issue.moved(place)).collect())
}

/// A transaction: all writes in one go, then the reads.
async fn all(
    site: &Site,
    session: &Session,
    wanted: Return,
    steps: Vec<Step>,
    ranks: &[Method],
) -> Result<Vec<Answer>> {
    let mut answers = vec![Answer::default(); steps.len()];
    let (mut writes, mut inquiries) = (Vec::new(), Vec::new());
    for (i, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write(entry, view) => writes.push((i, entry, view)),
            Step::Inquiry(interaction, asked) => inquiries.push((i, interaction, asked)),
            Step::Superseded(by) => answers[i] = superseded(by),
            Step::Expunge(..) => return Err(Fault::internal("what cannot be undone was planned for a transaction")),
        }
    }
    let mut room = Room::new(site);
    writes.sort_by_key(|(i, ..)| ranks[*i]);
    let (order, entries): (Vec<_>, Vec<_>) = writes.into_iter().map(|(i, entry, view)| ((i, view), entry)).unzip();
    if !entries.is_empty() {
        let written = session.transaction(entries).await?;
        for ((i, view), written) in order.into_iter().zip(written) {
            answers[i] = room.take(view.answer(session, written, wanted).await, false);
        }
    }
    for group in inquiries.chunks(together(Method::Get)) {
        if room.is_full() {
            group.iter().for_each(|(i, ..)| answers[*i] = room.refused());
            continue;
        }
        let work = group.iter().map(|(_, interaction, asked)| inquiry(site, session, *interaction, asked));
        for ((i, _, _), answer) in group.iter().zip(join_all(work).await) {
            answers[*i] = room.take(answer, true);
        }
    }
    Ok(answers)
}

/// A batch: each entry on its own, those of one method together.
async fn each(
    site: &Site,
    session: &Session,
    wanted: Return,
    steps: Vec<Result<Step>>,
    ranks: &[Method],
) -> Vec<Answer> {
    let mut answers = vec![Answer::default(); steps.len()];
    let mut steps: Vec<_> = steps.into_iter().enumerate().collect();
    // A search by POST reads and so comes with the reads.
    let rank = |i: usize, step: &Result<Step>| match step {
        Ok(Step::Inquiry(..)) => Method::Get,
        _ => ranks[i],
    };
    steps.sort_by_key(|(i, step)| rank(*i, step));
    let mut room = Room::new(site);
    let mut steps = steps.into_iter().peekable();
    while let Some((first, step)) = steps.next() {
        let phase = rank(first, &step);
        let is_read = matches!(step, Ok(Step::Inquiry(..)));
        if is_read && room.is_full() {
            answers[first] = room.refused();
            continue;
        }
        let mut group = vec![(first, step)];
        while let Some(next) = steps.next_if(|(i, step)| group.len() < together(phase) && rank(*i, step) == phase) {
            group.push(next);
        }
        let work = group.into_iter().map(|(i, step)| async move { (i, alone(site, session, wanted, step).await) });
        for (i, answer) in join_all(work).await {
            answers[i] = room.take(answer, phase == Method::Get);
        }
    }
    answers
}

async fn alone(site: &Site, session: &Session, wanted: Return, step: Result<Step>) -> Answer {
    let (entry, view) = match step {
        Ok(Step::Inquiry(interaction, asked)) => return inquiry(site, session, interaction, &asked).await,
        Ok(Step::Expunge(interaction, asked)) => return expunged(site, session, interaction, *asked).await,
        Ok(Step::Superseded(by)) => return superseded(by),
        Ok(Step::Write(entry, view)) => (entry, view),
        Err(fault) => return failed(&fault),
    };
    match session.transaction(vec![entry]).await.map(|mut written| written.pop()) {
        Ok(Some(written)) => view.answer(session, written, wanted).await,
        Ok(None) => failed(&Fault::internal("a transaction of one entry answered none")),
        Err(fault) => failed(&fault),
    }
}

async fn inquiry(site: &Site, session: &Session, interaction: Interaction, asked: &Asked) -> Answer {
    let call = asked.call(site, session);
    let answer = match interaction {
        Interaction::Operation => Box::pin(operation(&call, asked.body.as_ref())).await,
        _ => inquire(interaction, &call).await,
    };
    answer.unwrap_or_else(|fault| failed(&fault))
}

async fn expunged(site: &Site, session: &Session, interaction: Interaction, asked: Asked) -> Answer {
    let call = asked.call(site, session);
    let answer = match interaction {
        Interaction::Expunge => Box::pin(expunge::history(&call)).await,
        _ => Box::pin(operation(&call, asked.body.as_ref())).await,
    };
    answer.unwrap_or_else(|fault| failed(&fault))
}

fn superseded(by: usize) -> Answer {
    let mut out = Vec::new();
    write(&success(&format!("nothing was done: entry {by} holds a later version")), &mut out);
    Answer { status: 200, body: Some(out.into()), is_outcome: true, ..Answer::default() }
}

fn failed(fault: &Fault) -> Answer {
    let (status, body) = wire(fault);
    Answer { status, body: Some(body), is_outcome: true, ..Answer::default() }
}

fn framed(site: &Site, kind: &'static str, answers: &[Answer]) -> Bytes {
    let size = answers.iter().map(|answer| 256 + answer.body.as_ref().map_or(0, |body| body.len())).sum();
    let id = site.ids.uuid();
    let mut bundle = Framing::start(Head { kind, id: &id, updated: site.clock.now(), total: None, links: &[] }, size);
    let mut seen = HashSet::new();
    for answer in answers {
        let (resource, outcome) =
            if answer.is_outcome { (None, answer.body.as_deref()) } else { (answer.body.as_deref(), None) };
        // bdl-7: one identity and version stands there once.
        let key = answer.key().filter(|key| resource.is_some() && seen.insert((key.to_owned(), answer.version)));
        let full_url = key.map(|key| format!("{}/{key}", site.base));
        let response = Response {
            status: answer.status,
            location: answer.location.as_deref(),
            version: answer.version,
            modified: answer.modified,
            outcome,
        };
        let full_url = full_url.as_deref();
        bundle.entry(Entry { full_url, resource, response: Some(response), ..Entry::default() });
    }
    bundle.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_relative_to_the_base() {
        let base = "http://h/fhir";
        for (url, path, query) in [
            ("Patient/1", "Patient/1", ""),
            ("/Patient?name=x%20y", "Patient", "name=x%20y"),
            ("http://h/fhir/Patient/1/_history/2", "Patient/1/_history/2", ""),
            ("http://h/fhir?_page=a", "", "_page=a"),
            ("Patient?identifier=http://x|1", "Patient", "identifier=http://x|1"),
            ("Patient?url=http%3A%2F%2Fx", "Patient", "url=http%3A%2F%2Fx"),
        ] {
            assert_eq!(relative(url, base), Ok((path, query)), "{url}");
        }
        assert!(relative("http://h/fhirs/Patient/1", base).is_err());
        assert!(relative("https://other/fhir/Patient/1", base).is_err());
    }

    #[test]
    fn a_fault_names_its_entry() {
        let place = |fault: &Fault| placed(fault, 3).issues()[0].expression.clone();
        assert_eq!(place(&Fault::invalid("x")).as_deref(), Some("Bundle.entry[3].request"));
        assert_eq!(place(&Fault::invalid("x").at("Patient.id")).as_deref(), Some("Bundle.entry[3].resource.id"));
    }
}
