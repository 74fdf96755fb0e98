//! edge-redirect.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod cloudcore;
mod input;
mod live;
mod tree;
