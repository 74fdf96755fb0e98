//! edge-reset.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod additions;
mod live;
mod pictures;
mod resolver;
mod roots;
mod trash;
mod tree;
