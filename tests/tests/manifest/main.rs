//! edge-manifest.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calico_vxlan;
mod check;
mod flannel;
mod input;
mod keep_off_edge;
mod metrics_server;
mod notes;
mod properties;
mod python_judge;
mod random;
mod shapes;
