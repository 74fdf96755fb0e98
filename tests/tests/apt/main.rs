//! edge-apt.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod judge;
mod live;
mod status;
