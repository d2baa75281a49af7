//! Consistency: many clients, recorded, and a checker that knows nothing of the product.
//!
//! Clients ask whatever the interactions offer, at one node or two, while nothing happens, a node is killed, or one is
//! paused (`run`). What they ask and get is written down with the moments of call and answer (`recorder`, `seen`). At the
//! end the log is read as the history of the system, and `check` decides whether one order of everything explains what
//! everybody saw; its doc comment says what exactly is decided, and why that is right. That it finds what is wrong is
//! shown by histories made by hand (`bad`), and by faults planted in the product (`tests/faults`).

mod bad;
mod check;
mod recorder;
mod run;
mod seen;
mod timeline;
mod wire;
mod workload;
