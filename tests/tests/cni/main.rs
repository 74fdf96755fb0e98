//! edge-cni.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod conf;
mod hints;
mod install;
mod live;
mod odd;
mod verdict;
