//! The way of `kubectl logs`: from the API server by a redirect to cloudcore, through its tunnel to edgecore.

pub(crate) mod judge;
pub(crate) mod request;
