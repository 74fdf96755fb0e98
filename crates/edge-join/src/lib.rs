//! Joins this host to a KubeEdge cluster.

pub mod plan;
pub mod program;
