//! Finds what is in a trash without a run that would restore or delete it: its journal was lost, or is another one.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::apply::{absolute, resolve};
use crate::error::Result;
use crate::host::Host;
use crate::root::{Inode, LastLink, State};

/// A trash with something in it that no run of the journal has put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The trash, below the root.
    pub trash: PathBuf,
    /// What is in it and of no run.
    pub names: Vec<OsString>,
    /// Whether that is all that is in it.
    pub is_whole: bool,
}

/// Those in these directories, each of which need not exist.
///
/// Errors: a run cannot be read (exit 4): what it has in a trash is unknown.
pub fn orphans(host: &Host, dirs: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Orphan>> {
    let mut found = BTreeMap::new();
    for dir in dirs {
        for name in host.root.trashes(&dir)? {
            let trash = resolve(&host.root, &dir.join(name), LastLink::Keep)?.canonical();
            // One that others can use is not made by a run.
            let state = host.root.find_link(&trash)?.state;
            if matches!(state, State::Directory { mode, uid, .. } if uid == geteuid().as_raw() && mode & 0o077 == 0) {
                found.insert(trash.clone(), host.root.list(&trash)?);
            }
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(host)?;
    let mut orphans = Vec::new();
    for (trash, all) in found {
        let mut names = Vec::new();
        for name in &all {
            let place = trash.join(name);
            if host.root.inode(&place)?.is_some_and(|inode| !known.contains(&(place, inode))) {
                names.push(name.clone());
            }
        }
        if !names.is_empty() {
            orphans.push(Orphan { trash, is_whole: names.len() == all.len(), names });
        }
    }
    Ok(orphans)
}

/// What the runs of all utilities have put in a trash.
fn known(host: &Host) -> Result<HashSet<(PathBuf, Inode)>> {
    let journal = host.journal();
    let mut known = HashSet::new();
    for name in journal.names()? {
        let Some(run) = journal.load(&name)? else { continue };
        for entry in &run.entries {
            if let Some((path, inode)) = entry.intent.change.trashed() {
                let path = resolve(&host.root, &absolute(path), LastLink::Keep)?.canonical();
                known.insert((entry.intent.change.trash(name.id).place_of(&path), inode));
            }
        }
    }
    Ok(known)
}

impl Orphan {
    /// The directory that it came from.
    pub fn parent(&self) -> &Path {
        self.trash.parent().unwrap_or(&self.trash)
    }
}
