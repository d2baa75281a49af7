//! The `cresset` binary: the allocator and the command line, nothing else.

use std::ffi::c_long;
use std::process::ExitCode;

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h: how long freed pages are held in case they are wanted again, in milliseconds.
const PURGE_DELAY: mi_option_t = 15;
/// A tenth of mimalloc's own, which costs 70 to 100 MiB right after an import (docs/PERFORMANCE.md, *Memory*).
const PURGE_DELAY_MS: c_long = 100;

fn main() -> ExitCode {
    // SAFETY: it writes an integer, and no other thread runs yet. What the environment sets (MIMALLOC_PURGE_DELAY) stays.
    #[expect(unsafe_code, reason = "the allocator has no other way to be told")]
    unsafe {
        mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS);
    }
    cresset::cli::run()
}
