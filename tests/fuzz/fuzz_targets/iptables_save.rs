//! See tests/src/fuzz/iptables_save.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("iptables_save", data));
