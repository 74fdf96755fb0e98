//! Tests in private namespaces of the running machine.

mod boot;
mod kernel;
mod swap;
