//! Tests in private namespaces, which an emulated machine does not have.

mod cgroups;
mod files;
mod firewall;
mod full;
mod links;
mod mounts;
mod plan;
mod pods;
mod processes;
mod purge;
mod runtimes;
mod units;
