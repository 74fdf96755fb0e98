//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

use crate::creator::Profile;
use crate::phase::Phase;
use crate::request::Also;

/// Remove KubeEdge, Kubernetes and their networks from this host
///
/// Only what is proven to belong to the chosen profile is removed: units, pods, processes, mounts, links, rules,
/// control groups and files. What another program on this host uses too is kept, and so are volumes, container
/// runtimes and their images. Mounts are unmounted before anything below them is removed; where one remains, the
/// directory stays. Directories are moved to a trash beside them, from which undo restores them until purge deletes
/// them.
#[derive(Debug, Parser)]
#[command(
    name = "edge-reset",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or something is left for another \
program; 4 refused, nothing of that part changed; 5 interrupted, run again to resume."
)]
pub struct Cli {
    /// Options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Show what of KubeEdge, Kubernetes and CNI is on this host, to whom it belongs, and what apply would do with it
    #[command(after_help = "Examples:\n  edge-reset scan\n  edge-reset scan --profile all --json")]
    Scan(ScanArgs),

    /// Remove it
    ///
    /// The phases are units, pods, processes, mounts, links, firewall, cgroups and files. The facts of each are read
    /// after the previous one. If something cannot be removed, everything else is removed anyway; the same command
    /// then continues. Without --yes the plan is printed, and nothing is changed (exit 4).
    #[command(after_help = APPLY)]
    Apply(ApplyArgs),

    /// Undo the newest run; with --id, another one
    ///
    /// Restores files from the trash and starts units that were stopped. A directory that exists again is not touched
    /// (exit 4); with --force it is renamed to NAME.edgeutils-kept. Pods, processes, mounts, links, rules of other
    /// programs and control groups are not restored: their programs make them again. What was removed of rules, tables,
    /// sets and virtual services is still in a file beside the journal; undo prints the command that restores it.
    #[command(after_help = "Examples:\n  edge-reset undo --list\n  edge-reset undo")]
    Undo(UndoArgs),

    /// Delete what apply has moved to the trash; it can then not be undone
    ///
    /// The rules that apply saved are deleted too. What is mounted in the trash or from it is kept (exit 4), and what
    /// cannot be deleted, such as an immutable file, is named (exit 1); the same command then continues.
    #[command(after_help = "Examples:\n  edge-reset purge -n\n  edge-reset purge --yes --id 7")]
    Purge(PurgeArgs),
}

const APPLY: &str = "\
Examples:
  edge-reset apply -n
  edge-reset apply --yes
  edge-reset apply -n --json > plan.jsonl; edge-reset apply --yes --plan plan.jsonl
  edge-reset apply --yes --profile all --also control-plane
  edge-reset apply --yes --root /mnt --no-trash

The trash is .edgeutils-trash-RUN beside what was moved, on the same file system; it uses space until purge. On a running
system, what is on a tmpfs is deleted at once, and the plan says so. undo restores files and units, but not rules, mounts
or links: their programs create them again when they start.

Entries in /etc/edgeutils/reset.d/NAME.toml are added to the built-in ones. With tier = \"kept\" nothing is removed:

  [[directory]]
  path = \"/opt/agent\"
  creators = [\"edgecore\"]

  [[directory]]
  path = \"/opt/backups\"
  tier = \"kept\"
  text = \"backups of this site\"

Deleted files are not overwritten: their blocks are free, and can still be read from the disk or image. Before an image
is copied to other hosts, wipe its free blocks: fstrim on what is mounted, or zerofree on an ext4 file system that is not.";

/// Options that choose what is removed.
#[derive(Debug, Clone, Args)]
pub struct ChoiceArgs {
    /// Whose things are removed: those of KubeEdge, of kubeadm and kubelet, of k3s, or of all of them
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t = Profile::Kubeedge)]
    pub profile: Profile,

    /// Only these phases
    #[arg(long, value_enum, value_name = "PHASE", value_delimiter = ',', conflicts_with = "skip")]
    pub only: Vec<Phase>,

    /// All phases but these
    #[arg(long, value_enum, value_name = "PHASE", value_delimiter = ',')]
    pub skip: Vec<Phase>,

    /// Also remove a control plane, including etcd's data; also stop and disable mosquitto, the broker of edgecore up to 1.9
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub also: Vec<Also>,
}

/// Options of `scan`.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// What is removed.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// Options of `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// What is removed.
    #[command(flatten)]
    pub choice: ChoiceArgs,

    /// Do it; without this option the plan is printed, and the exit code is 4
    #[arg(long)]
    pub yes: bool,

    /// Remove only what is in this plan of `apply -n --json` and unchanged since; - is standard input
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,

    /// Delete directories at once instead of moving them to the trash; undo does not restore them
    #[arg(long)]
    pub no_trash: bool,
}

/// Options of `purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeArgs {
    /// Do it; without this option the list is printed, and the exit code is 4
    #[arg(long)]
    pub yes: bool,

    /// Only the trash of this run, and the rules that it saved [default: of all runs]
    #[arg(long, value_name = "ID")]
    pub id: Option<u64>,
}
