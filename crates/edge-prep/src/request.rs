//! What the user requests of a host: by role, by single options, or both.

use clap::ValueEnum;
use edge_host::Result;
use serde::{Deserialize, Serialize};

use crate::cli::RequestArgs;
use crate::kernel::{Module, Sysctl};

const ROLE_MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const ROLE_SYSCTLS: [&str; 3] =
    ["net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1", "net.ipv4.ip_forward=1"];

/// What the host is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// KubeEdge's node agent.
    Edgecore,
    /// A Kubernetes node set up by kubeadm.
    Kubeadm,
}

/// What happens to swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwapPolicy {
    /// Off, now and at boot: kubelet's default requirement.
    Off,
    /// Unchanged: edgecore runs with swap.
    Keep,
    /// On, and pods may use it within limits (kubelet's LimitedSwap).
    Limited,
}

/// What happens to the memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupPolicy {
    /// On, after a reboot where the kernel was started without it.
    On,
    /// Unchanged.
    Keep,
}

/// Everything that one call requests; what is not named is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Request {
    /// Swap.
    pub swap: Option<SwapPolicy>,
    /// Memory cgroup.
    pub memory_cgroup: Option<CgroupPolicy>,
    /// Modules, in order.
    pub modules: Vec<Module>,
    /// Sysctls, in order.
    pub sysctls: Vec<Sysctl>,
}

impl Request {
    /// Everything that a role needs.
    pub fn of_role(role: Role) -> Result<Request> {
        Ok(Request {
            swap: Some(match role {
                Role::Edgecore => SwapPolicy::Keep,
                Role::Kubeadm => SwapPolicy::Off,
            }),
            memory_cgroup: Some(CgroupPolicy::On),
            modules: ROLE_MODULES.iter().map(|name| Module::parse(name)).collect::<Result<_>>()?,
            sysctls: ROLE_SYSCTLS.iter().map(|text| Sysctl::parse(text)).collect::<Result<_>>()?,
        })
    }

    /// What these options request; none where they request nothing.
    pub(crate) fn of_args(args: &RequestArgs) -> Result<Option<Request>> {
        let mut request = args.role.map(Request::of_role).transpose()?.unwrap_or_default();
        request.swap = args.swap.or(request.swap);
        request.memory_cgroup = args.memory_cgroup.or(request.memory_cgroup);
        for name in &args.modules {
            let module = Module::parse(name)?;
            if !request.modules.iter().any(|other| other.kernel_name() == module.kernel_name()) {
                request.modules.push(module);
            }
        }
        for text in &args.sysctls {
            let sysctl = Sysctl::parse(text)?;
            // An option takes precedence over the role, and a later option over an earlier one.
            request.sysctls.retain(|other| other.key != sysctl.key);
            request.sysctls.push(sysctl);
        }
        Ok((request != Request::default()).then_some(request))
    }

    /// This request and a later one, which takes precedence where both name the same.
    pub(crate) fn then(mut self, later: &Request) -> Request {
        self.swap = later.swap.or(self.swap);
        self.memory_cgroup = later.memory_cgroup.or(self.memory_cgroup);
        self.modules.retain(|one| !later.modules.iter().any(|other| other.kernel_name() == one.kernel_name()));
        self.modules.extend(later.modules.iter().cloned());
        self.sysctls.retain(|one| !later.sysctls.iter().any(|other| other.key == one.key));
        self.sysctls.extend(later.sysctls.iter().cloned());
        self
    }
}
