//! The tenants beside the default one: each is opened when it is asked for, and closed when nobody uses it any more.
//!
//! A thousand idle tenants cost files, not memory or threads. Each has a slot with a lock of its own, so opening or closing
//! one never holds up another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex as Brief, MutexGuard, PoisonError};

use tokio::sync::Mutex;

use super::open::{Ground, Open};
use super::tenancy::Tenancy;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::{Tenant, TenantName};

/// Those that are open, or about to be.
#[derive(Debug, Default)]
pub(super) struct Others {
    slots: Brief<HashMap<Tenant, Arc<Slot>>>,
}

/// The place of a tenant. Invariant: while nobody holds the lock of `open`, the tenant's index is open exactly when there is
/// an `Open` in it.
#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Option<Open>>,
    /// When it was last asked for, in microseconds.
    used: AtomicI64,
}

impl Slot {
    /// The tenant, if it is open and nobody opens or closes it at this moment.
    fn glance(&self) -> Option<Arc<Tenancy>> {
        self.open.try_lock().ok()?.as_ref().map(|open| open.at.clone())
    }

    /// Whether it is open and nobody has a session with it.
    fn is_unused(&self) -> bool {
        let Ok(open) = self.open.try_lock() else { return false };
        open.as_ref().is_some_and(|open| Arc::strong_count(&open.at) == 1)
    }

    fn used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Others {
    /// A tenant, opened if need be. Beyond the bound the one that was not used for the longest time is closed first.
    ///
    /// # Errors
    /// Whatever opening answers.
    pub(super) async fn get(&self, ground: &Ground, tenant: Tenant, name: &TenantName) -> Result<Arc<Tenancy>> {
        let slot = self.slots().entry(tenant).or_default().clone();
        slot.used.store(ground.clock.now().0, Ordering::Relaxed);
        let mut open = slot.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.at.clone());
        }
        self.make_room(ground.limits.open_tenants, tenant).await;
        let opened = ground.open(tenant, Some(name)).await;
        if opened.is_err() {
            self.leave(tenant, &slot);
        }
        let opened = opened?;
        let at = opened.at.clone();
        *open = Some(opened);
        Ok(at)
    }

    /// Closes unused tenants until there are at most `most` with `wanted`, or none is unused.
    async fn make_room(&self, most: usize, wanted: Tenant) {
        loop {
            let oldest = {
                let slots = self.slots();
                if slots.len() <= most {
                    return;
                }
                let unused = slots.iter().filter(|(tenant, slot)| **tenant != wanted && slot.is_unused());
                unused.min_by_key(|(_, slot)| slot.used()).map(|(tenant, _)| *tenant)
            };
            let Some(oldest) = oldest else { return };
            self.retire(oldest).await;
        }
    }

    /// Closes those that nobody has used for `idle_seconds`: no session, and no page that may still be asked for.
    pub(super) async fn sweep(&self, now: Timestamp, idle_seconds: u64) {
        let micros = i64::try_from(idle_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        self.open().iter().for_each(|at| at.pins.sweep(now));
        let idle: Vec<Tenant> = {
            let slots = self.slots();
            let idle = slots.iter().filter(|(_, slot)| now.0 - slot.used() >= micros && slot.is_unused());
            idle.map(|(tenant, _)| *tenant).collect()
        };
        for tenant in idle {
            self.retire(tenant).await;
        }
    }

    /// Closes a tenant unless somebody has begun to use it.
    async fn retire(&self, tenant: Tenant) {
        let Some(slot) = self.slots().get(&tenant).cloned() else { return };
        let mut open = slot.open.lock().await;
        // Sessions are given away under this lock only.
        if open.as_ref().is_some_and(|open| Arc::strong_count(&open.at) > 1) {
            return;
        }
        if let Some(open) = open.take()
            && let Err(fault) = open.close().await
        {
            tracing::warn!(%fault, tenant = tenant.0, "an idle tenant does not close in order");
        }
        self.leave(tenant, &slot);
    }

    /// Closes a tenant, if it is open, whoever uses it.
    ///
    /// # Errors
    /// When its index cannot be closed; nothing is lost.
    pub(super) async fn close(&self, tenant: Tenant) -> Result<()> {
        let Some(slot) = self.slots().get(&tenant).cloned() else { return Ok(()) };
        let mut open = slot.open.lock().await;
        let closed = match open.take() {
            Some(open) => open.close().await,
            None => Ok(()),
        };
        self.leave(tenant, &slot);
        closed
    }

    /// Closes all.
    ///
    /// # Errors
    /// The first that cannot be closed; the others are closed all the same.
    pub(super) async fn close_all(&self) -> Result<()> {
        let tenants: Vec<Tenant> = self.slots().keys().copied().collect();
        let mut closed = Ok(());
        for tenant in tenants {
            closed = closed.and(self.close(tenant).await);
        }
        closed
    }

    /// Those that are open.
    pub(super) fn open(&self) -> Vec<Arc<Tenancy>> {
        self.slots().values().filter_map(|slot| slot.glance()).collect()
    }

    /// Whether a tenant is open, or about to be.
    pub(super) fn has(&self, tenant: Tenant) -> bool {
        self.slots().contains_key(&tenant)
    }

    /// Takes away an empty slot that nobody waits for. To be called while its lock is held.
    fn leave(&self, tenant: Tenant, slot: &Arc<Slot>) {
        let mut slots = self.slots();
        // One is in the table and one here: who waits for the lock has a third.
        if Arc::strong_count(slot) == 2 {
            slots.remove(&tenant);
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Tenant, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
