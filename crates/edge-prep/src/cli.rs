//! The command line: types and help, no logic.

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

use crate::wanted::{MemoryCgroup, Role, Swap};

/// Make a host ready for edgecore or kubeadm: swap, memory cgroup, kernel modules, sysctls
///
/// Says for everything it finds where it comes from and what brings it back after a reboot, changes
/// only what is asked for, and takes it back to the byte.
#[derive(Debug, Parser)]
#[command(name = "edge-prep", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, verify found faults, \
or apply left a step to be done by hand; 4 refused, nothing touched; 5 interrupted, run again."
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

    /// Make it so, now and after a reboot
    ///
    /// Without --for only what is named is touched.
    #[command(after_help = ROLES)]
    Apply(WantedArgs),

    /// Find what is not as wanted and which layer undid it; exit 3 if anything is
    ///
    /// Without options: what the last apply wanted.
    #[command(after_help = "Example, after a reboot:\n  edge-prep verify")]
    Verify(WantedArgs),

    /// Take the newest run back; with --id another one
    #[command(after_help = "Example:\n  edge-prep undo")]
    Undo(UndoArgs),
}

const ROLES: &str = "\
What the roles stand for:
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

/// What is wanted.
#[derive(Debug, Clone, Args)]
pub struct WantedArgs {
    /// All that this role needs; options below have the last word
    #[arg(long = "for", value_name = "ROLE")]
    pub role: Option<Role>,

    /// Turn swap off, leave it, or let pods use it within limits
    #[arg(long, value_name = "POLICY")]
    pub swap: Option<Swap>,

    /// Have the memory controller of cgroups on, or leave it
    #[arg(long, value_name = "POLICY")]
    pub memory_cgroup: Option<MemoryCgroup>,

    /// Load this kernel module, now and at boot; may be repeated
    #[arg(long = "module", value_name = "M")]
    pub modules: Vec<String>,

    /// Set this kernel value, now and at boot; may be repeated
    #[arg(long = "sysctl", value_name = "K=V")]
    pub sysctls: Vec<String>,

    /// Do not tell the distribution's tools (/run/reboot-required) that a reboot is needed
    #[arg(long)]
    pub no_reboot_flag: bool,
}
