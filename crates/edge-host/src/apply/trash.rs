//! Moves trees to the trash, or deletes them. What is mounted in a tree is other data: it is looked for right before,
//! and right after, as a rename takes a mount along.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::paths::{absolute, relative, resolve};
use super::recover::RecoveryOutcome;
use crate::action::RemoveTree;
use crate::error::{Error, Result, ResultExt};
use crate::journal::Change;
use crate::mounts::Mounts;
use crate::root::{Inode, LastLink, ResolvedPath, Root};
use crate::shell::quoted;

/// Its record; refuses where the facts no longer hold, or something is mounted in it.
pub(super) fn change(root: &Root, tree: &RemoveTree) -> Result<Change> {
    gate(root, tree)?;
    let (path, inode) = (relative(root, &tree.path)?, tree.was);
    Ok(if tree.to_trash { Change::Trash { path, inode } } else { Change::Delete { path, inode } })
}

/// Does it.
pub(super) fn perform(root: &Root, tree: &RemoveTree, run: u64) -> Result<()> {
    let resolved = gate(root, tree)?;
    let shown = root.display(&tree.path);
    for path in &tree.after {
        if root.inode(path)?.is_some() {
            let other = root.display(path);
            return Err(Error::refused(format!(
                "cannot remove {}: {} is still there",
                shown.display(),
                other.display()
            ))
            .hint(format!("once {} is removed, run the command again", other.display())));
        }
    }
    if !tree.to_trash {
        return resolved.delete_tree().into_error("delete", &shown).map_or(Ok(()), Err);
    }
    resolved.move_to_trash(run).on("move", &shown).map_err(explained)?;
    let moved = resolved.mounted_path_in_trash(run).on("read", &shown)?;
    let Some(mount) = mounted(&moved)? else { return Ok(()) };
    // It was mounted in between. The tree goes back, and the mount with it.
    let mount = resolved.mounted_path().on("read", &shown)?.join(mount.strip_prefix(&moved).unwrap_or(&mount));
    resolved.move_from_trash(run).on("restore", &shown)?;
    Err(refused(root, &tree.path, &mount))
}

/// A directory of an overlay's lower layer cannot be renamed.
fn explained(error: Error) -> Error {
    if error.errno() == Some(Errno::EXDEV) { error.hint("to delete it instead, add --no-trash") } else { error }
}

fn gate<'r>(root: &'r Root, tree: &RemoveTree) -> Result<ResolvedPath<'r>> {
    let resolved = resolve(root, &tree.path, LastLink::Keep)?;
    let shown = root.display(&tree.path);
    if resolved.inode().on("read", &shown)? != Some(tree.was) {
        return Err(super::paths::moved(root, "remove", &tree.path));
    }
    match mounted(&resolved.mounted_path().on("read", &shown)?)? {
        Some(mount) => Err(refused(root, &tree.path, &mount)),
        None => Ok(resolved),
    }
}

/// A mount below a directory, or on it.
fn mounted(path: &Path) -> Result<Option<PathBuf>> {
    let mounts = Mounts::read()?;
    Ok(mounts.iter().map(|mount| &mount.point).find(|point| point.starts_with(path)).cloned())
}

fn refused(root: &Root, path: &Path, mount: &Path) -> Error {
    let mount = mount.display().to_string();
    Error::refused(format!("cannot remove {}: {mount} is mounted", root.display(path).display()))
        .hint(format!("unmount it (umount {}), then run the command again", quoted(&mount)))
}

/// After an interruption: whether a tree was moved to the trash.
pub(super) fn recover(root: &Root, path: &str, inode: Inode, run: u64) -> Result<RecoveryOutcome> {
    let path = absolute(path);
    let resolved = resolve(root, &path, LastLink::Keep)?;
    let shown = root.display(&path);
    if resolved.inode_in_trash(run).on("read", &shown)? == Some(inode) {
        return Ok(RecoveryOutcome::Done(None));
    }
    // The directory that was made for it.
    resolved.clear_trash(run).on("repair", &shown)?;
    Ok(RecoveryOutcome::NotDone)
}

/// The same for a tree that is deleted: what is left of it is deleted by the same command.
pub(super) fn recover_deleted(root: &Root, path: &str, inode: Inode) -> Result<RecoveryOutcome> {
    let is_there = root.inode(&absolute(path))? == Some(inode);
    Ok(if is_there { RecoveryOutcome::NotDone } else { RecoveryOutcome::Done(None) })
}
