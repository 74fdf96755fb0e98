//! edge-conf.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod features;
mod filter;
mod go_judge;
mod host;
mod in_use;
mod input;
mod judge;
mod kept;
mod keys;
mod live;
mod secrets;
mod undo;
mod values;
mod version;
