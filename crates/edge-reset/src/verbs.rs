//! One verb each.

pub(crate) mod apply;
pub(crate) mod purge;
pub(crate) mod scan;
