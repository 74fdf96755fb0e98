//! Moves trees to the trash, or deletes them. What is mounted in a tree is other data, and what is mounted elsewhere from
//! a tree is in use: both are looked for right before, and right after, as a rename takes a mount along.

use std::path::Path;

use nix::errno::Errno;

use super::paths::{absolute, relative, resolve};
use super::recover::RecoveryOutcome;
use super::step::Step;
use crate::action::RemoveTree;
use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::journal::{Change, Progress, Run};
use crate::mounts::{Mounts, TreeMount};
use crate::root::{Inode, LastLink, ResolvedPath, Root, Trash};

/// Its record; refuses where the facts no longer hold, or a mount keeps it.
pub(super) fn change(root: &Root, tree: &RemoveTree) -> Result<Change> {
    let resolved = gate(root, &tree.path, tree.was)?;
    let (path, mut inode) = (relative(root, &tree.path)?, tree.was);
    if tree.to_trash {
        let shown = root.display(&tree.path);
        resolved.copy_up().on("move", &shown)?;
        inode = resolved.inode().on("read", &shown)?.ok_or_else(|| super::paths::moved(root, "remove", &tree.path))?;
    }
    Ok(if tree.to_trash { Change::Trash { path, inode, number: None } } else { Change::Delete { path, inode } })
}

/// Chooses the trash of each, in the records that are about to be written: the one that the run has in that directory, or
/// one that does not exist yet, so that it belongs to this run alone.
pub(super) fn choose(root: &Root, steps: &mut [Step], id: u64, run: Option<&Run>) -> Result<()> {
    let earlier = run.into_iter().flat_map(|run| &run.entries).filter(|entry| entry.progress == Progress::Done);
    let mut known: Vec<(String, Option<u32>)> = earlier
        .filter_map(|entry| trash_of(&entry.intent.change).map(|(dir, number)| (dir.to_owned(), *number)))
        .collect();
    for step in steps {
        let path = absolute(step.change.path().unwrap_or_default());
        let Change::Trash { number, path: relative, .. } = &mut step.change else { continue };
        let dir = dir_of(relative).to_owned();
        *number = match known.iter().find(|(known, _)| *known == dir) {
            Some((_, number)) => *number,
            None => {
                let shown = root.display(&path);
                let trash = resolve(root, &path, LastLink::Keep)?.free_trash(id).on("move", &shown)?;
                known.push((dir, trash.number));
                trash.number
            }
        };
    }
    Ok(())
}

fn trash_of(change: &Change) -> Option<(&str, &Option<u32>)> {
    if let Change::Trash { path, number, .. } = change { Some((dir_of(path), number)) } else { None }
}

fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Does it.
pub(super) fn perform(host: &Host, tree: &RemoveTree, change: &Change, run: u64) -> Result<()> {
    let (root, trash) = (&host.root, change.trash(run));
    let resolved = gate(root, &tree.path, change.trashed().map_or(tree.was, |(_, inode)| inode))?;
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
        let leftovers = resolved.delete_tree(&|| host.interrupt.check().is_err());
        if !leftovers.is_nothing() {
            host.interrupt.check()?;
        }
        return leftovers.into_error("delete", &shown).map_or(Ok(()), Err);
    }
    resolved.move_to_trash(trash).on("move", &shown).map_err(explained)?;
    let Some(moved) = resolved.mounts_in_trash(&Mounts::read()?, trash).on("read", &shown)?.pop() else {
        return Ok(());
    };
    // It was mounted in between. The tree goes back, and the mount with it.
    resolved.move_from_trash(trash).on("restore", &shown)?;
    let now = resolved.tree_mounts(&Mounts::read()?).on("read", &shown)?.pop();
    Err(refused(root, &tree.path, &now.unwrap_or(moved)))
}

/// A directory of an overlay's lower layer cannot be renamed.
fn explained(error: Error) -> Error {
    if error.errno() == Some(Errno::EXDEV) { error.hint("to delete it instead, add --no-trash") } else { error }
}

fn gate<'r>(root: &'r Root, path: &Path, was: Inode) -> Result<ResolvedPath<'r>> {
    let resolved = resolve(root, path, LastLink::Keep)?;
    let shown = root.display(path);
    if resolved.inode().on("read", &shown)? != Some(was) {
        return Err(super::paths::moved(root, "remove", path));
    }
    match resolved.tree_mounts(&Mounts::read()?).on("read", &shown)?.first() {
        Some(mount) => Err(refused(root, path, mount)),
        None => Ok(resolved),
    }
}

fn refused(root: &Root, path: &Path, mount: &TreeMount) -> Error {
    let (why, hint) = mount.explain();
    Error::refused(format!("cannot remove {}: {why}", root.display(path).display())).hint(hint)
}

/// After an interruption: whether a tree was moved to the trash.
pub(super) fn recover(root: &Root, path: &str, inode: Inode, trash: Trash) -> Result<RecoveryOutcome> {
    let path = absolute(path);
    let resolved = resolve(root, &path, LastLink::Keep)?;
    let shown = root.display(&path);
    if resolved.inode_in_trash(trash).on("read", &shown)? == Some(inode) {
        return Ok(RecoveryOutcome::Done(None));
    }
    // The directory that was made for it.
    resolved.clear_trash(trash).on("repair", &shown)?;
    Ok(RecoveryOutcome::NotDone)
}

/// The same for a tree that is deleted: what is left of it is deleted by the same command.
pub(super) fn recover_deleted(root: &Root, path: &str, inode: Inode) -> Result<RecoveryOutcome> {
    let is_there = root.inode(&absolute(path))? == Some(inode);
    Ok(if is_there { RecoveryOutcome::NotDone } else { RecoveryOutcome::Done(None) })
}
