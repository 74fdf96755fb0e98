//! One row of the comparison.

use super::measure::{Measure, Program};

/// A utility, the program that it is compared with, and the limit.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) edgeutils: Program,
    pub(crate) reference: Program,
    pub(crate) measure: Measure,
    pub(crate) limit: Limit,
    pub(crate) runs: u16,
}

impl Case {
    pub(crate) fn new(
        name: &str,
        (edgeutils, reference): (&Program, &Program),
        measure: Measure,
        limit: Limit,
        runs: u16,
    ) -> Case {
        Case { name: name.to_owned(), edgeutils: edgeutils.clone(), reference: reference.clone(), measure, limit, runs }
    }
}

/// Limit of the utility's figure in relation to that of the reference.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// At most this many times that of the reference.
    Times(f64),
    /// At most this many times that of the reference, plus this many milliseconds.
    TimesAnd(f64, f64),
    /// At least this many times as fast as the reference.
    Faster(f64),
    /// At most this many milliseconds, whatever the reference takes.
    Millis(f64),
    /// At most this many MiB, whatever the reference uses.
    MiB(f64),
}

/// The texts of which one is in the name of each measured case; none for all cases.
pub(crate) struct Selection<'a>(pub(crate) &'a [String]);

impl Selection<'_> {
    pub(crate) fn includes(&self, case: &Case) -> bool {
        self.0.is_empty() || self.0.iter().any(|text| case.name.contains(text))
    }

    /// Whether cases of this utility may be included: what they need takes minutes to prepare.
    pub(crate) fn may_include(&self, utility: &str) -> bool {
        let is_possible = |text: &String| {
            !text.starts_with("edge-") || text.starts_with(utility) || utility.starts_with(text.as_str())
        };
        self.0.is_empty() || self.0.iter().any(is_possible)
    }
}

/// Where a run leaves its journal under a root.
pub(super) const TRACES: &str = "var/lib/edgeutils";

/// A program that does nothing.
pub(super) const NOTHING: &str = "/bin/true";
