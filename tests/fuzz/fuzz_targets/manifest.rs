//! See tests/src/fuzz/manifest.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("manifest", data));
