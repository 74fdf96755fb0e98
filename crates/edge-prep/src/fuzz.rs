//! Functions for the fuzz targets in tests/ only.

use std::collections::BTreeSet;

use edge_host::{Editor, Result};
use serde_json::Value;

use crate::swap::source::fstab_lines::{self, FstabLines};

/// The line of the first command of a shell script that turns swap on, from 1.
pub fn script_swap(text: &str) -> Option<usize> {
    crate::swap::source::script_swap(text)
}

/// The swap lines of an fstab, from 1, and whether they are active.
pub fn fstab_swap(bytes: &[u8]) -> Vec<(usize, bool)> {
    let lines = fstab_lines::swap_lines(bytes);
    lines.into_iter().map(|line| (line.line, !line.is_commented)).collect()
}

/// The fstab with these lines commented out, and what reverts that.
pub fn fstab_commented(bytes: &[u8], which: &BTreeSet<usize>) -> (Vec<u8>, Option<Value>) {
    fstab_lines::commented(bytes, which)
}

/// The fstab without the comments.
pub fn fstab_uncommented(now: &[u8], data: &Value) -> Result<Vec<u8>> {
    FstabLines.revert(now, data)
}
