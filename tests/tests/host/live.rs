//! Tests in private namespaces of this machine, not under emulation.

mod bound;
mod canary;
mod container;
mod effects;
mod namespaces;
mod recovery;
mod sweep;
mod trash;
mod unmount;
