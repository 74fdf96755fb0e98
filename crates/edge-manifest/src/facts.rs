//! Everything that is read: the manifests, and a list of names.

use std::path::Path;

use edge_host::Result;
use edge_objects::source::{self, Source};

/// The longest list of names, in bytes.
const MAX_NAMES: usize = 1 << 20;

/// The manifests. Errors: exit 1 if they cannot be read or are empty, 4 if they are too large or not text.
pub(crate) fn manifests(path: &Path) -> Result<Source> {
    source::stream(path)
}

/// The list of names of `--names`.
pub(crate) fn names(path: &Path) -> Result<Source> {
    source::read(path, MAX_NAMES)
}
