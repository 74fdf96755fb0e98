//! See tests/src/fuzz/nodes.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("nodes", data));
