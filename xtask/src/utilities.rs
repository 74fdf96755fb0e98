//! The one list of utilities and their command lines, for man pages, completions and docs.

use clap::{Arg, Command};

/// Each utility's name and clap definition, in the order of the README.
pub(crate) fn utilities() -> Vec<(&'static str, Command)> {
    vec![("edge-conf", edge_conf())]
}

/// Stands in for `edge_conf::cli::Cli::command()`.
fn edge_conf() -> Command {
    Command::new("edge-conf")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Edit and check KubeEdge configuration files")
        .arg(
            Arg::new("root")
                .long("root")
                .value_name("DIR")
                .global(true)
                .help("Work on a mounted image or chroot instead of this host"),
        )
        .subcommand(
            Command::new("set")
                .about("Set keys")
                .long_about("Set keys.\n\nSeveral edits in one call: all or none.")
                .arg(Arg::new("edit").value_name("PATH=VALUE").num_args(1..).required(true).help("What to set"))
                .after_help("Example:\n  edge-conf set modules.edgeStream.server=192.0.2.1:10004"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn the_list_is_that_of_the_crates_with_a_program() {
        let mut listed: Vec<&str> = utilities().iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(Workspace::find().unwrap().utilities, listed);
    }
}
