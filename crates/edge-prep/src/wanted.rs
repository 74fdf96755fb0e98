//! What is wanted of a host: by role, or one by one.

use clap::ValueEnum;
use edge_host::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::cli::{Role, WantedArgs};
use crate::kernel::{Module, Sysctl};

const ROLE_MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const ROLE_SYSCTLS: [&str; 3] =
    ["net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1", "net.ipv4.ip_forward=1"];

/// What shall become of swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Swap {
    /// Off, now and after a reboot: kubeadm's default wish.
    Off,
    /// As it is: edgecore does not mind swap.
    Keep,
    /// On, and pods may use it within limits (kubelet's LimitedSwap).
    Limited,
}

/// What shall become of the memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryCgroup {
    /// On, after a reboot where the kernel was started without it.
    On,
    /// As it is.
    Keep,
}

/// All that one call wants; what is not named is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Swap.
    pub swap: Option<Swap>,
    /// Memory cgroup.
    pub memory_cgroup: Option<MemoryCgroup>,
    /// Modules, in order.
    pub modules: Vec<Module>,
    /// Kernel values, in order.
    pub sysctls: Vec<Sysctl>,
}

impl Wanted {
    /// From the command line; none where nothing was asked for.
    pub fn of(args: &WantedArgs) -> Result<Option<Wanted>> {
        let mut wanted = Wanted::default();
        if let Some(role) = args.role {
            wanted.swap = Some(match role {
                Role::Edgecore => Swap::Keep,
                Role::Kubeadm => Swap::Off,
            });
            wanted.memory_cgroup = Some(MemoryCgroup::On);
            wanted.modules = ROLE_MODULES.iter().map(|name| Module::parse(name)).collect::<Result<_>>()?;
            wanted.sysctls = ROLE_SYSCTLS.iter().map(|text| Sysctl::parse(text)).collect::<Result<_>>()?;
        }
        wanted.swap = args.swap.or(wanted.swap);
        wanted.memory_cgroup = args.memory_cgroup.or(wanted.memory_cgroup);
        for name in &args.modules {
            let module = Module::parse(name)?;
            if !wanted.modules.iter().any(|other| other.kernel_name() == module.kernel_name()) {
                wanted.modules.push(module);
            }
        }
        for text in &args.sysctls {
            let sysctl = Sysctl::parse(text)?;
            // The last word on a key is the user's.
            wanted.sysctls.retain(|other| other.key != sysctl.key);
            wanted.sysctls.push(sysctl);
        }
        Ok((wanted != Wanted::default()).then_some(wanted))
    }

    /// The error of an `apply` that asks for nothing.
    pub fn nothing() -> Error {
        Error::usage("cannot apply: nothing is asked for")
            .hint("edge-prep apply --for edgecore, or --for kubeadm, or single options (edge-prep apply --help)")
    }
}
