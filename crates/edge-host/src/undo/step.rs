//! Does the step that undoes one action.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::Needed;
use crate::action::Script;
use crate::apply::{
    absolute, discard_needless, keep_newer, kept_as, remove_made, rename_newer, resolve, resolve_change,
};
use crate::cmd::Cmd;
use crate::error::{Error, Result, ResultExt};
use crate::journal::{Change, Entry, Record, WriteChange, kept_path};
use crate::lock::Lock;
use crate::root::{Content, Inode, LastLink, Meta, ResolvedPath, Root, State};

pub(super) const NEWER_RIGHTS: &str = "mode, owner or attributes were changed since and are kept";

/// What undoes an action.
#[derive(Debug)]
pub(crate) enum UndoStep {
    /// It is restored already.
    Already,
    /// The new file is removed, with the parent directories that were made for it.
    Remove,
    /// The previous content is restored.
    Restore(Restore),
    /// The edit alone is undone.
    Edit { bytes: Vec<u8>, state: State, values: Vec<String> },
    /// By force: the current version is kept as a copy before this is done.
    Keeping { now: State, then: Box<UndoStep> },
    /// The tree is moved back from the trash; by force, after what exists again was renamed.
    FromTrash { keeping: Option<Inode> },
    /// The previous permission bits are set.
    Mode(u32),
    /// The previous kernel value is set.
    Set { now: String, before: String },
    /// The inverse command is run.
    Run(Vec<String>),
    /// A script that was made from the current state is run.
    Script(Script),
    /// It cannot be undone here, which is not an error, and why.
    Leave(&'static str),
    /// The file is still needed.
    Keep(Needed),
}

/// What is restored.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) state: State,
    pub(crate) from: Source,
    /// Whether mode, owner and extended attributes were changed since and are kept.
    pub(crate) keeps_rights: bool,
    /// The lines that change, for a dry run.
    pub(crate) values: Vec<String>,
}

/// Where a restored file's bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// From the journal.
    Bytes(Vec<u8>),
    /// From the copy of the previous key.
    Beside,
    /// From the large files that are kept with the journal.
    Aside,
}

impl UndoStep {
    pub(crate) fn changes_nothing(&self) -> bool {
        matches!(self, UndoStep::Already | UndoStep::Leave(_) | UndoStep::Keep(_))
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            UndoStep::Already | UndoStep::Restore(_) | UndoStep::FromTrash { .. } | UndoStep::Mode(_) => "restore",
            UndoStep::Leave(_) | UndoStep::Keep(_) => "leave",
            UndoStep::Remove => "remove",
            UndoStep::Edit { .. } => "revert-edit",
            UndoStep::Keeping { then, .. } => then.verb(),
            UndoStep::Set { .. } => "set",
            UndoStep::Run(_) | UndoStep::Script(_) => "run",
        }
    }

    /// The lines of a script.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            UndoStep::Script(script) => script.text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// Old and new values, secrets redacted: for a dry run.
    pub(crate) fn values(&self) -> Vec<String> {
        match self {
            UndoStep::Restore(Restore { values, .. }) | UndoStep::Edit { values, .. } => values.clone(),
            UndoStep::Keeping { then, .. } => then.values(),
            UndoStep::Set { now, before } => vec![format!("{now} -> {before}")],
            _ => self.details(),
        }
    }

    /// What of a file is not restored, as it was changed since.
    pub(crate) fn note(&self) -> Option<&'static str> {
        matches!(self, UndoStep::Restore(Restore { keeps_rights: true, .. })).then_some(NEWER_RIGHTS)
    }

    /// What the user can do with a file that is kept.
    pub(crate) fn hints(&self) -> &[String] {
        if let UndoStep::Keep(needed) = self { &needed.hints } else { &[] }
    }

    pub(crate) fn why(&self) -> String {
        match self {
            UndoStep::Already => "already restored".to_owned(),
            UndoStep::Remove => "it did not exist before".to_owned(),
            UndoStep::Restore(_) => "previous content".to_owned(),
            UndoStep::FromTrash { keeping: None } => "from the trash".to_owned(),
            UndoStep::FromTrash { .. } => "from the trash; the current version is kept".to_owned(),
            UndoStep::Mode(mode) => format!("previous mode {mode:04o}"),
            UndoStep::Edit { .. } => "other changes in it are kept".to_owned(),
            UndoStep::Set { before, .. } => format!("previous value {before}"),
            UndoStep::Keeping { then, .. } => format!("{}; the current version is kept", then.why()),
            UndoStep::Run(_) => String::new(),
            UndoStep::Script(_) => "previous state".to_owned(),
            UndoStep::Leave(why) => (*why).to_owned(),
            UndoStep::Keep(needed) => needed.why.clone(),
        }
    }
}

/// For a file that must be written in place: old and new content, before it is changed.
pub(crate) fn record_before(root: &Root, entry: &Entry, step: &UndoStep) -> Result<Option<Record>> {
    let bytes = match step {
        UndoStep::Edit { bytes, .. }
        | UndoStep::Restore(Restore { from: Source::Bytes(bytes), state: State::File { .. }, .. }) => bytes,
        UndoStep::Keeping { then, .. } => return record_before(root, entry, then),
        _ => return Ok(None),
    };
    let change = &entry.intent.change;
    let resolved = resolve_change(root, change)?;
    let shown = shown(root, change);
    if !resolved.needs_in_place().on("read", &shown)? {
        return Ok(None);
    }
    let now = resolved.find().on("read", &shown)?;
    Ok(Some(Record::Undoing { seq: entry.intent.seq, from: Content::of(&now.bytes), to: Content::of(bytes) }))
}

/// Does a step; a script keeps the lock until its end.
pub(crate) fn perform(root: &Root, lock: Option<&Lock>, run: u64, entry: &Entry, step: UndoStep) -> Result<()> {
    let change = &entry.intent.change;
    let made = match change {
        Change::Write(change) => change.made.as_slice(),
        _ => &[],
    };
    let shown = shown(root, change);
    match step {
        UndoStep::Already => {
            match change {
                Change::Write(change) => discard_needless(root, change)?,
                Change::Trash { .. } => {
                    resolve_change(root, change)?.clear_trash(change.trash(run)).on("restore", &shown)?
                }
                _ => {}
            }
            // After a kill between the removal of the file and of its parent directories.
            if matches!(change, Change::Write(WriteChange { before: State::Absent, .. })) {
                remove_made(root, made)
            } else {
                Ok(())
            }
        }
        UndoStep::Leave(_) | UndoStep::Keep(_) => Ok(()),
        UndoStep::Remove => {
            // If the file was made through a dangling link, the file is removed and not the link.
            resolve_change(root, change)?.remove_file().on("restore", &shown)?;
            remove_made(root, made)
        }
        UndoStep::Restore(restore) => {
            let mut resolved = resolve_change(root, change)?;
            let owner = if let Change::Write(change) = change { change.owner } else { None };
            put_back(root, &mut resolved, restore, owner)?.on("restore", &shown)
        }
        UndoStep::Edit { bytes, state, .. } => {
            put(&resolve_change(root, change)?, &bytes, &state).on("restore", &shown)
        }
        // What exists again was renamed before: see [`keep_tree`].
        UndoStep::FromTrash { .. } => {
            resolve_change(root, change)?.move_from_trash(change.trash(run)).on("restore", &shown)
        }
        UndoStep::Mode(mode) => resolve_change(root, change)?.set_mode(mode).on("restore", &shown),
        // The copy was made before: see [`keep`].
        UndoStep::Keeping { then, .. } => perform(root, lock, run, entry, *then),
        UndoStep::Set { before, .. } => resolve_change(root, change)?.set_value(&before).on("restore", &shown),
        UndoStep::Run(argv) => Cmd::of_argv(&argv)?.run().map(|_| ()),
        UndoStep::Script(script) => Cmd::of_script(&script)?.holding(lock.and_then(Lock::share)).run().map(|_| ()),
    }
}

fn put_back(
    root: &Root,
    resolved: &mut ResolvedPath<'_>,
    restore: Restore,
    owner: Option<(u32, u32)>,
) -> Result<io::Result<()>> {
    let Restore { state, from, .. } = restore;
    if let Err(cause) = resolved.make_parents_for(owner) {
        return Ok(Err(cause));
    }
    Ok(match (&state, from) {
        (State::File { mode, .. }, Source::Beside) => match kept_as(root, resolved, &state)? {
            Some(kept) => resolved.restore_old(&kept, *mode),
            None => Err(io::Error::other("the previous key was removed in the meantime")),
        },
        (State::File { sha256, mode, uid, gid, xattrs }, Source::Aside) => {
            let kept = resolve(root, &kept_path(root, sha256)?, LastLink::Keep)?;
            resolved.copy_large(&kept, sha256, Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_deref())
        }
        (State::File { .. }, Source::Bytes(bytes)) => put(resolved, &bytes, &state),
        (State::Link { target }, _) => resolved.link_to(OsStr::new(target)),
        (State::Directory { mode, uid, gid, xattrs }, _) => {
            resolved.make_dir(Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_deref())
        }
        (State::Absent | State::Other, _) => Ok(()),
    })
}

fn put(resolved: &ResolvedPath<'_>, bytes: &[u8], state: &State) -> io::Result<()> {
    resolved.remove_temporary()?;
    if resolved.needs_in_place()? {
        return resolved.overwrite(bytes, &resolved.find()?.bytes);
    }
    let (meta, xattrs) = match state.rights() {
        Some(((mode, uid, gid), xattrs)) => (Meta { mode, owner: Some((uid, gid)) }, xattrs),
        None => (Meta { mode: 0o644, owner: None }, None),
    };
    resolved.replace(bytes, meta, xattrs)
}

/// Keeps a copy of the current version; returns its path.
pub(crate) fn keep(root: &Root, entry: &Entry, now: &State) -> Result<PathBuf> {
    keep_newer(root, &resolve_change(root, &entry.intent.change)?, now)
}

/// Renames a tree that exists again; returns its new path.
pub(crate) fn keep_tree(root: &Root, entry: &Entry, now: Inode) -> Result<PathBuf> {
    let resolved = resolve_change(root, &entry.intent.change)?;
    let shown = shown(root, &entry.intent.change);
    if resolved.inode().on("read", &shown)? != Some(now) {
        return Err(changed_meanwhile(&shown));
    }
    rename_newer(root, &resolved)
}

/// Refuses if it was changed since the step was decided on.
pub(crate) fn must_still_be(root: &Root, entry: &Entry, now: &State) -> Result<()> {
    let shown = shown(root, &entry.intent.change);
    let found = resolve_change(root, &entry.intent.change)?.state();
    if found.on("read", &shown)? == *now {
        return Ok(());
    }
    Err(changed_meanwhile(&shown))
}

fn changed_meanwhile(shown: &Path) -> Error {
    Error::refused(format!("cannot restore {}: it was changed by another process in the meantime", shown.display()))
        .hint("run the command again to compare with the current version")
}

fn shown(root: &Root, change: &Change) -> PathBuf {
    root.display(&absolute(change.path().unwrap_or_default()))
}
