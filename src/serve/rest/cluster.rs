//! Answering another node with a page that is held here (`relay` asks).

use axum::body::Body;
use http::{Request, Response};

use super::call::{Answer, Call, Site};
use super::conditions::{Conditions, Prefer};
use super::dispatch::Done;
use super::negotiate::Form;
use super::params::Params;
use super::relay::PATH;
use super::respond::{refuse, respond};
use super::routes::{Interaction, target};
use super::{extract, search};
use crate::base::fault::{Fault, Result};
use crate::repo::Session;

/// Answers with the page that the body names (`[path]?_page=...`), in JSON, without asking a third node. `session` is a
/// fault unless the request comes from another node; nothing of it is read then.
pub async fn held(site: &Site, session: Result<Session>, request: Request<Body>) -> (Done, Response<Body>) {
    let done = Done { interaction: Interaction::Search, template: PATH, kind: None };
    let answer = match session {
        Ok(session) => page(site, &session, request).await,
        Err(fault) => Err(fault),
    };
    // The node that asked gives the page its form.
    let response = match answer {
        Ok(answer) => respond(answer, &site.base, Form::default()).await,
        Err(fault) => Err(fault),
    };
    (done, response.unwrap_or_else(|fault| refuse(&fault, None, Form::default())))
}

async fn page(site: &Site, session: &Session, request: Request<Body>) -> Result<Answer> {
    let (parts, body) = request.into_parts();
    let most = site.limits.query_bytes;
    let body = extract::body(&parts.headers, body, most).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Fault::invalid("the body is not UTF-8"))?;
    let (path, query) = text.split_once('?').ok_or_else(|| Fault::invalid("the body is not [path]?_page=..."))?;
    let (target, params) = (target(path)?, Params::parse(query, most)?);
    let (conditions, prefer) = (Conditions::default(), Prefer::default());
    search::held(&Call { site, session, target: &target, params: &params, conditions: &conditions, prefer }).await
}
