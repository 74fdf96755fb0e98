//! What each verb does.

pub(crate) mod cloud;
pub(crate) mod cluster;
pub(crate) mod edge;
pub(crate) mod host;
pub(crate) mod logs;
