//! The harness of the tests: trees, utilities run as a user runs them, kills at any system call.
//!
//! A test that needs what a machine lacks calls [`skip`], which is counted; in CI a skip fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops where it cannot go on")]

pub mod acl;
pub mod apt;
pub mod cloudcore;
pub mod cluster;
pub mod cni;
pub mod cri;
pub mod debian;
pub mod defaults;
pub mod fleet;
pub mod fuzz;
pub mod image;
pub mod journal;
pub mod kill;
pub mod language;
pub mod live;
pub mod node;
pub mod pages;
pub mod pki;
pub mod program;
pub mod rules;
pub mod runtimes;
pub mod standin;
pub mod sweep;
pub mod systemd;
pub mod systems;
pub mod tool;
pub mod tree;

use std::io::Write;

/// Records that a test cannot run here, and why. The caller returns after it.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIP {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(log) = std::env::var_os("EDGEUTILS_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        log.write_all(line.as_bytes()).unwrap();
    }
}

/// Whether the tests run as root, which mounts and other users' files need.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
