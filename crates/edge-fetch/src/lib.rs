//! Files that come from elsewhere: downloads, archives, folders, and the checksums of all of them.
//!
//! Archives are read as something that a stranger may have made: what one holds is handed to the caller entry by
//! entry. Nothing is written here but the list of checksums in a folder that a caller fills.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod address;
pub mod archive;
#[cfg(feature = "download")]
mod download;
mod file;
pub mod folder;
mod proxy;
mod sum;
pub mod sums;

#[cfg(feature = "download")]
pub use download::{Download, download};
pub use file::{beside, find, open};
pub use proxy::Proxy;
pub use sum::{Summed, checksum, hex, is_sha256, sha256, sum_of};
