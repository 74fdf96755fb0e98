//! The command line: types and help, no logic.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};
use edge_kubeedge::Minor;

use crate::request::{BackendChoice, Traffic};

/// Redirect kubectl logs and exec to cloudcore
///
/// Run it on each host that runs the Kubernetes API server. For kubectl logs and exec the API server
/// connects to PORT on the edge node, which it cannot reach; the redirect sends these connections to
/// the stream port of cloudcore. The rules are in a chain of their own, EDGEUTILS-STREAM in the nat
/// table, with one jump to it. Connections to this host itself are never redirected. Rules of other
/// programs are neither changed nor moved, and their counters are kept (with the legacy backend, any
/// change of a table resets the counters of its policies).
#[derive(Debug, Parser)]
#[command(
    name = "edge-redirect",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found problems; \
4 refused, nothing changed; 5 interrupted, run again to resume."
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
    /// Redirect ports to cloudcore, in addition to those that are already redirected
    ///
    /// cloudcore 1.8 and later manages the chain TUNNEL-PORT on its own host itself, unless
    /// modules.iptablesManager in cloudcore.yaml turns that off. If it does and the redirect is in effect,
    /// nothing is added; if it does and the redirect is not in effect, nothing is added either (exit 4).
    /// If a rule of another program for the same port takes precedence, the exit code is 3. A port that is already redirected gets the new address. With --root, only the files for --persist
    /// are written. Native nft rules in the same table are supported; if neither iptables nor nft can
    /// show OUTPUT, PREROUTING or EDGEUTILS-STREAM, nothing is added (exit 4).
    #[command(after_help = ADD)]
    Add(AddArgs),

    /// Show the redirects, their source and whether they persist across reboots
    ///
    /// A redirect is active if connections get to its rule, and shadowed if an earlier rule decides about
    /// them. The state is unknown if native nft rules prevent iptables from showing the table and nft is not
    /// installed.
    #[command(after_help = "Example:\n  edge-redirect status")]
    Status,

    /// Check that the redirects are active and persist across reboots; exit 3 if there are problems
    ///
    /// With --root, only the files for the next boot are checked.
    #[command(after_help = "Example:\n  edge-redirect check")]
    Check,

    /// Remove all redirects, their file and their unit; or only the redirects of some ports
    ///
    /// If the rules cannot be read, nothing is removed (exit 4).
    #[command(after_help = "Examples:\n  edge-redirect remove\n  edge-redirect remove 10352")]
    Remove(RemoveArgs),

    /// Apply the redirects in /etc/edgeutils/redirect.toml, as the unit does at boot
    ///
    /// It writes no journal and does not wait for other edge utilities.
    #[command(after_help = "Example:\n  edge-redirect restore")]
    Restore,

    /// Print the rules for iptables-restore --noflush, or the systemd unit
    #[command(after_help = RENDER)]
    Render(RenderArgs),

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-redirect undo")]
    Undo(UndoArgs),
}

const ADD: &str = "\
The port is 10350 up to KubeEdge 1.6, and 10351 from 1.7. With more than one cloudcore each has
its own port; the config map tunnelport in the cluster lists them.

Examples:
  edge-redirect add 10351=192.0.2.1:10003 --persist
  edge-redirect add 10351=192.0.2.1:10003 10352=192.0.2.2:10003
  edge-redirect add '10351=[2001:db8::1]:10003'
  edge-redirect add --cloudcore 192.0.2.1 --kubeedge-version 1.8.2
  kubectl get configmap -n kubeedge tunnelport -o json | edge-redirect add --tunnelport -";

const RENDER: &str = "\
Without PORT=IP:PORT, the redirects in /etc/edgeutils/redirect.toml are printed. The rules are for a
table without them: loading them twice adds a second jump.

Examples:
  edge-redirect render iptables-restore 10351=192.0.2.1:10003
  edge-redirect render systemd";

/// Options of `add`.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Redirect PORT to this address and port
    #[arg(value_name = "PORT=IP:PORT")]
    pub redirects: Vec<String>,

    /// Address of the only cloudcore; the port depends on its version
    #[arg(long, value_name = "IP", conflicts_with_all = ["redirects", "tunnelport"])]
    pub cloudcore: Option<IpAddr>,

    /// KubeEdge version of cloudcore: 1.8.2, v1.8
    #[arg(long, value_name = "V", requires = "cloudcore")]
    pub kubeedge_version: Option<Minor>,

    /// Read ports and addresses from the config map tunnelport, as JSON; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "redirects")]
    pub tunnelport: Option<PathBuf>,

    /// Connections to redirect: those of this host, or also those it forwards (API server in a pod network) [default: unchanged, or output]
    #[arg(long, value_enum, value_name = "TRAFFIC")]
    pub from: Option<Traffic>,

    /// Restore the redirects at each boot
    #[arg(long)]
    pub persist: bool,

    /// Backend of iptables
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub backend: BackendChoice,

    /// Replace unmanaged rules for these ports, such as those from installation guides
    #[arg(long)]
    pub adopt: bool,

    /// Add rules even if cloudcore manages TUNNEL-PORT itself
    #[arg(long)]
    pub force: bool,

    /// Redirect also ports that other services need, such as 22, 6443 or 10250
    #[arg(long)]
    pub force_port: bool,
}

/// Options of `remove`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Only these ports [default: all]
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
}

/// Options of `render`.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// Document to print
    #[arg(value_enum, value_name = "iptables-restore|systemd")]
    pub what: Document,

    /// Redirect PORT to this address and port [default: the stored redirects]
    #[arg(value_name = "PORT=IP:PORT")]
    pub redirects: Vec<String>,

    /// Connections to redirect [default: as stored, or output]
    #[arg(long, value_enum, value_name = "TRAFFIC")]
    pub from: Option<Traffic>,

    /// Redirect also ports that other services need, such as 22, 6443 or 10250
    #[arg(long)]
    pub force_port: bool,
}

/// A document for another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// Rules for iptables-restore --noflush
    IptablesRestore,
    /// Unit for /etc/systemd/system
    Systemd,
}
