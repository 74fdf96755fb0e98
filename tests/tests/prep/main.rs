//! edge-prep.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boot;
mod live;
mod odd;
mod swap;
mod systems;
