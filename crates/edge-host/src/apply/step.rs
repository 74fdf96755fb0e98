//! One action: its journal record, and doing it.

use std::io;
use std::path::Path;

use nix::unistd::{getegid, geteuid};

use super::mode;
use super::paths::{key_meta, link_mode, meta, moved, read_value, relative, resolve, same_value, unchanged};
use super::stage::stage;
use crate::action::{Action, ActionKind, Bytes, ContentWriter, Inverse, Keep, MAX_COPY, Node, SetValue, Write};
use crate::error::{Error, Result};
use crate::journal::{Change, WriteChange};
use crate::root::{Content, FileSnapshot, LastLink, Meta, Root, State, sha256};
use crate::secret::redact;

/// Larger files are not recorded as they were written: what was changed in them since is shown against
/// what was there before.
const MAX_WROTE: usize = 64 << 10;

/// The record of an action, made when nothing has changed yet; refuses where the facts no longer hold.
pub(crate) fn change(root: &Root, action: &Action) -> Result<Change> {
    Ok(match &action.kind {
        ActionKind::Write(write) => Change::Write(write_change(root, write)?),
        ActionKind::Remove(remove) => {
            let resolved = resolve(root, &remove.path, LastLink::Keep)?;
            unchanged(root, "remove", &remove.path, &resolved, &remove.was)?;
            let is_file = matches!(remove.was.state, State::File { .. });
            let aside = is_file && remove.keep == Keep::Aside;
            let copy = is_file && !aside && remove.was.bytes.len() <= MAX_COPY;
            Change::Remove {
                aside,
                path: relative(root, &remove.path)?,
                before: remove.was.state.clone(),
                content: copy.then(|| Content::of(&remove.was.bytes)),
            }
        }
        ActionKind::Mode(set) => mode::change(root, set)?,
        ActionKind::Set(set) => {
            if !root.is_live() {
                return Err(Error::failed(format!(
                    "cannot set {}: an image has no kernel",
                    root.display(&set.path).display()
                )));
            }
            as_found(root, set)?;
            Change::Set { path: relative(root, &set.path)?, before: set.was.clone(), after: set.value.clone() }
        }
        ActionKind::Run(run) => Change::Run {
            argv: run.argv.clone(),
            probe: run.probe.clone(),
            inverse: run.inverse.clone(),
            undo_order: run.undo_order,
            seconds: run.deadline.as_secs(),
        },
        ActionKind::Transaction(transaction) => Change::Transaction {
            argv: transaction.script.argv.clone(),
            object: transaction.object.clone(),
            kind: transaction.kind.clone(),
            data: transaction.data.clone(),
        },
    })
}

fn write_change(root: &Root, write: &Write) -> Result<WriteChange> {
    let resolved = resolve(root, &write.path, link_mode(&write.node))?;
    unchanged(root, "write", &write.path, &resolved, &write.was)?;
    let fail = |cause: io::Error| Error::io("write", root.display(&write.path), &cause);
    if matches!(write.was.state, State::Directory { .. } | State::Other) {
        return Err(fail(io::Error::other(format!("{} stands there", write.was.state.describe()))));
    }
    let large = matches!(write.node, Node::Large { .. });
    if large && resolved.is_covered().map_err(fail)? {
        return Err(fail(io::Error::other("it is a mount point")));
    }
    let same_key = matches!(write.node, Node::SameKey(_));
    let private = same_key || matches!(write.node, Node::PrivateKey { .. });
    let secret = private || matches!(write.node, Node::Secret { .. });
    let in_place = matches!(write.node, Node::File { .. }) && resolved.needs_in_place().map_err(fail)?;
    let is_file = matches!(write.was.state, State::File { .. });
    if secret && is_file && resolved.is_mount_point().map_err(fail)? {
        let shown = root.display(&write.path);
        return Err(Error::refused(format!(
            "cannot write {}: it is a mount point, and a {} is never written in place",
            shown.display(),
            if private { "key" } else { "secret" }
        )));
    }
    let whole_now = matches!(&write.node, Node::File { content: Bytes::Known(_), .. });
    if in_place && !(whole_now && write.was.bytes.len() <= MAX_COPY) {
        // Without both sides in the journal a torn write in place could not be mended.
        return Err(Error::refused(format!(
            "cannot write {}: it is hard-linked or a mount point, and too large or not yet known to be written in place",
            root.display(&write.path).display()
        ))
        .hint("give it one name only (cp FILE NEW && mv NEW FILE), or unmount it, and run again"));
    }
    let copy = is_file && !private && !large && write.was.bytes.len() <= MAX_COPY;
    let mut made = Vec::new();
    let mut dir = resolved.canonical();
    for _ in 0..=resolved.missing.len() {
        dir.pop();
        made.push(dir.clone());
    }
    made.truncate(resolved.missing.len());
    made.reverse();
    let made = made.iter().map(|dir| relative(root, dir)).collect::<Result<Vec<_>>>()?;
    let (path, target) = (relative(root, &write.path)?, relative(root, &resolved.canonical())?);
    Ok(WriteChange {
        target: (target != path).then_some(target),
        path,
        before: write.was.state.clone(),
        content: copy.then(|| Content::of(&write.was.bytes)),
        after: after(write),
        in_place: match &write.node {
            Node::File { content: Bytes::Known(bytes), .. } if in_place => Some(Content::of(bytes)),
            _ => None,
        },
        wrote: wrote(write),
        made,
        inverse: Inverse::clone(&write.inverse).into(),
        kept_old: private && !same_key && is_file,
        aside: same_key && is_file,
        large,
    })
}

/// The new bytes of a small text that is ours as a whole and has no secret in it.
fn wrote(write: &Write) -> Option<Content> {
    let Node::File { content: Bytes::Known(bytes), .. } = &write.node else { return None };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_WROTE)?;
    (write.inverse == Inverse::Whole && redact(text) == text).then(|| Content::of(bytes))
}

/// The state the write will leave, where it is known before.
fn after(write: &Write) -> Option<State> {
    let was = &write.was.state;
    let (bytes, meta) = match &write.node {
        Node::Link(target) => return Some(State::Link { target: target.clone() }),
        Node::File { content: Bytes::Known(bytes), mode } => (bytes, meta(was, *mode)),
        Node::PrivateKey { content: Bytes::Known(bytes) }
        | Node::Secret { content: Bytes::Known(bytes) }
        | Node::SameKey(bytes) => (bytes, key_meta(was)),
        Node::Large { sha256, mode, .. } => {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            let xattrs = Some(Box::default());
            return Some(State::File { sha256: sha256.clone(), mode: *mode, uid, gid, xattrs });
        }
        Node::File { .. } | Node::PrivateKey { .. } | Node::Secret { .. } => return None,
    };
    let (uid, gid) = meta.owner.unwrap_or((geteuid().as_raw(), getegid().as_raw()));
    let xattrs = match (&write.node, was) {
        (Node::File { .. }, State::File { xattrs, .. }) => xattrs.clone(),
        (Node::File { .. }, _) => Some(Box::default()),
        // A key's access list is kept, and allows nothing any more.
        _ => None,
    };
    Some(State::File { sha256: sha256(bytes), mode: meta.mode, uid, gid, xattrs })
}

/// Does one action that is no command. What it left comes back where only doing it could tell.
pub(crate) fn perform(root: &Root, what: ActionKind, change: &Change) -> Result<Option<State>> {
    match (what, change) {
        (ActionKind::Write(write), Change::Write(change)) => perform_write(root, write, change),
        (ActionKind::Remove(remove), _) => {
            let resolved = resolve(root, &remove.path, LastLink::Keep)?;
            unchanged(root, "remove", &remove.path, &resolved, &remove.was)?;
            let removed = match remove.was.state {
                State::Directory { .. } => resolved.remove_dir(),
                _ => resolved.remove_file(),
            };
            removed.map_err(|cause| Error::io("remove", root.display(&remove.path), &cause))?;
            Ok(None)
        }
        (ActionKind::Mode(set), _) => mode::perform(root, &set).map(|()| None),
        (ActionKind::Set(set), _) => {
            as_found(root, &set)?;
            let resolved = resolve(root, &set.path, LastLink::Follow)?;
            resolved.set_value(&set.value).map_err(|cause| Error::io("set", root.display(&set.path), &cause))?;
            Ok(None)
        }
        (ActionKind::Run(_) | ActionKind::Transaction(_), _) => {
            Err(Error::failed("cannot run a command that was not looked for"))
        }
        (ActionKind::Write(write), _) => {
            Err(Error::failed(format!("cannot write {}: its record is of another kind", write.path.display())))
        }
    }
}

fn perform_write(root: &Root, write: Write, change: &WriteChange) -> Result<Option<State>> {
    match write.node {
        Node::Large { content, sha256, mode } => {
            perform_large(root, &write.path, &write.was, content, (&sha256, mode)).map(|()| None)
        }
        _ => stage(root, write, change)?.place(),
    }
}

fn perform_large(
    root: &Root,
    path: &Path,
    was: &FileSnapshot,
    content: ContentWriter,
    (sha256, mode): (&str, u32),
) -> Result<()> {
    let fail = |cause: io::Error| Error::io("write", root.display(path), &cause);
    let mut resolved = resolve(root, path, LastLink::Keep)?;
    unchanged(root, "write", path, &resolved, was)?;
    resolved.make_parents().map_err(fail)?;
    let mut failed = None;
    let poured = resolved.replace_large(sha256, Meta { mode, owner: None }, |file| {
        content(file).map_err(|error| {
            let cause = io::Error::other(error.to_string());
            failed = Some(error);
            cause
        })
    });
    match (poured, failed) {
        (_, Some(error)) => Err(error),
        (poured, None) => poured.map_err(fail),
    }
}

fn as_found(root: &Root, set: &SetValue) -> Result<()> {
    let now = read_value(root, &set.path)?;
    let holds = same_value(&now, &set.was) || same_value(&now, &set.value);
    if holds { Ok(()) } else { Err(moved(root, "set", &set.path)) }
}
