//! The target `page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cresset_fuzz::bodies::page::page(data);
});
