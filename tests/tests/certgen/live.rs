//! In private namespaces of this machine: not on an emulated one.

mod crash;
mod kill;
mod tls;
