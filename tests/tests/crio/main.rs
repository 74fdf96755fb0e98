//! The integration tests of edge-crio.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundle;
mod config;
mod download;
mod judge;
mod live;
mod odd;
mod owner;
mod references;
mod resolve;
mod stage;
