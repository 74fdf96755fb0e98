//! In private namespaces of this machine: not on an emulated one.

mod build;
mod go;
mod kill;
mod network;
mod refused;
