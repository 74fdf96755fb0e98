//! Files that come from elsewhere: archives, read as something that a stranger may have made, and checksums.
//!
//! Nothing here writes: what an archive holds is handed to the caller entry by entry.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod archive;
mod file;
mod sum;

pub use file::{beside, find, open};
pub use sum::{hex, is_sha256, sum_of};
