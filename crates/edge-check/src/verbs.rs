//! What each verb does.

pub(crate) mod cluster;
pub(crate) mod host;
