//! See tests/src/fuzz/config_txt.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("config_txt", data));
