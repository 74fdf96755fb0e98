//! See tests/src/fuzz/kubeconfig.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("kubeconfig", data));
