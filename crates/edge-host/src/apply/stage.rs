//! A write in two steps: the new file is written under a temporary name, where much can fail, and then renamed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::paths::{KEY_MODE, key_meta, link_mode, meta, refuse_links, remove_made, resolve, unchanged};
use super::previous;
use super::step::Step;
use crate::action::{ActionKind, Bytes, Node, Write};
use crate::error::{Error, Result, ResultExt};
use crate::journal::{Change, WriteChange};
use crate::root::{FileSnapshot, LastLink, Meta, ResolvedPath, Root, State};

/// A write that is ready to be renamed; if it is dropped before, nothing is left of it.
#[derive(Debug)]
pub(super) struct Staged<'r> {
    root: &'r Root,
    resolved: ResolvedPath<'r>,
    path: PathBuf,
    was: FileSnapshot,
    how: How,
    /// Whether its bytes, and so the state it leaves, were not known before.
    made_now: bool,
    /// Parent directories that were made for it.
    made: Vec<String>,
    placed: bool,
}

#[derive(Debug)]
enum How {
    /// The new file has its temporary name.
    Beside,
    /// The same, and the previous key has a hidden copy that is renamed at the end of the run.
    BesideWithOld,
    /// A write in place has nothing to stage.
    InPlace(Vec<u8>),
}

/// Makes the content and writes it to a temporary name.
///
/// Errors: exit 4 if the facts no longer hold, else exit 1; the host is unchanged.
pub(super) fn stage<'r>(root: &'r Root, write: Write, change: &WriteChange) -> Result<Staged<'r>> {
    let link = link_mode(&write.node);
    let known = |content| match content {
        Bytes::Known(bytes) => Ok((bytes, false)),
        Bytes::Made(make) => make().map(|bytes| (bytes, true)),
    };
    // Making a key takes time: the existing file is compared after that.
    let was = &write.was.state;
    let ((bytes, made_now), meta) = match write.node {
        Node::Link(target) => ((target.into_bytes(), false), meta(was, 0)),
        Node::File { content, mode } => (known(content)?, meta(was, mode)),
        Node::PrivateKey { content } | Node::Secret { content } => (known(content)?, key_meta(was)),
        Node::SameKey(bytes) => ((bytes, false), key_meta(was)),
        Node::OfUser { content, owner } => ((content, false), Meta { mode: KEY_MODE, owner: Some(owner) }),
        Node::Large { .. } => return Err(Error::failed("cannot hold a large file in memory")),
    };
    let resolved = resolve(root, &write.path, link)?;
    if change.owner.is_some() {
        refuse_links(root, "write", &write.path, &resolved)?;
    }
    unchanged(root, "write", &write.path, &resolved, &write.was)?;
    let (path, was, made) = (write.path, write.was, change.made.clone());
    let mut staged = Staged { root, resolved, path, was, how: How::Beside, made_now, made, placed: false };
    let shown = root.display(&staged.path);
    staged.resolved.make_parents_for(change.owner).on("write", &shown)?;
    let resolved = &staged.resolved;
    if link == LastLink::Keep && change.owner.is_none() {
        resolved.stage_link(OsStr::from_bytes(&bytes)).on("write", &shown)?;
    } else if change.in_place.is_some() {
        staged.how = How::InPlace(bytes);
    } else {
        if change.kept_old && bytes != staged.was.bytes && !previous::is_waiting(root, resolved)? {
            resolved.can_keep_old(root).on("replace", root.display(&resolved.old_path()))?;
            staged.how = How::BesideWithOld;
            staged.resolved.stage_old(&staged.was.bytes, meta.owner).on("write", &shown)?;
        }
        staged.resolved.stage(&bytes, meta).on("write", &shown)?;
    }
    Ok(staged)
}

/// Stages writes that belong together. An error comes with the number of the one that failed.
pub(super) fn stage_all(root: &Root, group: Vec<Step>) -> Result<Vec<Staged<'_>>, (usize, Error)> {
    let mut all = Vec::new();
    for (index, step) in group.into_iter().enumerate() {
        let staged = match (step.action.kind, &step.change) {
            (ActionKind::Write(write), Change::Write(change)) => stage(root, write, change),
            _ => Err(Error::failed("cannot stage an action that is not a write")),
        };
        all.push(staged.map_err(|error| (index, error))?);
    }
    // Staging takes time: whether the renames can succeed is checked before the first of them.
    for (index, staged) in all.iter().enumerate() {
        staged.can_be_placed().map_err(|error| (index, error))?;
    }
    Ok(all)
}

impl Staged<'_> {
    /// Renames it. Returns the state that it left, if that was not known before.
    pub(super) fn place(mut self) -> Result<Option<State>> {
        let placed = match &self.how {
            How::Beside | How::BesideWithOld => self.resolved.place(),
            How::InPlace(bytes) => self.resolved.overwrite(bytes, &self.was.bytes),
        };
        let shown = self.root.display(&self.path);
        placed.on("write", &shown)?;
        let after = if self.made_now { Some(self.resolved.find().on("write", &shown)?.state) } else { None };
        self.placed = true;
        Ok(after)
    }

    fn can_be_placed(&self) -> Result<()> {
        unchanged(self.root, "write", &self.path, &self.resolved, &self.was)?;
        let shown = self.root.display(&self.path);
        self.resolved.can_be_replaced().on("write", &shown)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // Best effort: the error that led here is reported, and the next write removes what is left.
            self.resolved.remove_temporary().ok();
            if matches!(self.how, How::BesideWithOld) {
                previous::discard(self.root, &self.resolved, &self.was.state).ok();
            }
            remove_made(self.root, &self.made).ok();
        }
    }
}
