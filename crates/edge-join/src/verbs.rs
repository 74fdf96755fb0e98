//! One module for each verb.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod download;
mod image;
pub(crate) mod undo;
