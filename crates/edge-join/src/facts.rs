//! Everything that is read: the token, cloudcore, this host. What cannot be read is kept as that, and is not absent.

pub mod cloud;
pub mod host;
pub mod install;
pub mod runtime;
pub mod token;
