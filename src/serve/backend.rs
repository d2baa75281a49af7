//! What a server needs of the repository behind it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::access::actor::Actor;
use crate::base::fault::Result;
use crate::base::id::TenantName;
use crate::repo::{Session, Status};

/// A future that is answered later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The repository as the server sees it.
pub trait Backend: Send + Sync + 'static {
    /// What `actor` may do with the data behind `/fhir`.
    ///
    /// # Errors
    /// When there is no such tenant, or not any more.
    fn session(&self, actor: Actor) -> Result<Session>;

    /// Whether whoever shows this is another node over the same database.
    fn admits(&self, secret: &[u8]) -> bool;

    /// What `actor` may do with the data of another tenant, behind `/t/NAME/fhir`.
    fn tenant<'a>(&'a self, name: &'a TenantName, actor: Actor) -> Later<'a, Result<Session>>;

    /// How far the parts of the tenants are that are open, by name.
    fn gauges(&self) -> Vec<(Arc<str>, Status)>;

    /// Whether the server is about to stop: clients should open their next connection elsewhere.
    fn is_leaving(&self) -> bool;

    /// Whether requests can be answered.
    fn ready(&self) -> Later<'_, Result<()>>;
}
