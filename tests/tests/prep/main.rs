//! edge-prep.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boot;
mod boot_files;
mod kernel;
mod live;
mod odd;
mod pulled_in;
mod scripts;
mod swap;
mod systems;
