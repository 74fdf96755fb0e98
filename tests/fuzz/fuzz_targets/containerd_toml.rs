//! See tests/src/fuzz/containerd_toml.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeutils_tests::fuzz::check("containerd_toml", data));
