//! In private namespaces of this machine: not on an emulated one.

mod cri;
mod firewall;
mod link;
