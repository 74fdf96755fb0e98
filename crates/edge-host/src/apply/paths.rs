//! Resolves the path of an action when it is done, and compares what is there with the facts.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use crate::action::{Node, SetValue};
use crate::error::{Error, Result, ResultExt};
use crate::journal::Change;
use crate::root::{FileSnapshot, LastLink, Meta, ResolvedPath, Root, State, kind};

pub(super) const KEY_MODE: u32 = 0o600;

/// Mode and owner of a file that is written: those of the existing one, else this mode.
pub(super) fn meta(was: &State, new_mode: u32) -> Meta {
    match was {
        State::File { mode, uid, gid, .. } => Meta { mode: *mode, owner: Some((*uid, *gid)) },
        _ => Meta { mode: new_mode, owner: None },
    }
}

/// The same of a private key: the owner of the existing one, and no access for others.
pub(super) fn key_meta(was: &State) -> Meta {
    Meta { mode: KEY_MODE, ..meta(was, KEY_MODE) }
}

/// The value of a kernel file without surrounding white space; none where the kernel has no such file.
pub(crate) fn find_value(root: &Root, path: &Path) -> Result<Option<String>> {
    Ok(root.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
}

/// Whether two kernel values are equal: the kernel prints tabs where spaces were written.
pub(crate) fn same_value(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

pub(super) fn link_mode(node: &Node) -> LastLink {
    if matches!(node, Node::Link(_) | Node::Large { .. } | Node::OfUser { .. }) {
        LastLink::Keep
    } else {
        LastLink::Follow
    }
}

pub(crate) fn resolve<'r>(root: &'r Root, path: &Path, link: LastLink) -> Result<ResolvedPath<'r>> {
    root.resolve(path, link).map_err(|cause| root.path_error("reach", path, &cause))
}

/// Resolves the path of a record, as the change itself did.
pub(crate) fn resolve_change<'r>(root: &'r Root, change: &Change) -> Result<ResolvedPath<'r>> {
    let path = absolute(change.path().unwrap_or_default());
    let resolved = resolve(root, &path, change.last_link())?;
    if matches!(change, Change::Write(change) if change.owner.is_some()) {
        refuse_links(root, "restore", &path, &resolved)?;
    }
    Ok(resolved)
}

/// Refuses a path that a user may have redirected. The directories of a resolved path are open, so that no change after
/// this check has an effect.
pub(super) fn refuse_links(root: &Root, verb: &str, path: &Path, resolved: &ResolvedPath<'_>) -> Result<()> {
    let is_link = resolved.stat().on("read", root.display(path))?.is_some_and(|stat| kind(&stat) == SFlag::S_IFLNK);
    if !is_link && resolved.canonical() == path {
        return Ok(());
    }
    let shown = root.display(path);
    Err(Error::refused(format!("cannot {verb} {}: a part of its path is a symbolic link", shown.display()))
        .hint("replace the link with what it points to"))
}

pub(super) fn unchanged(
    root: &Root,
    verb: &str,
    path: &Path,
    resolved: &ResolvedPath<'_>,
    was: &FileSnapshot,
) -> Result<()> {
    let now = resolved.state().on("read", root.display(path))?;
    if now == was.state { Ok(()) } else { Err(moved(root, verb, path)) }
}

/// Refuses where a kernel value is neither the one that the facts found nor the new one.
pub(super) fn value_unchanged(root: &Root, set: &SetValue) -> Result<()> {
    let now = find_value(root, &set.path)?;
    let now = now.ok_or_else(|| Error::io("read", root.display(&set.path), &Errno::ENOENT.into()))?;
    let holds = same_value(&now, &set.was) || same_value(&now, &set.value);
    if holds { Ok(()) } else { Err(moved(root, "set", &set.path)) }
}

pub(super) fn moved(root: &Root, verb: &str, path: &Path) -> Error {
    Error::refused(format!(
        "cannot {verb} {}: it was changed by another process in the meantime",
        root.display(path).display()
    ))
    .hint("run the command again to work on the current version")
}

/// A path as in records: without the leading slash. A name that is not UTF-8 is refused, as JSON cannot hold
/// it.
pub(crate) fn relative(root: &Root, path: &Path) -> Result<String> {
    match path.strip_prefix("/").unwrap_or(path).to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::refused(format!(
            "cannot change {}: its name is not UTF-8 and cannot be recorded",
            root.display(path).display()
        ))),
    }
}

/// The error of a record with another content than its checksum says: nothing is restored from it.
pub(crate) fn damaged_record(root: &Root, path: &str) -> Error {
    Error::refused(format!(
        "cannot restore {}: its copy in the journal is damaged",
        root.display(&absolute(path)).display()
    ))
}

/// Whether a file is as it was before a change: by its content, and also by mode and owner if the change was of
/// these alone.
pub(crate) fn is_before(now: &State, before: &State, after: Option<&State>) -> bool {
    let is_of_rights_alone = after.is_some_and(|after| after.same_content(before));
    now.same_content(before) && (!is_of_rights_alone || now.same_rights(before))
}

/// The path of a record.
pub(crate) fn absolute(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

/// Errors that keep a directory: it is not empty, a mount point, or not a directory any more.
const STAYS: [Errno; 4] = [Errno::ENOTEMPTY, Errno::EEXIST, Errno::EBUSY, Errno::ENOTDIR];

/// Removes directories that were made on the way to a file, innermost first, as far as they are empty.
pub(crate) fn remove_made(root: &Root, made: &[String]) -> Result<()> {
    for dir in made.iter().rev() {
        let path: PathBuf = absolute(dir);
        let resolved = resolve(root, &path, LastLink::Keep)?;
        // One that was interrupted before it was renamed.
        resolved.remove_temporary().on("remove", root.display(&path))?;
        match resolved.remove_dir() {
            Ok(()) => {}
            Err(cause) if STAYS.iter().any(|errno| cause.raw_os_error() == Some(*errno as i32)) => break,
            Err(cause) => return Err(Error::io("remove", root.display(&path), &cause)),
        }
    }
    Ok(())
}
