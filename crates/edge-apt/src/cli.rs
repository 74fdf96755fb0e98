//! The command line: types and help, no logic.

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

/// Wait until apt and dpkg are free, and mend what an interruption left
///
/// Instead of `killall apt; rm /var/lib/dpkg/lock*; dpkg --configure -a; apt-get update`: says who
/// works with apt, waits for it, and never kills anything or removes a lock.
#[derive(Debug, Parser)]
#[command(name = "edge-apt", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done, or not free in time; 2 usage; 3 a dry run found it busy or \
something to mend, or something is left to mend; 4 refused, nothing touched; 5 interrupted, run again."
)]
pub struct Cli {
    /// What every utility has.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Wait until nobody holds a lock of apt or dpkg; then mend and update, if asked to
    #[command(after_help = EXAMPLES)]
    Wait(WaitArgs),

    /// Show the runs; what a repair finished has no opposite
    #[command(after_help = "Example:\n  edge-apt undo --list")]
    Undo(UndoArgs),
}

const EXAMPLES: &str = "\
The four locks: /var/lib/dpkg/lock-frontend, /var/lib/dpkg/lock, /var/lib/apt/lists/lock,
/var/cache/apt/archives/lock. With --dry-run: who holds them now; exit 3 if anybody does.

Examples:
  edge-apt wait --repair --update && apt-get install -y socat
  edge-apt wait -n";

/// What to wait for, and what to do then.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Give up after this many seconds
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub timeout: u64,

    /// Finish what an interrupted dpkg left: dpkg --configure -a, then apt-get -f install, each only if needed
    #[arg(long)]
    pub repair: bool,

    /// Get the package lists anew, and fail if one of them cannot be got
    #[arg(long)]
    pub update: bool,
}
