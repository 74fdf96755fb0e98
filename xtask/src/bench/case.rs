//! One row of the comparison.

use super::measure::{Measure, Program};

/// A pair of programs and what ours may cost.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) ours: Program,
    pub(crate) theirs: Program,
    pub(crate) measure: Measure,
    pub(crate) limit: Limit,
    pub(crate) runs: u16,
}

/// How ours must compare.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// At most so many times theirs.
    Times(f64),
    /// At most so many times theirs, and so many milliseconds.
    TimesAnd(f64, f64),
    /// At least so many times as fast as theirs.
    Faster(f64),
    /// At most so much, whatever theirs.
    MiB(f64),
}

/// Where a run leaves its journal under a root.
pub(super) const TRACES: &str = "var/lib/edgeutils";

/// The program that does least.
pub(super) const NOTHING: &str = "/bin/true";
