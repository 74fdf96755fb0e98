//! In private namespaces of this machine: not on an emulated one.

mod apt;
mod crash;
mod metacopy;
mod network;
mod runtime;
mod tls;
mod wipe;
