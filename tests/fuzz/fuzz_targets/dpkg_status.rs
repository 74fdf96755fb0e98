//! See tests/src/fuzz/dpkg_status.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("dpkg_status", data));
