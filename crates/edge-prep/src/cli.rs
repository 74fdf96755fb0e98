//! The command line: types and help, no logic.

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

use crate::request::{CgroupPolicy, Role, SwapPolicy};

/// Prepare a host for edgecore or kubeadm: swap, memory cgroup, kernel modules, sysctls
///
/// Shows for each of them the file it comes from and what re-enables it at boot, changes only what
/// is requested, and undoes its changes byte for byte.
#[derive(Debug, Parser)]
#[command(name = "edge-prep", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, check found problems, \
or apply left a manual step; 4 refused, nothing changed; 5 interrupted, run again to resume."
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
    /// Show swap, memory cgroup, modules and sysctls, each with the file and line it comes from
    #[command(after_help = "Example:\n  edge-prep status")]
    Status,

    /// Set up the host as requested, now and at every boot
    ///
    /// Without --for, only what the options name is changed.
    #[command(after_help = ROLES)]
    Apply(ApplyArgs),

    /// Check the host for what was requested; exit 3 if there are problems
    ///
    /// Each problem is reported with the file or layer that causes it. Without options, the request
    /// of the last apply --for, and of single options since, is checked.
    #[command(visible_alias = "verify", after_help = "Example, after a reboot:\n  edge-prep check")]
    Check(RequestArgs),

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-prep undo")]
    Undo(UndoArgs),
}

const ROLES: &str = "\
What the roles request:
                    edgecore   kubeadm
  --swap            keep       off
  --memory-cgroup   on         on
  --module          overlay, br_netfilter
  --sysctl          net.bridge.bridge-nf-call-iptables=1
                    net.bridge.bridge-nf-call-ip6tables=1
                    net.ipv4.ip_forward=1

Examples:
  edge-prep apply --for edgecore
  edge-prep apply --swap off -n";

/// What is requested, and how it is set.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// What is requested.
    #[command(flatten)]
    pub request: RequestArgs,

    /// Where a later file sets a requested sysctl to a different value, write into a file after that one
    #[arg(long = "override")]
    pub overrides: bool,
}

/// What is requested.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// Everything that this role needs; the other options take precedence
    #[arg(long = "for", value_name = "ROLE")]
    pub role: Option<Role>,

    /// Turn swap off, leave it unchanged, or let pods use it within limits
    #[arg(long, value_name = "POLICY")]
    pub swap: Option<SwapPolicy>,

    /// Turn the memory cgroup on, or leave it unchanged
    #[arg(long, value_name = "POLICY")]
    pub memory_cgroup: Option<CgroupPolicy>,

    /// Load this kernel module, now and at boot; may be repeated
    #[arg(long = "module", value_name = "M")]
    pub modules: Vec<String>,

    /// Set this sysctl, now and at boot; may be repeated
    #[arg(long = "sysctl", value_name = "K=V")]
    pub sysctls: Vec<String>,

    /// Do not write /run/reboot-required where a reboot is needed
    #[arg(long)]
    pub no_reboot_flag: bool,
}
