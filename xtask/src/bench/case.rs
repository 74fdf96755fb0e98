//! One row of the comparison.

use super::measure::{Measure, Program};

/// A pair of programs, and the limit for ours.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) ours: Program,
    pub(crate) theirs: Program,
    pub(crate) measure: Measure,
    pub(crate) limit: Limit,
    pub(crate) runs: u16,
}

impl Case {
    pub(crate) fn new(
        name: &str,
        (ours, theirs): (&Program, &Program),
        measure: Measure,
        limit: Limit,
        runs: u16,
    ) -> Case {
        Case { name: name.to_owned(), ours: ours.clone(), theirs: theirs.clone(), measure, limit, runs }
    }
}

/// Limit of our figure in relation to theirs.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// At most this many times theirs.
    Times(f64),
    /// At most this many times theirs, plus this many milliseconds.
    TimesAnd(f64, f64),
    /// At least this many times as fast as theirs.
    Faster(f64),
    /// At most this many MiB, whatever theirs uses.
    MiB(f64),
}

/// Where a run leaves its journal under a root.
pub(super) const TRACES: &str = "var/lib/edgeutils";

/// A program that does nothing.
pub(super) const NOTHING: &str = "/bin/true";
