//! Prepares a host for edgecore or kubeadm: swap, memory cgroup, kernel modules, sysctls.
//!
//! Reads /proc/swaps, fstab and everything else that turns swap on, the cgroup hierarchies, the
//! boot configuration, modules-load.d and sysctl.d.
//! Writes its own files in modules-load.d and sysctl.d, the boot command line, and what keeps swap
//! off at boot: comments in fstab, masks and drop-ins.
//! Runs systemctl, swapoff, swapon, modprobe and update-grub, live only.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod cgroup;
pub mod cli;
mod facts;
#[doc(hidden)]
pub mod fuzz;
pub mod kernel;
pub mod manual;
mod plan;
mod reboot;
mod report;
pub mod request;
mod stored;
pub mod swap;
mod verbs;

use edge_host::{Editor, Host, Outcome, Result, undo};

use cli::{Cli, Verb};

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Status => verbs::status(host),
        Verb::Apply(args) => verbs::apply(host, &args),
        Verb::Check(args) => verbs::check(host, &args),
        Verb::Undo(args) => {
            let editors: Vec<&dyn Editor> = swap::editors().iter().chain(cgroup::editors()).copied().collect();
            undo::run(host, &args, &editors)
        }
    }
}
