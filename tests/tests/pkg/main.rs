//! edge-pkg.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod containerd;
mod docker;
mod live;
