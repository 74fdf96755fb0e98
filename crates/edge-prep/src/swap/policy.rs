//! When swap may stay: as it is, or for pods to use within limits.

use edge_host::{Error, Plan, Result};

use super::{Cgroup, Facts, Kernel};

/// tmpfs has `noswap` since then: without it what Secrets and the like hold may be swapped out.
pub(super) const NOSWAP: Kernel = Kernel(6, 3);
const EDGECORE: &str = "modules.edged.tailoredKubeletConfig";
const NEEDS: &str = "kubelet's LimitedSwap needs cgroup v2, Kubernetes 1.28 (NodeSwap, beta; 1.34: GA), \
a runtime that knows it (containerd 1.6, CRI-O) and, so that no Secret is swapped out, Linux 6.3 (noswap of tmpfs)";

pub(super) fn keep(facts: &Facts, plan: &mut Plan) {
    let state = match facts.active.as_deref() {
        Some([]) => "there is none now",
        Some(_) => "it is on now",
        None => "an image's live facts are unknown",
    };
    plan.note(format!("swap stays as it is ({state}): edgecore does not need it off"));
    plan.note(format!(
        "the settings that go with it: edgecore {EDGECORE}.failSwapOn: false (its default), kubelet failSwapOn: false; \
         memorySwap.swapBehavior: NoSwap (the default from 1.30 on) keeps pods off it"
    ));
    if facts.cgroup == Some(Cgroup::V1) && facts.active.as_ref().is_some_and(|active| !active.is_empty()) {
        plan.note("on cgroup v1, as here, kubelet limits no swap: pods may use it");
    }
}

pub(super) fn limited(facts: &Facts, plan: &mut Plan) -> Result<()> {
    if facts.cgroup == Some(Cgroup::V1) {
        return Err(Error::refused("cannot let pods use limited swap: this host runs cgroup v1")
            .hint(format!("{NEEDS}; boot with systemd.unified_cgroup_hierarchy=1, or use --swap off or --swap keep")));
    }
    plan.note(NEEDS);
    plan.note(format!(
        "the settings that go with it: failSwapOn: false and memorySwap.swapBehavior: LimitedSwap, \
         of kubelet or of edgecore's {EDGECORE}"
    ));
    match facts.cgroup {
        None => plan.note("the cgroup version of this host is unknown: check it where it runs"),
        Some(Cgroup::V1 | Cgroup::V2) => {}
    }
    match facts.kernel {
        Some(kernel) if kernel < NOSWAP => {
            let Kernel(major, minor) = kernel;
            plan.note(format!("Linux {major}.{minor} is older than 6.3: Secrets of pods may be swapped out"));
        }
        Some(_) => {}
        None => plan.note("the kernel of this host is unknown: check it where it runs"),
    }
    if facts.active.as_ref().is_some_and(Vec::is_empty) {
        plan.note("no swap is on: LimitedSwap has nothing to give until there is some");
    }
    Ok(())
}
