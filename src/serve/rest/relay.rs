//! Asking the node that holds the snapshot of a page, so that a client may follow its links on any node.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::call::Site;
use super::params::encode;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::TenantName;
use crate::base::net::Connection;
use crate::base::traces::hand_on;
use crate::repo::Peer;

/// Where a node answers other nodes. Not below `/fhir`, so that a proxy need not let it through.
pub const PATH: &str = "/cluster/page";
/// The header with the secret of the nodes.
pub const SECRET: HeaderName = HeaderName::from_static("x-cresset-cluster");

/// The header with the tenant whose page it is, unless it is the default one.
pub const TENANT: HeaderName = HeaderName::from_static("x-cresset-tenant");

/// The page of a token below `path` as `peer` answers it, in JSON; `None` when that node does not hold it any more. `form`: what
/// its links carry along.
///
/// # Errors
/// 503, transient, when the node is not reached, does not answer in time, or answers with something else.
pub async fn ask(site: &Site, (path, token): (&str, &str), form: &str, peer: &Peer) -> Result<Option<Bytes>> {
    let limits = &site.limits;
    let body = format!("{path}?_page={}{form}", encode(token));
    let mut secret = HeaderValue::from_str(peer.secret.reveal())
        .map_err(|_| Fault::internal("the secret of the cluster is not the text of a header"))?;
    secret.set_sensitive(true);
    let mut headers = HeaderMap::from_iter([(SECRET, secret)]);
    if let Some(name) = site.tenant.as_ref().and_then(|name| HeaderValue::from_str(name.as_str()).ok()) {
        headers.insert(TENANT, name);
    }
    hand_on(&mut headers);
    let mut connection = Connection::new(&peer.address)?.at_most(limits.relay_bytes);
    let asked = connection.send(Method::POST, PATH, headers, Bytes::from(body));
    let why = match tokio::time::timeout(Duration::from_secs(limits.relay_seconds), asked).await {
        Ok(Ok(answer)) => match answer.status {
            StatusCode::OK => return Ok(Some(answer.body)),
            StatusCode::GONE => return Ok(None),
            status => format!("it answers with {status}"),
        },
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => format!("it does not answer within {} s", limits.relay_seconds),
    };
    // Where the node is and what it says is for the operator.
    tracing::warn!(node = peer.address, why, "another node does not answer with the page that it holds");
    Err(Fault::unavailable("the node that holds this page does not answer; try again in a moment, or search again"))
}

/// What a request shows as the secret.
pub fn shown(headers: &HeaderMap) -> &[u8] {
    headers.get(SECRET).map_or(&[], HeaderValue::as_bytes)
}

/// The tenant that a request of another node names; one that cannot be a tenant's name is none that is known either.
pub fn named(headers: &HeaderMap) -> Option<TenantName> {
    TenantName::parse(headers.get(TENANT)?.to_str().ok()?).ok()
}

/// The refusal of everybody else.
pub fn stranger() -> Fault {
    Fault::new(Category::Forbidden, "only other nodes over the same database may ask here")
}
