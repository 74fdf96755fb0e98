//! The command line: types and help, no logic.

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

/// Wait until apt and dpkg are free, and repair interrupted installations
///
/// Replaces `killall apt; rm /var/lib/dpkg/lock*; dpkg --configure -a; apt-get update`: shows which
/// process holds a lock and waits for it. Never kills a process or removes a lock.
#[derive(Debug, Parser)]
#[command(name = "edge-apt", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done, or apt was not free in time; 2 usage; 3 a dry run found a lock or \
something to do, or a repair is incomplete; 4 refused, nothing changed; 5 interrupted, run again to resume."
)]
pub struct Cli {
    /// The options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Wait until no process holds a lock of apt or dpkg; then repair and update, if requested
    #[command(after_help = EXAMPLES)]
    Wait(WaitArgs),

    /// Show the runs; a repair cannot be undone
    #[command(after_help = "Example:\n  edge-apt undo --list")]
    Undo(UndoArgs),
}

const EXAMPLES: &str = "\
The four locks: /var/lib/dpkg/lock-frontend, /var/lib/dpkg/lock, /var/lib/apt/lists/lock,
/var/cache/apt/archives/lock. With --dry-run: show the processes that hold them now, and what would be done; exit 3 if there is any.

Examples:
  edge-apt wait --repair --update && apt-get install -y socat
  edge-apt wait -n";

/// The options of `wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Give up after this many seconds
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub timeout: u64,

    /// Repair an interrupted installation: dpkg --configure -a, then apt-get -f install, each only if needed
    #[arg(long)]
    pub repair: bool,

    /// Update the package lists; fail if one of them cannot be updated
    #[arg(long)]
    pub update: bool,
}
