//! The tenants beside the default one: each is opened when it is asked for, and closed when nobody uses it any more.
//!
//! A thousand idle tenants cost files, not memory or threads.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::open::{Ground, Open};
use super::tenancy::Tenancy;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::{Tenant, TenantName};

/// Those that are open. One is opened or closed at a time.
#[derive(Debug, Default)]
pub(super) struct Others {
    open: Mutex<HashMap<Tenant, Used>>,
}

#[derive(Debug)]
struct Used {
    open: Open,
    last: Timestamp,
}

impl Used {
    /// Whether nobody uses it: no session, and no page that may still be asked for.
    fn is_idle(&self, now: Timestamp) -> bool {
        let micros =
            i64::try_from(self.open.at.limits.tenant_idle_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Arc::strong_count(&self.open.at) == 1 && now.0 - self.last.0 >= micros
    }
}

impl Others {
    /// A tenant, opened if need be. Beyond the bound the one that was not used for the longest time is closed first.
    ///
    /// # Errors
    /// Whatever opening answers.
    pub(super) async fn get(&self, ground: &Ground, tenant: Tenant, name: &TenantName) -> Result<Arc<Tenancy>> {
        let now = ground.clock.now();
        let mut open = self.open.lock().await;
        if let Some(used) = open.get_mut(&tenant) {
            used.last = now;
            return Ok(used.open.at.clone());
        }
        while open.len() >= ground.limits.open_tenants {
            let unused = open.iter().filter(|(_, used)| Arc::strong_count(&used.open.at) == 1);
            let Some(oldest) = unused.min_by_key(|(_, used)| used.last).map(|(tenant, _)| *tenant) else { break };
            close(&mut open, oldest).await?;
        }
        let opened = ground.open(tenant, Some(name)).await?;
        let at = opened.at.clone();
        open.insert(tenant, Used { open: opened, last: now });
        Ok(at)
    }

    /// Closes those that nobody uses.
    pub(super) async fn sweep(&self, now: Timestamp) {
        let mut open = self.open.lock().await;
        open.values().for_each(|used| used.open.at.pins.sweep(now));
        let idle: Vec<Tenant> = open.iter().filter(|(_, used)| used.is_idle(now)).map(|(tenant, _)| *tenant).collect();
        for tenant in idle {
            if let Err(fault) = close(&mut open, tenant).await {
                tracing::warn!(%fault, tenant = tenant.0, "an idle tenant does not close in order");
            }
        }
    }

    /// Closes a tenant, if it is open.
    ///
    /// # Errors
    /// When its index cannot be closed; nothing is lost.
    pub(super) async fn close(&self, tenant: Tenant) -> Result<()> {
        close(&mut *self.open.lock().await, tenant).await
    }

    /// Closes all.
    ///
    /// # Errors
    /// The first that cannot be closed; the others are closed all the same.
    pub(super) async fn close_all(&self) -> Result<()> {
        let mut open = self.open.lock().await;
        let tenants: Vec<Tenant> = open.keys().copied().collect();
        let mut closed = Ok(());
        for tenant in tenants {
            closed = closed.and(close(&mut open, tenant).await);
        }
        closed
    }
}

async fn close(open: &mut HashMap<Tenant, Used>, tenant: Tenant) -> Result<()> {
    match open.remove(&tenant) {
        Some(used) => used.open.close().await,
        None => Ok(()),
    }
}
