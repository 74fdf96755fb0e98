//! What the fuzz targets in tests/ call, and no utility.

use std::collections::BTreeSet;

use edge_host::{Editor, Result};
use serde_json::Value;

use crate::swap::source::fstab_lines::{self, FstabLines, LineState};

/// The lines of an fstab that name swap, from 1, and whether they are in force.
pub fn fstab_swap(bytes: &[u8]) -> Vec<(usize, bool)> {
    let lines = fstab_lines::swap_lines(bytes);
    lines.into_iter().map(|line| (line.line, line.state == LineState::InForce)).collect()
}

/// The fstab with these lines commented, and what takes that back.
pub fn fstab_commented(bytes: &[u8], which: &BTreeSet<usize>) -> (Vec<u8>, Option<Value>) {
    fstab_lines::commented(bytes, which)
}

/// The fstab with the comments taken back.
pub fn fstab_uncommented(now: &[u8], data: &Value) -> Result<Vec<u8>> {
    FstabLines.revert(now, data)
}
