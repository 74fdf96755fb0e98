//! The utilities together: what all have in common, and the ways to prepare a node.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ansible;
mod cloud_init;
mod contract;
mod docs;
mod generated;
mod help;
mod language;
mod release;
mod script;
mod shell_completion;
