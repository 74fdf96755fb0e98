//! See tests/src/fuzz/token.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("token", data));
