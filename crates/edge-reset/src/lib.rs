//! Removes KubeEdge, Kubernetes and their networks from a host, and nothing else.
//!
//! Reads units, processes, mounts, links, rules, control groups and files; what belongs to whom, and how that is proven,
//! is in `data/ownership` and /etc/edgeutils/reset.d. Stops units, ends pods and processes, unmounts, deletes links,
//! rules and control groups, and moves directories to a trash beside them. Runs systemctl, iptables, nft, ipset,
//! ipvsadm and docker, on a live host only.

mod agents;
pub mod cli;
mod configuration;
mod context;
mod control_plane;
mod creator;
mod filter;
mod groups;
mod item;
pub mod manual;
mod networks;
mod ownership;
mod phase;
mod phases;
mod request;
mod roots;
mod verbs;

use edge_firewall::Rules;
use std::path::Path;

use edge_host::{Error, Host, Outcome, Result, Root, undo};

use cli::{Cli, Verb};

/// Two directories that an image and the running system share only if they are the same.
const SHARED: [&str; 2] = ["/etc", "/usr"];

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    must_not_be_the_running_system(host)?;
    host.refuses_own_tree();
    match cli.verb {
        Verb::Scan(args) => verbs::scan::run(host, &args),
        Verb::Apply(args) => verbs::apply::run(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&Rules, &phases::Keeper]),
        Verb::Purge(args) => verbs::purge::run(host, &args),
    }
}

/// As an image, the processes, mounts and links that show what is in use would not be looked at.
fn must_not_be_the_running_system(host: &Host) -> Result<()> {
    if host.root.is_live() {
        return Ok(());
    }
    let live = Root::live()?;
    for dir in SHARED.map(Path::new) {
        let own = host.root.inode(dir)?;
        if own.is_none() || own != live.inode(dir)? {
            return Ok(());
        }
    }
    let shown = host.root.display(Path::new("/"));
    let what = format!("cannot reset {} with --root: it is the running system", shown.display());
    Err(Error::refused(what).hint("omit --root; in a container or chroot, run it on the host"))
}
