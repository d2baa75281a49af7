//! The target `fhirpath`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cresset_fuzz::bodies::fhirpath::fhirpath(data);
});
