//! edge-reset.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod live;
mod pictures;
mod resolver;
mod tree;
