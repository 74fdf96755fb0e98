//! Tests in private namespaces of this machine, not under emulation.

mod namespaces;
mod recovery;
mod sweep;
