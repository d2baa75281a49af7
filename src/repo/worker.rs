//! Threads for CPU work.

use crate::base::fault::{Fault, Result};

/// Runs CPU work where it does not hold up the network.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Fault::internal(format!("a worker failed: {e}"))))
}
