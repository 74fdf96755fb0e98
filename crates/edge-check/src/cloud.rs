//! The host of cloudcore and of the API server: ports, the pair of the stream server, the redirects.

pub(crate) mod facts;
pub(crate) mod judge;
