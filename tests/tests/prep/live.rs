//! In private namespaces of this machine: not on an emulated one.

mod boot;
mod kernel;
mod swap;
