//! What remains after the worst moment: SIGKILL under load, answers before syncs, and loss of power.
//!
//! SIGKILL alone does not show durability, because the page cache survives the process. So strace shows that no answer
//! leaves before the sync that covers it, and a preloaded library keeps what had been synced: the test continues from that.

mod backup;
mod kill;
mod load;
mod outage;
mod parameters;
mod power;
mod rounds;
mod syncs;
