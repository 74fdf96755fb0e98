//! The verbs, one file each.

pub(crate) mod check;
pub(crate) mod make;
pub(crate) mod sans;
pub(crate) mod secret;
pub(crate) mod show;
