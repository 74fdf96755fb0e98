//! edge-certgen.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod advertised;
mod bundle;
mod check;
mod cluster;
mod hub;
mod keys;
mod live;
mod refused;
mod spared;
mod stream;
