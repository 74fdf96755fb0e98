//! Private keys, certificates and chains: reading, making, signing and checking them, as OpenSSL and Go do.
//!
//! Knows no files: its callers read and write them, and name them in errors. PEM is read as Go reads it, because the
//! programs of Kubernetes and KubeEdge do. Times are seconds since 1970.

pub mod cert;
pub mod chain;
pub mod csr;
pub mod encoding;
pub mod issue;
pub mod key;
pub mod names;
pub mod sign;
pub mod subject;
pub mod times;
