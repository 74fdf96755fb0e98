//! Obtains edgecore: from a release archive, from a saved image of kubeedge/installation-package, or as the program itself.
//!
//! What a file is, is decided by its content. Its checksum is verified before anything is taken from it, and the machine,
//! loader and version of the program are read from its ELF headers before it is installed: nothing is run. A program has a
//! hundred megabytes, so it goes in pieces from the archive to a private directory, and from there to its place.

mod content;
mod fetch;
mod judge;
mod known;
mod release;
mod source;
mod stage;

pub use content::{Taken, take};
pub use fetch::{fetch_to, published_sum};
pub use judge::{Judged, judge, version_of};
pub use release::{Release, archives_exist};
pub use source::{Options, Place, Source, Trust, expected, select};
pub use stage::{Obtained, clean_after, obtain};

/// Where edgecore is installed, as by keadm since 1.8.
pub const INSTALLED: &str = "/usr/local/bin/edgecore";
/// Its permission bits.
pub const MODE: u32 = 0o755;
