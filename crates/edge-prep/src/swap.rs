//! Swap: where it comes from, how it is turned off now and for good, and when it may stay.
//!
//! `facts` reads; `plan`, `status` and `faults` are pure. Each place that swap comes from is one
//! detector in a file of its own below `source/`.
//!
//! The order of a plan that turns swap off: first the check that memory holds what is swapped out,
//! then the places it comes from, then one device after another, then systemd reads its files again.
//! An interruption leaves swap that is still on but does not come back, never the opposite.

pub mod active;
mod device;
mod judge;
mod live;
mod machine;
mod off;
mod policy;
pub mod source;
#[cfg(test)]
mod tests;
mod units;

use edge_host::{Editor, Host, Plan, Result};

use crate::wanted;
pub use active::{Active, Way};
pub use judge::{faults, leaves_by_hand, status};
pub use machine::{Cgroup, Kernel};
pub use source::{AfterReboot, Brings, Change, Remedy, SwapSource};

/// All that is known of swap on a host.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What is swapped to now; `None` for an image, whose live facts are unknown.
    pub active: Option<Vec<Active>>,
    /// Every place that swap comes from or could come from.
    pub found: Vec<SwapSource>,
    /// MemAvailable in KiB.
    pub available_kib: Option<u64>,
    /// The running kernel.
    pub kernel: Option<Kernel>,
    /// The version of the cgroup hierarchy that kubelet would use.
    pub cgroup: Option<Cgroup>,
    /// Whether systemd runs here and has to read its files again after a change.
    pub systemd: Systemd,
}

/// Whether systemd is the running init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Systemd {
    /// It is.
    Running,
    /// It is not, or this is an image.
    #[default]
    NotRunning,
}

/// Every read. An image's proc, sys, run and dev are not looked at.
pub fn facts(host: &Host) -> Result<Facts> {
    let root = &host.root;
    let mut facts = Facts { found: source::detect(root)?, ..Facts::default() };
    if root.is_live() {
        facts.systemd = machine::systemd(root)?;
        facts.active = Some(live::read(root, &facts.found, facts.systemd)?);
        facts.available_kib = machine::available_kib(root)?;
        facts.kernel = machine::kernel(root)?;
        facts.cgroup = machine::cgroup(root)?;
    }
    Ok(facts)
}

/// What has to be done for what is wanted, and what there is to say about it.
///
/// Refuses (exit 4) where memory would not hold what is swapped out, and `limited` on cgroup v1.
pub fn plan(facts: &Facts, wanted: wanted::Swap, plan: &mut Plan) -> Result<()> {
    match wanted {
        wanted::Swap::Off => off::plan(facts, plan),
        wanted::Swap::Keep => {
            policy::keep(facts, plan);
            Ok(())
        }
        wanted::Swap::Limited => policy::limited(facts, plan),
    }
}

/// What takes back single edits in files that have changed since.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[&source::FstabLines]
}
