//! See tests/src/fuzz/swap_script.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("swap_script", data));
