//! In private namespaces of this machine: not on an emulated one.

mod boot;
mod broken;
mod kill;
mod native;
mod rules;
mod tls;
