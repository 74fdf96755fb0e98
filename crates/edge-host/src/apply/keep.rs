//! Keeps a copy of what a forced undo replaces, in the same directory.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result, ResultExt};
use crate::root::{LastLink, Meta, ResolvedPath, Root, State};

/// Suffix of what `undo --force` has replaced.
pub(crate) const KEPT_SUFFIX: &str = ".edgeutils-kept";
/// Most copies of one file.
const MAX_KEPT: usize = 100;

/// Keeps what is at `resolved` as `NAME.edgeutils-kept`, then `NAME.edgeutils-kept.2` and so on, unless it is kept
/// already.
///
/// A file is copied and not renamed, so that its name always exists.
pub(crate) fn keep_newer(root: &Root, resolved: &ResolvedPath<'_>, now: &State) -> Result<PathBuf> {
    for number in 1..=MAX_KEPT {
        let path = kept_path(resolved, number);
        let copy = root.display(&path);
        let kept = root.resolve(&path, LastLink::Keep).on("keep a copy in", &copy)?;
        let found = kept.state().on("keep a copy in", &copy)?;
        if found == *now {
            return Ok(path);
        }
        if found != State::Absent {
            continue;
        }
        let done = match now {
            State::File { sha256, mode, uid, gid, xattrs } => {
                kept.copy_large(resolved, sha256, Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_deref())
            }
            State::Link { target } => kept.link_to(target.as_ref()),
            _ => Ok(()),
        };
        return done.map(|()| path.clone()).on("keep a copy in", &copy);
    }
    Err(too_many(root, resolved))
}

/// Renames what is there to the first name of that kind that is free.
pub(crate) fn rename_newer(root: &Root, resolved: &ResolvedPath<'_>) -> Result<PathBuf> {
    for number in 1..=MAX_KEPT {
        let path = kept_path(resolved, number);
        let shown = root.display(&path);
        let kept = root.resolve(&path, LastLink::Keep).on("rename to", &shown)?;
        if kept.stat().on("rename to", &shown)?.is_none() {
            return resolved.rename_to(&kept).map(|()| path).on("rename to", &shown);
        }
    }
    Err(too_many(root, resolved))
}

fn too_many(root: &Root, resolved: &ResolvedPath<'_>) -> Error {
    let shown = root.display(&resolved.canonical());
    Error::refused(format!("cannot keep a copy of {}: {MAX_KEPT} copies exist already", shown.display()))
        .hint(format!("remove {}{KEPT_SUFFIX}* that are no longer needed", shown.display()))
}

/// Removes what a kill has left of such a copy.
pub(super) fn clear_kept(root: &Root, resolved: &ResolvedPath<'_>) -> Result<()> {
    for number in 1..=MAX_KEPT {
        let path = kept_path(resolved, number);
        let shown = root.display(&path);
        let kept = root.resolve(&path, LastLink::Keep).on("repair", &shown)?;
        kept.remove_temporary().on("repair", &shown)?;
        if kept.state().on("repair", &shown)? == State::Absent {
            break;
        }
    }
    Ok(())
}

/// In the directory of the file itself, where links lead.
fn kept_path(resolved: &ResolvedPath<'_>, number: usize) -> PathBuf {
    let mut name = OsString::from(&resolved.name);
    name.push(KEPT_SUFFIX);
    if number > 1 {
        name.push(format!(".{number}"));
    }
    resolved.canonical().with_file_name(name)
}
