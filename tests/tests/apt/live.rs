//! In private namespaces of this machine: not on an emulated one.

mod busy;
mod install;
mod killed;
mod locks;
mod offline;
mod status;
