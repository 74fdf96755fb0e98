//! The one list of utilities and their command lines, for man pages, completions and docs.

use clap::{Command, CommandFactory};

/// Each utility's name and clap definition, in the order of the README.
pub(crate) fn utilities() -> Vec<(&'static str, Command)> {
    vec![
        ("edge-prep", edge_prep::cli::Cli::command()),
        ("edge-certgen", edge_certgen::cli::Cli::command()),
        ("edge-cni", edge_cni::cli::Cli::command()),
        ("edge-crio", edge_crio::cli::Cli::command()),
        ("edge-apt", edge_apt::cli::Cli::command()),
        ("edge-conf", edge_conf::cli::Cli::command()),
        ("edge-redirect", edge_redirect::cli::Cli::command()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn list_is_that_of_the_crates_with_a_program() {
        let mut listed: Vec<&str> = utilities().iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(Workspace::find().unwrap().utilities, listed);
    }
}
