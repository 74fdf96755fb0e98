//! The policies under which swap stays on: unchanged, or for pods within limits.

use edge_host::{Error, Plan, Result};

use super::{Cgroup, Facts, Kernel};
use crate::request::SwapPolicy;

/// Since this version tmpfs has `noswap`; without it, Secrets and other volumes in memory may be swapped out.
pub(super) const NOSWAP: Kernel = Kernel(6, 3);
const EDGECORE: &str = "modules.edged.tailoredKubeletConfig";
const NEEDS: &str = "kubelet's LimitedSwap needs cgroup v2, Kubernetes 1.28 (NodeSwap, beta; GA in 1.34), \
a container runtime that supports it (containerd 1.6, CRI-O) and, to keep Secrets out of swap, Linux 6.3 (noswap of tmpfs)";

/// The settings of kubelet or edgecore that go with a policy; the same in every call.
pub fn advice(facts: &Facts, policy: SwapPolicy) -> Vec<String> {
    match policy {
        SwapPolicy::Off => Vec::new(),
        SwapPolicy::Keep => {
            let state = match facts.active.as_deref() {
                Some([]) => "currently off",
                Some(_) => "currently on",
                None => "unknown in an image",
            };
            vec![
                format!("swap is not changed ({state}): edgecore does not need it off"),
                format!(
                    "set to match: edgecore {EDGECORE}.failSwapOn: false (its default), kubelet failSwapOn: false; \
                     memorySwap.swapBehavior: NoSwap (the default since 1.30) keeps pods from using it"
                ),
            ]
        }
        SwapPolicy::Limited => vec![
            NEEDS.to_owned(),
            format!(
                "set to match: failSwapOn: false and memorySwap.swapBehavior: LimitedSwap, in kubelet's configuration \
                 or edgecore's {EDGECORE}"
            ),
        ],
    }
}

pub(super) fn keep(facts: &Facts, plan: &mut Plan) {
    if facts.cgroup == Some(Cgroup::V1) && facts.active.as_ref().is_some_and(|active| !active.is_empty()) {
        plan.note("this host runs cgroup v1, where kubelet does not limit swap: pods may use it");
    }
}

pub(super) fn limited(facts: &Facts, plan: &mut Plan) -> Result<()> {
    if facts.cgroup == Some(Cgroup::V1) {
        return Err(Error::refused("cannot let pods use limited swap: this host runs cgroup v1")
            .hint(format!("boot with systemd.unified_cgroup_hierarchy=1, or use --swap off or --swap keep; {NEEDS}")));
    }
    if facts.cgroup.is_none() {
        plan.note("the cgroup version of this host is unknown: run edge-prep check on the running host");
    }
    match facts.kernel {
        Some(kernel) if kernel < NOSWAP => {
            let Kernel(major, minor) = kernel;
            plan.note(format!("Linux {major}.{minor} is older than 6.3: Secrets of pods may be swapped out"));
        }
        Some(_) => {}
        None => plan.note("the kernel of this host is unknown: it should be Linux 6.3 or newer"),
    }
    if facts.active.as_ref().is_some_and(Vec::is_empty) {
        plan.note("swap is off: LimitedSwap has no effect until swap is turned on");
    }
    Ok(())
}
