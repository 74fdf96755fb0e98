//! One module for each verb.

pub(crate) mod account;
pub(crate) mod ca_hash;
pub(crate) mod kubeconfig;
pub(crate) mod read;
