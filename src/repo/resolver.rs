//! The seam between searching and the terminology service, which itself searches for definitions.

use std::pin::Pin;
use std::sync::Arc;

use super::tenancy::Tenancy;
use crate::base::fault::Result;
use crate::search::query::Query;

/// What is on its way.
pub(super) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Looks up what a search means by value sets and code systems, before it is compiled.
pub(super) trait Resolver: Sync {
    /// The query with the codes that are meant.
    fn resolve<'a>(&'a self, at: &'a Arc<Tenancy>, query: Query) -> Later<'a, Result<Query>>;
}

/// For searches that ask for no meaning.
pub(super) struct Plain;

impl Resolver for Plain {
    fn resolve<'a>(&'a self, _at: &'a Arc<Tenancy>, query: Query) -> Later<'a, Result<Query>> {
        Box::pin(std::future::ready(Ok(query)))
    }
}
