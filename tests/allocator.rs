//! What `src/main.rs` says to the allocator by the number of an option.

use libmimalloc_sys::{mi_option_get, mi_option_t};

/// As in `src/main.rs`, which a test cannot see.
const PURGE_DELAY: mi_option_t = 15;

/// The number is none of the crate's own names: another version may have given it to another option, which has another value.
#[test]
fn the_option_is_the_delay() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    // SAFETY: it reads an integer.
    #[expect(unsafe_code, reason = "the allocator has no other way to be asked")]
    let delay = unsafe { mi_option_get(PURGE_DELAY) };
    assert_eq!(delay, 1000, "milliseconds, as mimalloc 3 comes");
    let main = include_str!("../src/main.rs");
    assert!(main.contains(&format!("const PURGE_DELAY: mi_option_t = {PURGE_DELAY};")));
}
