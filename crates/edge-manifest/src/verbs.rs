//! One file for the edits, and one for the check.

pub(crate) mod check;
pub(crate) mod edit;
