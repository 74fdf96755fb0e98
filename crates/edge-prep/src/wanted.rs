//! What is wanted of a host: by role, or one by one.

use clap::ValueEnum;
use edge_host::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::kernel::{Module, Sysctl};

const ROLE_MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const ROLE_SYSCTLS: [&str; 3] =
    ["net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1", "net.ipv4.ip_forward=1"];

/// Who the host is made ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// KubeEdge's node agent.
    Edgecore,
    /// A Kubernetes node made by kubeadm.
    Kubeadm,
}

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
    /// All that a role stands for.
    pub fn of_role(role: Role) -> Result<Wanted> {
        Ok(Wanted {
            swap: Some(match role {
                Role::Edgecore => Swap::Keep,
                Role::Kubeadm => Swap::Off,
            }),
            memory_cgroup: Some(MemoryCgroup::On),
            modules: ROLE_MODULES.iter().map(|name| Module::parse(name)).collect::<Result<_>>()?,
            sysctls: ROLE_SYSCTLS.iter().map(|text| Sysctl::parse(text)).collect::<Result<_>>()?,
        })
    }

    /// The error of an `apply` that asks for nothing.
    pub fn nothing() -> Error {
        Error::usage("cannot apply: nothing is asked for")
            .hint("edge-prep apply --for edgecore, or --for kubeadm, or single options (edge-prep apply --help)")
    }
}
