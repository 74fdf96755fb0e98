//! In private namespaces of this machine: not on an emulated one.

mod restart;
mod unit;
