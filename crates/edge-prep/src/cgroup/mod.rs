//! The memory cgroup: whether it is on, and the boot command line that turns it on.

use edge_host::{Editor, Host, Plan, Result};

use crate::report::{Fault, Line};
use crate::wanted::MemoryCgroup;

/// What was read.
#[derive(Debug, Clone)]
pub struct Facts;

/// Reads.
pub fn facts(_host: &Host) -> Result<Facts> {
    Ok(Facts)
}

/// Plans.
pub fn plan(_facts: &Facts, _wanted: MemoryCgroup, _plan: &mut Plan) -> Result<Reboot> {
    Ok(Reboot::No)
}

/// What `status` says.
pub fn status(_facts: &Facts) -> Vec<Line> {
    Vec::new()
}

/// What is not as wanted.
pub fn faults(_facts: &Facts, _wanted: MemoryCgroup) -> Vec<Fault> {
    Vec::new()
}

/// What takes single edits back.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[]
}

/// Whether a reboot is needed for it to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// It is.
    Needed,
    /// It is not.
    No,
}
