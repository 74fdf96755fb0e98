//! Swap: where it comes from, off now and after a reboot.

use edge_host::{Editor, Host, Plan, Result};

use crate::report::{Fault, Line};
use crate::wanted::Swap;

/// What was read.
#[derive(Debug, Clone)]
pub struct Facts;

/// Reads.
pub fn facts(_host: &Host) -> Result<Facts> {
    Ok(Facts)
}

/// Plans.
pub fn plan(_facts: &Facts, _wanted: Swap, _plan: &mut Plan) -> Result<()> {
    Ok(())
}

/// What `status` says.
pub fn status(_facts: &Facts) -> Vec<Line> {
    Vec::new()
}

/// What is not as wanted.
pub fn faults(_facts: &Facts, _wanted: Swap) -> Vec<Fault> {
    Vec::new()
}

/// What takes single edits back.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[]
}
