//! The embedded tables, taken apart at first use.

use super::format::Tables;

static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/definitions.bin"));

/// The rows of the embedded definitions. They are decoded anew at each call (a few milliseconds): the
/// modules beside this one keep what they make of them.
pub fn rows() -> Tables<'static> {
    Tables::decode(BYTES).expect("the embedded tables are made and checked by build.rs")
}
