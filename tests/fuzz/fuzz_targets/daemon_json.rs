//! See tests/src/fuzz/daemon_json.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("daemon_json", data));
