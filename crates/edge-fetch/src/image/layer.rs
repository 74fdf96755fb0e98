//! Looks for one file in one layer of an image, and for what hides it in the layers below.

use std::io::Read;

use edge_host::Result;
use tar::EntryType;

use super::Take;
use super::walk::{Next, Walk};

/// A file of this name in a layer deletes NAME of the layers below (OCI image specification, layer.md).
const WHITEOUT: &str = ".wh.";
/// The same for everything in its directory.
const OPAQUE: &str = ".wh..wh..opq";

/// What a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file, which was taken.
    Found,
    /// The file is deleted, or its directory is.
    Hidden,
    /// Nothing of it.
    Absent,
}

/// The file that is looked for in a layer.
pub(super) struct Layer<'p> {
    path: &'p str,
    /// Its directories, outermost first.
    parents: Vec<&'p str>,
    whiteouts: Vec<String>,
}

impl<'p> Layer<'p> {
    pub(super) fn new(path: &'p str) -> Layer<'p> {
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        let parents: Vec<&str> = slashes.iter().map(|at| &path[..*at]).collect();
        let mut whiteouts = vec![OPAQUE.to_owned()];
        for hidden in parents.iter().chain([&path]) {
            let (directory, name) = hidden.rsplit_once('/').unwrap_or(("", hidden));
            let separator = if directory.is_empty() { "" } else { "/" };
            whiteouts.push(format!("{directory}{separator}{WHITEOUT}{name}"));
            whiteouts.push(format!("{hidden}/{OPAQUE}"));
        }
        Layer { path, parents, whiteouts }
    }

    /// Reads the layer to its end: what is in it twice is refused, as programs would differ in which they take.
    pub(super) fn read<'w>(
        &self,
        walk: &'w Walk<'_>,
        from: Box<dyn Read + 'w>,
        take: &mut Take<'_>,
    ) -> Result<Verdict> {
        let mut verdict = Verdict::Absent;
        walk.entries(from, &mut |name, entry| {
            let entry_type = entry.header().entry_type();
            if self.whiteouts.iter().any(|hidden| hidden == name) && verdict == Verdict::Absent {
                verdict = Verdict::Hidden;
            } else if self.parents.contains(&name) && entry_type != EntryType::Directory {
                return Err(walk.refused(name, "is not a directory in it"));
            } else if name == self.path {
                match entry_type {
                    EntryType::Regular | EntryType::Continuous => {}
                    EntryType::Symlink | EntryType::Link => return Err(walk.refused(name, "is a link in it")),
                    _ => return Err(walk.refused(name, "is not a regular file in it")),
                }
                if verdict == Verdict::Found {
                    return Err(walk.refused(name, "is in one layer twice"));
                }
                verdict = Verdict::Found;
                let size = entry.size();
                take(entry, size)?;
            }
            Ok(Next::Go)
        })?;
        Ok(verdict)
    }
}
