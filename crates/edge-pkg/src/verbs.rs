//! The verbs, one file each.

pub(crate) mod check;
pub(crate) mod install;
pub(crate) mod remove;
pub(crate) mod settings;
pub(crate) mod undo;
