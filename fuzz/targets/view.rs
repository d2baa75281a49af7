//! The target `view`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cresset_fuzz::bodies::view::view(data);
});
