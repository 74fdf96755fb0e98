//! From edgecore.yaml to cloudcore: what the node is configured for, what its host has, what answers, and what of it is
//! the first broken link.

pub(crate) mod config;
pub(crate) mod join;
pub(crate) mod judge;
pub(crate) mod local;
pub(crate) mod pair;
pub(crate) mod probes;
pub(crate) mod resources;
