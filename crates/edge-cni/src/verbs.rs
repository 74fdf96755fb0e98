//! The verbs, one file each.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod conf;
pub(crate) mod install;
pub(crate) mod remove;
