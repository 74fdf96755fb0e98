//! The one list of utilities, their command lines and manuals, for man pages, completions and docs.

use clap::{Command, CommandFactory};
use edge_host::manual::Manual;

/// Each utility's name, clap definition and manual, in the order of the README.
pub(crate) fn utilities() -> Vec<(&'static str, Command, Manual)> {
    vec![
        ("edge-prep", edge_prep::cli::Cli::command(), edge_prep::manual::MANUAL),
        ("edge-certgen", edge_certgen::cli::Cli::command(), edge_certgen::manual::MANUAL),
        ("edge-cni", edge_cni::cli::Cli::command(), edge_cni::manual::MANUAL),
        ("edge-crio", edge_crio::cli::Cli::command(), edge_crio::manual::MANUAL),
        ("edge-apt", edge_apt::cli::Cli::command(), edge_apt::manual::MANUAL),
        ("edge-conf", edge_conf::cli::Cli::command(), edge_conf::manual::MANUAL),
        ("edge-redirect", edge_redirect::cli::Cli::command(), edge_redirect::manual::MANUAL),
        ("edge-reset", edge_reset::cli::Cli::command(), edge_reset::manual::MANUAL),
        ("edge-manifest", edge_manifest::cli::Cli::command(), edge_manifest::manual::MANUAL),
        ("edge-pkg", edge_pkg::cli::Cli::command(), edge_pkg::manual::MANUAL),
        ("edge-check", edge_check::cli::Cli::command(), edge_check::manual::MANUAL),
        ("edge-token", edge_token::cli::Cli::command(), edge_token::manual::MANUAL),
        ("edge-join", edge_join::cli::Cli::command(), edge_join::manual::MANUAL),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn list_is_that_of_the_crates_with_a_program() {
        let mut listed: Vec<&str> = utilities().iter().map(|(name, ..)| *name).collect();
        listed.sort_unstable();
        assert_eq!(Workspace::find().unwrap().utilities, listed);
    }
}
