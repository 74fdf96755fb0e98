//! Downloads, archives and offline folders, with their checksums.
//!
//! Archives are treated as untrusted: each entry is checked and handed to the caller. The only file that is written
//! here is the list of checksums in an offline folder.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod address;
pub mod archive;
#[cfg(feature = "download")]
mod download;
mod file;
pub mod folder;
mod form;
mod gzip;
pub mod image;
mod proxy;
mod registry;
mod sum;
pub mod sums;

#[cfg(feature = "download")]
pub use download::{Download, download};
pub use file::{beside, find, open};
pub use form::Form;
pub use gzip::unzip;
pub use proxy::Proxy;
pub use registry::RegistryMirror;
pub use sum::{Sha512Writer, Summed, checksum, hex, is_sha256, is_sha512, sha256, sha512, sum_of};
