//! See tests/src/fuzz/http_answer.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("http_answer", data));
