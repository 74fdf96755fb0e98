//! edge-token.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod ca_hash;
mod kubeconfig;
mod kubeconfig_kept;
mod live;
mod read;
mod site;
