//! The journal record of an action, made before anything has changed.

use std::io;

use nix::unistd::{getegid, geteuid};

use super::paths::{KEY_MODE, key_meta, link_mode, meta, refuse_links, relative, resolve, unchanged, value_unchanged};
use super::{mode, trash};
use crate::action::{Action, ActionKind, Bytes, Inverse, MAX_COPY, Node, Write};
use crate::error::{Error, Result, ResultExt};
use crate::journal::{Change, WriteChange};
use crate::root::{Content, LastLink, Meta, Root, State, sha256};
use crate::secret::redact;

/// Larger files are not recorded as they were written: a refused undo then shows the difference to the previous
/// content.
const MAX_WROTE: usize = 64 << 10;

/// The record of an action, made before anything has changed. Refuses (exit 4) if the facts no longer hold.
pub(super) fn record_of(root: &Root, action: &Action) -> Result<Change> {
    Ok(match &action.kind {
        ActionKind::Write(write) => Change::Write(write_change(root, write)?),
        ActionKind::Remove(remove) => {
            let resolved = resolve(root, &remove.path, LastLink::Keep)?;
            unchanged(root, "remove", &remove.path, &resolved, &remove.was)?;
            let is_file = matches!(remove.was.state, State::File { .. });
            let aside = is_file && remove.aside;
            let copy = is_file && !aside && remove.was.bytes.len() <= MAX_COPY;
            Change::Remove {
                aside,
                path: relative(root, &remove.path)?,
                before: remove.was.state.clone(),
                content: copy.then(|| Content::of(&remove.was.bytes)),
            }
        }
        ActionKind::Mode(set) => mode::change(root, set)?,
        ActionKind::RemoveTree(tree) => trash::change(root, tree)?,
        ActionKind::Set(set) => {
            if !root.is_live() {
                return Err(Error::failed(format!(
                    "cannot set {}: kernel values cannot be set under --root",
                    root.display(&set.path).display()
                )));
            }
            value_unchanged(root, set)?;
            Change::Set { path: relative(root, &set.path)?, before: set.was.clone(), after: set.value.clone() }
        }
        ActionKind::Effect(effect) => {
            if !root.is_live() {
                let (verb, object) = (effect.verb.word(), &effect.object);
                return Err(Error::failed(format!("cannot {verb} {object}: nothing live is changed under --root")));
            }
            Change::Effect { verb: effect.verb, object: effect.object.clone() }
        }
        ActionKind::Run(run) => Change::Run(run.clone()),
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
    let place = root.display(&write.path);
    if matches!(write.was.state, State::Directory { .. } | State::Other) {
        return Err(io::Error::other(format!("it is {}", write.was.state.describe()))).on("write", &place);
    }
    let large = matches!(write.node, Node::Large { .. });
    if large && resolved.is_covered().on("write", &place)? {
        return Err(io::Error::other("it is a mount point")).on("write", &place);
    }
    let same_key = matches!(write.node, Node::SameKey(_));
    let owner = if let Node::OfUser { owner, .. } = &write.node { Some(*owner) } else { None };
    if owner.is_some() {
        refuse_links(root, "write", &write.path, &resolved)?;
    }
    let private = same_key || owner.is_some() || matches!(write.node, Node::PrivateKey { .. });
    let secret = private || matches!(write.node, Node::Secret { .. });
    let in_place = matches!(write.node, Node::File { .. }) && resolved.needs_in_place().on("write", &place)?;
    let is_file = matches!(write.was.state, State::File { .. });
    if secret && is_file && resolved.is_mount_point().on("write", &place)? {
        let shown = root.display(&write.path);
        return Err(Error::refused(format!(
            "cannot write {}: it is a mount point, and a {} is never written in place",
            shown.display(),
            if private { "key" } else { "secret" }
        )));
    }
    let whole_now = matches!(&write.node, Node::File { content: Bytes::Known(_), .. });
    if in_place && !(whole_now && write.was.bytes.len() <= MAX_COPY) {
        // Without old and new content in the journal a half-written file could not be completed.
        return Err(Error::refused(format!(
            "cannot write {}: it can only be written in place (it is hard-linked, a mount point, or of another owner), and its content is too large or not yet known for that",
            root.display(&write.path).display()
        ))
        .hint("replace the hard link with a copy (cp -p FILE NEW && mv NEW FILE) or unmount the file, then run again"));
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
        inverse: write.inverse.clone(),
        kept_old: private && !same_key && owner.is_none() && is_file,
        aside: (same_key || owner.is_some()) && is_file,
        large,
        owner,
    })
}

/// The new bytes of a small text that is written as a whole and has no secret in it.
fn wrote(write: &Write) -> Option<Content> {
    let Node::File { content: Bytes::Known(bytes), .. } = &write.node else { return None };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_WROTE)?;
    (write.inverse == Inverse::Whole && redact(text) == text).then(|| Content::of(bytes))
}

/// The state that the write will leave, if it is known before.
fn after(write: &Write) -> Option<State> {
    let was = &write.was.state;
    let (bytes, meta) = match &write.node {
        Node::Link(target) => return Some(State::Link { target: target.clone() }),
        Node::File { content: Bytes::Known(bytes), mode } => (bytes, meta(was, *mode)),
        Node::PrivateKey { content: Bytes::Known(bytes) }
        | Node::Secret { content: Bytes::Known(bytes) }
        | Node::SameKey(bytes) => (bytes, key_meta(was)),
        Node::OfUser { content, owner } => (content, Meta { mode: KEY_MODE, owner: Some(*owner) }),
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
        // The access list of a key is kept, limited to its mode.
        _ => None,
    };
    Some(State::File { sha256: sha256(bytes), mode: meta.mode, uid, gid, xattrs })
}
