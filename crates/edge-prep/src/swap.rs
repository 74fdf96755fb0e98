//! Swap: what turns it on, how it is turned off now and at boot, and when it may stay on.
//!
//! `facts` reads; `plan`, `status` and `findings` are pure. Each source of swap is one detector in its own
//! file below `source/`.
//!
//! A plan that turns swap off first checks that memory has room for what is swapped out, then changes the
//! sources, then turns off one device after another, then reloads systemd. After an interruption, swap
//! may still be on but is not re-enabled at boot, never the opposite.

pub mod active;
mod device;
mod diagnose;
mod live;
mod machine;
mod off;
mod policy;
pub mod source;
#[cfg(test)]
mod tests;
mod units;

use edge_host::{Editor, Host, Plan, Result};

use crate::request::SwapPolicy;
pub use active::{Active, StopMethod};
pub use diagnose::{findings, status, without_source};
pub use machine::{Cgroup, Kernel};
pub use policy::advice;
pub use source::{AtBoot, Devices, SwapSource};

/// Everything that is known about swap on a host.
#[derive(Debug, Default)]
pub struct Facts {
    /// The active swap; none for an image, where it is unknown.
    pub active: Option<Vec<Active>>,
    /// Everything that turns swap on, or could.
    pub found: Vec<SwapSource>,
    /// MemAvailable in KiB.
    pub available_kib: Option<u64>,
    /// The running kernel.
    pub kernel: Option<Kernel>,
    /// The version of the cgroup hierarchy that kubelet would use.
    pub cgroup: Option<Cgroup>,
    /// Whether systemd is the running init and must be reloaded after a change; false for an image.
    pub is_systemd_running: bool,
}

/// Reads the facts. Of an image, proc, sys, run and dev are not read.
pub fn facts(host: &Host) -> Result<Facts> {
    let root = &host.root;
    let mut facts = Facts { found: source::detect(root)?, ..Facts::default() };
    if root.is_live() {
        facts.is_systemd_running = edge_systemd::is_running(root)?;
        facts.active = Some(live::read(root, &facts.found, facts.is_systemd_running)?);
        facts.available_kib = machine::available_kib(root)?;
        facts.kernel = machine::kernel(root)?;
        facts.cgroup = machine::cgroup(root)?;
    }
    Ok(facts)
}

/// Plans a policy. Returns whether a manual step is left without which swap is re-enabled at boot.
///
/// Refuses (exit 4) where memory is too small for what is swapped out, and `limited` on cgroup v1.
pub fn plan(facts: Facts, policy: SwapPolicy, plan: &mut Plan) -> Result<bool> {
    match policy {
        SwapPolicy::Off => return off::plan(facts, plan),
        SwapPolicy::Keep => policy::keep(&facts, plan),
        SwapPolicy::Limited => policy::limited(&facts, plan)?,
    }
    Ok(false)
}

/// What reverts single edits in files that have changed since.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[&source::FstabLines]
}
