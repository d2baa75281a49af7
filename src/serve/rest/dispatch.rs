//! From an HTTP request to its interaction and back.

use axum::body::Body;
use http::{HeaderMap, Request, Response, Uri};

use super::batch::batch;
use super::call::{Answer, Call, Site};
use super::change::{Sent, change};
use super::conditions::Return;
use super::inquire::inquire;
use super::negotiate::{Form, Format, body_format, form_body};
use super::params::Params;
use super::patch::{self, Sort};
use super::respond::{refuse, respond};
use super::routes::{Interaction, Operation, Shape, Target, allow, interaction, target};
use super::subset::Shown;
use super::{expunge, extract};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::bundle::read_request;
use crate::fhir::patch::{Patch, PatchBounds, PatchFormat};
use crate::repo::{Session, WriteEntry};

/// What was done, for the log and the counters.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// The interaction; `Absent` when the request was none.
    pub interaction: Interaction,
    /// The form of the path.
    pub template: &'static str,
}

/// Answers a request whose path below the base is `path`, in the form `wanted`.
pub async fn dispatch(
    site: &Site,
    session: Result<Session>,
    path: &str,
    request: Request<Body>,
    wanted: Result<Form>,
) -> (Done, Response<Body>) {
    let mut done = Done { interaction: Interaction::Absent("unknown"), template: "" };
    let (parts, body) = request.into_parts();
    let mut form = *wanted.as_ref().unwrap_or(&Form::default());
    let target = match target(path) {
        Ok(target) => target,
        Err(fault) => return (done, refuse(&fault, None, form)),
    };
    done.template = target.shape.template();
    let interaction = match interaction(extract::method(&parts.method), target.shape) {
        Ok(interaction) => interaction,
        Err(fault) => {
            let methods = (fault.category() == Category::MethodNotAllowed).then(|| allow(target.shape));
            return (done, refuse(&fault, methods.as_deref(), form));
        }
    };
    done.interaction = interaction;
    let asked = Asked { site, interaction, target: &target, uri: &parts.uri, headers: &parts.headers };
    let answer = match (session, wanted) {
        (Ok(session), Ok(_)) => asked.answer(&session, body, &mut form).await,
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    let response = match answer {
        Ok(answer) => respond(answer, &site.base, form).await,
        Err(fault) => Err(fault),
    };
    let response = response.unwrap_or_else(|fault| {
        let methods = (fault.category() == Category::MethodNotAllowed).then(|| allow(target.shape));
        refuse(&fault, methods.as_deref(), form)
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
}

impl Asked<'_> {
    /// `form` becomes what the parameters say, also those in the body of a search.
    async fn answer(&self, session: &Session, body: Body, form: &mut Form) -> Result<Answer> {
        let limits = &self.site.limits;
        let mut params = Params::parse(self.uri.query().unwrap_or_default(), limits.query_bytes)?;
        let is_form = matches!(self.target.shape, Shape::TypeSearch | Shape::SystemSearch | Shape::CompartmentSearch);
        let body = if is_form {
            let pairs = self.form(body).await?;
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
        let conditions = extract::conditions(self.headers)?;
        let prefer = extract::prefer(self.headers);
        let Self { site, target, .. } = *self;
        let call = Call { site, session, target, params, conditions: &conditions, prefer };
        let sent = match body {
            Some(body) => self.sent(body).await?,
            None => Sent::Nothing,
        };
        match (self.interaction, sent) {
            (Interaction::Bundle, Sent::Resource(bundle)) => {
                call.only(&[])?;
                let bundle = read_request(bundle, site.limits.bundle_entries)?;
                batch(site, session, prefer, bundle).await
            }
            (Interaction::Create | Interaction::Update | Interaction::Patch | Interaction::Delete, sent) => {
                let shown = Shown::of_one(&call, call.kind()?)?;
                let change = change(self.interaction, &call, sent)?;
                let entry = WriteEntry { index: None, full_url: None, change };
                let written = session.transaction(vec![entry]).await?.pop();
                let written = written.ok_or_else(|| Fault::internal("a transaction of one entry answered none"))?;
                shown.answer(call.kind()?, Answer::written(written, prefer.answer.unwrap_or(Return::Representation)))
            }
            (Interaction::Expunge, _) => expunge::history(&call).await,
            (Interaction::Operation, sent) => match (target.operation, sent) {
                (Some(Operation::Expunge), Sent::Resource(body)) => expunge::operation(&call, Some(body)).await,
                (Some(Operation::Expunge), _) => expunge::operation(&call, None).await,
                (None, _) => Err(Fault::internal("route of an operation without its name")),
            },
            _ => inquire(self.interaction, &call).await,
        }
    }

    /// What the body holds.
    async fn sent(&self, body: Body) -> Result<Sent> {
        let limits = &self.site.limits;
        let content_type = extract::content_type(self.headers)?;
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
        let body = extract::body(self.headers, body, limits.body_bytes).await?;
        if body.is_empty() && self.interaction == Interaction::Operation {
            return Ok(Sent::Nothing);
        }
        let tree = extract::resource(body, format, limits.nesting).await?;
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
