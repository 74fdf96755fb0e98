//! The verbs, one file each.

pub(crate) mod check;
pub(crate) mod download;
pub(crate) mod install;
pub(crate) mod remove;
pub(crate) mod resolve;
pub(crate) mod settings;
mod source;
mod startup;
