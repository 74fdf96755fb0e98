//! Keeps large files that were replaced or removed, until no run needs them.
//!
//! `/var/lib/edgeutils/journal/kept/SHA256`: a hard link if it is on the same file system, else a copy. Files that
//! no run refers to are removed, also after a crash.

use std::path::{Path, PathBuf};

use crate::error::{Result, ResultExt};
use crate::lock::private_dir;
use crate::root::{LastLink, Meta, Root, State};

use super::{Change, Entry, Journal};

const KEPT: &str = "kept";

/// Where a file of this checksum is kept.
pub(crate) fn kept_path(root: &Root, sha256: &str) -> Result<PathBuf> {
    Ok(super::dir(root)?.join(KEPT).join(sha256))
}

impl Journal<'_> {
    /// Keeps the large file that a change is about to replace or remove.
    ///
    /// Called before the change is recorded: if there is no room for it, nothing is changed.
    pub(crate) fn keep(&self, change: &Change) -> Result<()> {
        let (Some(sha256), Some(path)) = (change.aside(), change.path()) else { return Ok(()) };
        private_dir(self.root, &self.dir()?.join(KEPT))?;
        let path = Path::new("/").join(path);
        let shown = self.root.display(&path);
        let file = self.root.resolve(&path, change.last_link());
        let file = file.on("keep", &shown)?;
        let kept = self.root.resolve(&kept_path(self.root, sha256)?, LastLink::Keep).on("keep", &shown)?;
        let state = kept.state().on("keep", &shown)?;
        if matches!(&state, State::File { sha256: found, .. } if found == sha256) {
            return Ok(());
        }
        // An incomplete copy, or a file that was modified through its other name.
        kept.remove_file().on("keep", &shown)?;
        match kept.link_from(&file) {
            Ok(()) => Ok(()),
            // Another file system, or one without hard links.
            Err(_) => kept.copy_large(&file, sha256, Meta { mode: 0o600, owner: None }, None).on("keep", &shown),
        }
    }

    /// Removes files that no run can restore. If a run cannot be read, its needs are unknown and all files stay.
    pub(crate) fn sweep_kept(&self) -> Result<()> {
        let dir = self.dir()?.join(KEPT);
        let names = self.root.list(&dir)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut needed = Vec::new();
        for name in self.names()? {
            let Ok(run) = self.load(&name) else { return Ok(()) };
            let entries = run.map(|run| run.entries).unwrap_or_default();
            let open = entries.iter().filter(|entry| entry.is_open());
            needed.extend(open.filter_map(|entry: &Entry| entry.intent.change.aside().map(str::to_owned)));
        }
        for name in names.iter().filter(|name| !needed.iter().any(|needed| *name == needed.as_str())) {
            let path = dir.join(name);
            let removed = self.root.resolve(&path, LastLink::Keep).and_then(|resolved| resolved.remove_file());
            removed.on("remove", self.root.display(&path))?;
        }
        Ok(())
    }
}
