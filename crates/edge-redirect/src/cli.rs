//! The command line: types and help, no logic.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};
use edge_kubeedge::Minor;

use crate::wanted::{Engine, Reach};

/// Lead kubectl logs and exec to cloudcore, on each host that runs the Kubernetes API server
///
/// The API server dials PORT on the edge node, which it cannot reach; the redirect sends that to
/// cloudcore's stream port. Rules stand in a chain of their own, EDGEUTILS-STREAM in the nat table,
/// with one jump to it. Connections to this host itself are never redirected, and nobody else's rule
/// is moved or its counters reset (with the legacy engine every change by any program resets those of
/// the policies).
#[derive(Debug, Parser)]
#[command(
    name = "edge-redirect",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes; 4 refused, nothing \
touched; 5 interrupted, run again."
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
    /// Redirect ports to cloudcore, in addition to those that are redirected already
    ///
    /// Where cloudcore itself keeps its chain TUNNEL-PORT (1.8 and later, on its own host, also where
    /// --cloudcore and --kubeedge-version say so before it has started), nothing is added. A port that
    /// is redirected already gets the new address. Below --root only what --persist writes is written.
    /// Native nft rules in the same tables do no harm; where neither iptables nor nft can show OUTPUT,
    /// PREROUTING or our chain, nothing is added (exit 4).
    #[command(after_help = ADD)]
    Add(AddArgs),

    /// Show what is redirected, by whom, and whether it outlives a reboot
    ///
    /// The state is unknown where native nft rules keep iptables from showing the table and nft cannot
    /// show it either; install nftables there.
    #[command(after_help = "Example:\n  edge-redirect status")]
    Status,

    /// Remove the redirect, its file and its unit; or only some ports of it
    ///
    /// Nothing is removed where the rules cannot be read (exit 4).
    #[command(after_help = "Examples:\n  edge-redirect remove\n  edge-redirect remove 10352")]
    Remove(RemoveArgs),

    /// Make the rules what /etc/edgeutils/redirect.toml says, as the unit does at boot
    ///
    /// It keeps no journal and takes no lock of ours.
    #[command(after_help = "Example:\n  edge-redirect restore")]
    Restore,

    /// Print the rules for iptables-restore --noflush, or the unit for systemd
    #[command(after_help = RENDER)]
    Render(RenderArgs),

    /// Take the newest run back; with --id another one
    #[command(after_help = "Example:\n  edge-redirect undo")]
    Undo(UndoArgs),
}

const ADD: &str = "\
Which port: 10350 up to KubeEdge 1.6, 10351 from 1.7; with more than one cloudcore each has its own,
and the config map tunnelport of the cluster names them all.

Examples:
  edge-redirect add 10351=192.0.2.1:10003 --persist
  edge-redirect add 10351=192.0.2.1:10003 10352=192.0.2.2:10003
  edge-redirect add '10351=[2001:db8::1]:10003'
  edge-redirect add --cloudcore 192.0.2.1 --kubeedge-version 1.8.2
  kubectl get configmap -n kubeedge tunnelport -o json | edge-redirect add --tunnelport -";

const RENDER: &str = "\
Without PORT=IP:PORT what /etc/edgeutils/redirect.toml says is printed. The rules are for a table
that has none of them yet: given twice, the jump stands there twice.

Examples:
  edge-redirect render iptables-restore 10351=192.0.2.1:10003
  edge-redirect render systemd";

/// What is redirected where.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Redirect PORT to this address and port
    #[arg(value_name = "PORT=IP:PORT")]
    pub pairs: Vec<String>,

    /// The address of the only cloudcore; the port follows from its version
    #[arg(long, value_name = "IP", conflicts_with_all = ["pairs", "tunnelport"])]
    pub cloudcore: Option<IpAddr>,

    /// The version of KubeEdge that cloudcore has: 1.8.2, v1.8
    #[arg(long, value_name = "V", requires = "cloudcore")]
    pub kubeedge_version: Option<Minor>,

    /// Take ports and addresses from the config map tunnelport, as JSON; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "pairs")]
    pub tunnelport: Option<PathBuf>,

    /// Whose connections: this host's own, or also those it forwards (an API server in a pod network) [default: as it is, else output]
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub from: Option<Reach>,

    /// Make it so again after each boot
    #[arg(long)]
    pub persist: bool,

    /// The rule engine
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    pub backend: Engine,

    /// Replace rules for these ports that were made by hand, as install guides have them
    #[arg(long)]
    pub adopt: bool,

    /// Add rules even where cloudcore keeps TUNNEL-PORT itself
    #[arg(long)]
    pub force: bool,
}

/// What is to be removed.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Only these ports [default: all of it]
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
}

/// What is to be printed.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// For which program
    #[arg(value_enum, value_name = "iptables-restore|systemd")]
    pub what: Document,

    /// Redirect PORT to this address and port [default: what is stored]
    #[arg(value_name = "PORT=IP:PORT")]
    pub pairs: Vec<String>,

    /// Whose connections [default: as stored, else output]
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub from: Option<Reach>,
}

/// A document for another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// Rules, for iptables-restore --noflush.
    IptablesRestore,
    /// The unit, for /etc/systemd/system.
    Systemd,
}
