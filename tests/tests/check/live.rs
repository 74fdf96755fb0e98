//! Tests in private namespaces, which an emulated machine does not have.

mod cloud;
mod edge;
mod host;
mod logs;
mod world;
