//! From an HTTP request to its interaction and back.

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, Uri};

use super::batch::batch;
use super::call::{Answer, Call, Site};
use super::change::{Sent, change};
use super::conditions::Return;
use super::inquire::inquire;
use super::negotiate::{ACCEPT_PATCH, Form, Format, body_format, form_body};
use super::offered::Operation;
use super::operation::{self, operation};
use super::params::Params;
use super::patch::{self, Sort};
use super::respond::{refuse, respond};
use super::routes::{Interaction, Shape, Target, allow, interaction, target};
use super::subset::Shown;
use super::{binary, expunge, extract, graphql, packages, provenance, validate, view_run};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::bundle::read_request;
use crate::fhir::patch::{Patch, PatchBounds, PatchFormat};
use crate::fhir::types::ResourceType;
use crate::repo::Session;

/// What was done, for the log and the counters.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// The interaction; `Absent` when the request was none.
    pub interaction: Interaction,
    /// The form of the path.
    pub template: &'static str,
    /// The type that the path names.
    pub kind: Option<ResourceType>,
}

impl Done {
    /// Nothing: the request was none that is known.
    pub const UNKNOWN: Self = Self { interaction: Interaction::Absent("unknown"), template: "", kind: None };
}

/// Answers a request whose path below the base is `path`, in the form `wanted`.
pub async fn dispatch(
    site: &Site,
    session: Result<Session>,
    path: &str,
    parts: &Parts,
    body: Body,
    wanted: Result<Form>,
) -> (Done, Response<Body>) {
    let mut done = Done::UNKNOWN;
    let mut form = *wanted.as_ref().unwrap_or(&Form::default());
    let target = match target(path) {
        Ok(target) => target,
        Err(fault) => return (done, refuse(&fault, None, form)),
    };
    (done.template, done.kind) = (target.shape.template(), target.kind);
    let interaction = match interaction(extract::method(&parts.method), target.shape) {
        Ok(interaction) => interaction,
        Err(fault) => {
            let methods = (fault.category() == Category::MethodNotAllowed).then(|| allow(target.shape));
            return (done, refuse(&fault, methods.as_deref(), form));
        }
    };
    done.interaction = interaction;
    let is_search = matches!(target.shape, Shape::TypeSearch | Shape::SystemSearch | Shape::CompartmentSearch);
    let is_form = is_search && parts.method == http::Method::POST;
    let is_content = binary::may_be_content(interaction, &target, &parts.uri);
    let has_own_form = operation::has_own_form(&target);
    let wanted = if is_content || has_own_form { Ok(form) } else { wanted };
    let asked = Asked { site, interaction, target: &target, uri: &parts.uri, headers: &parts.headers, is_form };
    let answer = match (session, wanted) {
        (Ok(session), Ok(_)) if has_own_form => return (done, Box::pin(asked.formed(session, body)).await),
        (Ok(session), Ok(_)) if asked.is_queried() => match Box::pin(asked.queried(session, body, &mut form)).await {
            Ok(response) => return (done, response),
            Err(fault) => Err(fault),
        },
        (Ok(session), Ok(_)) => asked.answer(&session, body, &mut form).await,
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    let response = match answer {
        Ok(answer) if is_content => Box::pin(binary::respond_content(answer, &parts.headers, &site.base, form)).await,
        Ok(answer) => respond(answer, &site.base, form).await,
        Err(fault) => Err(fault),
    };
    let response = response.unwrap_or_else(|fault| {
        let methods = (fault.category() == Category::MethodNotAllowed).then(|| allow(target.shape));
        let mut response = refuse(&fault, methods.as_deref(), form);
        if interaction == Interaction::Patch && fault.category() == Category::UnsupportedMedia {
            response.headers_mut().insert("accept-patch", HeaderValue::from_static(ACCEPT_PATCH));
        }
        response
    });
    (done, response)
}

/// A request whose interaction is known.
struct Asked<'a> {
    site: &'a Site,
    interaction: Interaction,
    target: &'a Target,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    /// The body holds more parameters.
    is_form: bool,
}

/// Boxed is what reads do not need: the future of a request is moved a few times, and reads are many.
impl Asked<'_> {
    /// `form` becomes what the parameters say, also those in the body of a search.
    async fn answer(&self, session: &Session, body: Body, form: &mut Form) -> Result<Answer> {
        let limits = &self.site.limits;
        let mut params = Params::parse(self.uri.query().unwrap_or_default(), limits.query_bytes)?;
        params.language = extract::language(self.headers);
        if self.is_queried() {
            params.pairs.retain(|(name, _)| name != graphql::OVER);
        }
        let body = if self.is_form {
            let pairs = Box::pin(self.form(body)).await?;
            params.add(&pairs, limits.query_bytes)?;
            None
        } else {
            Some(body)
        };
        if params.format.is_some() || params.pretty {
            *form = Form::of_params(&params, self.headers)?;
        }
        self.call(session, &params, body).await
    }

    async fn call(&self, session: &Session, params: &Params, body: Option<Body>) -> Result<Answer> {
        let (limits, conditions) = (&self.site.limits, extract::conditions(self.headers)?);
        let prefer = extract::prefer(self.headers);
        let Self { site, target, .. } = *self;
        let call = Call { site, session, target, params, conditions: &conditions, prefer };
        let sent = match body {
            Some(body) => match Box::pin(self.sent(body)).await {
                // What cannot be read as a resource is not valid: that is an answer.
                Err(fault) if validate::is_verdict(target, &fault) => {
                    return Ok(validate::verdict(fault.issues().to_vec()));
                }
                sent => sent?,
            },
            None => Sent::Nothing,
        };
        match (self.interaction, sent) {
            (Interaction::Bundle, Sent::Resource(bundle)) => {
                call.only(&[])?;
                provenance::none(self.headers)?;
                let bundle = read_request(bundle, limits.bundle_entries)?;
                Box::pin(batch(site, session, prefer, bundle)).await
            }
            (Interaction::Create | Interaction::Update | Interaction::Patch | Interaction::Delete, sent) => {
                let shown = Shown::of_one(&call, call.kind()?)?;
                let change = change(self.interaction, &call, sent)?;
                let entries = provenance::entries(self.interaction, self.headers, change, &site.ids, limits.nesting)?;
                let written = Box::pin(session.transaction(entries)).await?.into_iter().next();
                let written = written.ok_or_else(|| Fault::internal("a transaction of one entry answered none"))?;
                let wanted = prefer.answer.unwrap_or(Return::Representation);
                shown.answer(call.kind()?, Box::pin(Answer::written(session, written, wanted)).await)
            }
            (Interaction::Expunge, _) => Box::pin(expunge::history(&call)).await,
            (Interaction::Operation, Sent::Archive(archive)) => Box::pin(packages::upload(&call, archive)).await,
            (Interaction::Operation, Sent::Resource(body)) => Box::pin(operation(&call, Some(&body))).await,
            (Interaction::Operation, _) => Box::pin(operation(&call, None)).await,
            _ => inquire(self.interaction, &call).await,
        }
    }

    /// The response of an operation whose answer has a form of its own.
    async fn formed(&self, session: Session, body: Body) -> Response<Body> {
        match self.target.operation {
            Some(Operation::GraphQl) => {
                graphql::respond(self.site, session, self.target, (self.uri, self.headers), body).await
            }
            _ => view_run::respond(self.site, &session, self.target, (self.uri, self.headers), body).await,
        }
    }

    /// Whether not the answer of an operation is wanted, but what a query finds in it.
    fn is_queried(&self) -> bool {
        matches!(self.interaction, Interaction::Operation | Interaction::Inquiry) && graphql::is_over(self.uri)
    }

    /// The response of such an operation; where it did not what it should, its own.
    async fn queried(&self, session: Session, body: Body, form: &mut Form) -> Result<Response<Body>> {
        let over = graphql::Over::read(self.site, self.uri);
        if let Some(refused) = over.refused() {
            return Ok(refused);
        }
        let answer = self.answer(&session, body, form).await?;
        match &answer.body {
            Some(resource) if (200..300).contains(&answer.status) => {
                Ok(over.respond(self.site, session, resource).await)
            }
            _ => respond(answer, &self.site.base, *form).await,
        }
    }

    /// What the body holds.
    async fn sent(&self, body: Body) -> Result<Sent> {
        let limits = &self.site.limits;
        if binary::may_be_written(self.interaction, self.target) {
            return binary::sent(self.target, self.headers, body, limits.body_bytes, limits.nesting).await;
        }
        let content_type = extract::content_type(self.headers)?;
        if packages::is_archive(self.target, content_type) {
            return extract::body(self.headers, body, limits.body_bytes).await.map(Sent::Archive);
        }
        let (format, patch) = match self.interaction {
            Interaction::Create | Interaction::Update | Interaction::Bundle | Interaction::Operation => {
                (body_format(content_type)?, None)
            }
            Interaction::Patch => match patch::format(content_type)? {
                sort @ Sort::Known(PatchFormat::FhirPath) => (body_format(content_type)?, Some(sort)),
                other => (Format::Json, Some(other)),
            },
            _ => return Ok(Sent::Nothing),
        };
        let body = Box::pin(extract::body(self.headers, body, limits.body_bytes)).await?;
        if body.is_empty() && self.interaction == Interaction::Operation {
            return Ok(Sent::Nothing);
        }
        if patch == Some(Sort::Known(PatchFormat::Xml)) {
            return Patch::parse(PatchFormat::Xml, &body, PatchBounds::from(limits)).map(Sent::Patch);
        }
        let is_exact = self.target.operation == Some(Operation::Validate);
        let tree = Box::pin(extract::resource(body, format, limits.nesting, is_exact)).await?;
        match patch {
            None => Ok(Sent::Resource(tree)),
            Some(sort) => Patch::read(sort.of(&tree), tree, PatchBounds::from(limits)).map(Sent::Patch),
        }
    }

    /// The parameters in the body of a search by POST; an empty body needs no type.
    async fn form(&self, body: Body) -> Result<String> {
        let body = extract::body(self.headers, body, self.site.limits.query_bytes).await?;
        if body.is_empty() {
            return Ok(String::new());
        }
        form_body(extract::content_type(self.headers)?)?;
        String::from_utf8(body.into()).map_err(|_| Fault::invalid("the form is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::capability::About;
    use super::super::statements::Statements;
    use super::*;
    use crate::base::clock::{FixedClock, SharedClock, Timestamp};
    use crate::base::config::Rest;
    use crate::base::id::IdSource;
    use crate::base::limits::Limits;

    #[test]
    fn the_future_of_a_request_is_small_enough_to_be_moved() {
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(0)));
        let ids = IdSource::seeded(clock.clone(), 1);
        let (base, limits) = ("http://h/fhir".into(), Limits::default());
        let about = About { base: "", started: Timestamp(0), rules: Rest::default(), has_cors: false };
        let statements = Arc::new(Statements::new(&about));
        let site = Site { base, tenant: None, limits, clock, ids, statements };
        let (parts, body) = http::Request::new(Body::empty()).into_parts();
        let future = dispatch(&site, Err(Fault::internal("not asked")), "", &parts, body, Ok(Form::default()));
        assert!(size_of_val(&future) < 2048, "{} bytes: box what reads do not need", size_of_val(&future));
    }
}
