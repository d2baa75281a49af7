//! The target `search`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cresset_fuzz::bodies::search::search(data);
});
