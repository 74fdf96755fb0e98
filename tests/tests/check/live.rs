//! Tests in private namespaces, which an emulated machine does not have.

mod cloud;
mod edge;
mod logs;
mod world;
