//! The target `http`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cresset_fuzz::bodies::http::http(data);
});
