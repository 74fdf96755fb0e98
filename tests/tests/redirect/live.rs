//! Tests in private namespaces, which an emulated machine does not have.

mod boot;
mod broken;
mod check;
mod cloudcore;
mod kept;
mod kill;
mod native;
mod rules;
mod shadow;
mod tls;
