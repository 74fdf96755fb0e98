//! Undoing one action: the step that was decided on, done.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::action::Script;
use crate::apply::{absolute, discard_needless, keep_newer, kept_as, link_of, remove_made, resolve};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::journal::{Change, Entry, Record, WriteChange};
use crate::lock::Lock;
use crate::root::{Content, LastLink, Meta, ResolvedPath, Root, State};

pub(super) const NEWER_RIGHTS: &str = "mode, owner or attributes were changed since, and stay as they are";

/// What has to be done to take an action back.
#[derive(Debug)]
pub(crate) enum UndoStep {
    /// It is as it was already.
    Already,
    /// What was made is removed, and the directories made on the way.
    Remove,
    /// What was there is restored.
    Restore {
        state: State,
        bytes: Vec<u8>,
        from: Source,
        /// Mode, owner and extended attributes are those of now.
        keeps_rights: bool,
        values: Vec<String>,
    },
    /// The edit alone is undone.
    Edit { bytes: Vec<u8>, state: State, values: Vec<String> },
    /// By force: what is there now, which we did not leave, is kept beside before this is done.
    Keeping { now: State, then: Box<UndoStep> },
    /// The permission bits of a file are set back.
    Mode(u32),
    /// A kernel value is set back.
    Set { now: String, before: String },
    /// The inverse command is run.
    Run(Vec<String>),
    /// A script made from what is there now is run.
    Script(Script),
    /// It cannot be taken back here, and why that is no error.
    Leave(&'static str),
}

/// Where a restored file's bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Journal,
    /// The previous key kept beside it.
    Beside,
    /// The large file kept whole beside the journal.
    Aside,
}

impl UndoStep {
    pub(crate) fn changes_nothing(&self) -> bool {
        matches!(self, UndoStep::Already | UndoStep::Leave(_))
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            UndoStep::Already | UndoStep::Restore { .. } | UndoStep::Mode(_) => "restore",
            UndoStep::Leave(_) => "leave",
            UndoStep::Remove => "remove",
            UndoStep::Edit { .. } => "take back the edit of",
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
            UndoStep::Restore { values, .. } | UndoStep::Edit { values, .. } => values.clone(),
            UndoStep::Keeping { then, .. } => then.values(),
            UndoStep::Set { now, before } => vec![format!("{now} -> {before}")],
            _ => self.details(),
        }
    }

    /// What of a file is not as it was before: it was changed since, and stays.
    pub(crate) fn note(&self) -> Option<&'static str> {
        matches!(self, UndoStep::Restore { keeps_rights: true, .. }).then_some(NEWER_RIGHTS)
    }

    pub(crate) fn why(&self) -> String {
        match self {
            UndoStep::Already => "it is as it was before".to_owned(),
            UndoStep::Remove => "it was not there before".to_owned(),
            UndoStep::Restore { .. } => "what was there before".to_owned(),
            UndoStep::Mode(mode) => format!("its mode, {mode:04o}"),
            UndoStep::Edit { .. } => "other changes to the file stay".to_owned(),
            UndoStep::Set { before, .. } => format!("to {before}, as before"),
            UndoStep::Keeping { then, .. } => format!("{}; what is there now is kept beside", then.why()),
            UndoStep::Run(_) => String::new(),
            UndoStep::Script(_) => "what was there before".to_owned(),
            UndoStep::Leave(why) => (*why).to_owned(),
        }
    }
}

/// For a file that must be written in place: both sides, before it is touched.
pub(crate) fn record_before(root: &Root, entry: &Entry, step: &UndoStep) -> Result<Option<Record>> {
    let bytes = match step {
        UndoStep::Edit { bytes, .. }
        | UndoStep::Restore { bytes, from: Source::Journal, state: State::File { .. }, .. } => bytes,
        UndoStep::Keeping { then, .. } => return record_before(root, entry, then),
        _ => return Ok(None),
    };
    let path = absolute(entry.intent.change.path().unwrap_or_default());
    let resolved = resolve(root, &path, LastLink::Follow)?;
    let fail = |cause: io::Error| Error::io("read", root.display(&path), &cause);
    if !resolved.needs_in_place().map_err(fail)? {
        return Ok(None);
    }
    let now = resolved.find().map_err(fail)?;
    Ok(Some(Record::Undoing { seq: entry.intent.seq, from: Content::of(&now.bytes), to: Content::of(bytes) }))
}

/// Does it; a script holds the lock to its end.
pub(crate) fn perform(root: &Root, lock: Option<&Lock>, entry: &Entry, step: UndoStep) -> Result<()> {
    let change = &entry.intent.change;
    let path = absolute(change.path().unwrap_or_default());
    let made = match change {
        Change::Write(change) => change.made.as_slice(),
        _ => &[],
    };
    let fail = |cause: io::Error| Error::io("restore", root.display(&path), &cause);
    match step {
        UndoStep::Already => {
            if let Change::Write(change) = change {
                discard_needless(root, change)?;
            }
            // A kill between the removal of the file and of the directories made for it.
            if matches!(change, Change::Write(WriteChange { before: State::Absent, .. })) {
                remove_made(root, made)
            } else {
                Ok(())
            }
        }
        UndoStep::Leave(_) => Ok(()),
        UndoStep::Remove => {
            // A file that was made through a dangling link is removed, and not the link.
            let link = if let Change::Write(change) = change { link_of(change) } else { LastLink::Keep };
            resolve(root, &path, link)?.remove_file().map_err(fail)?;
            remove_made(root, made)
        }
        UndoStep::Restore { state, bytes, from, .. } => restore(root, &path, change, &state, &bytes, from),
        UndoStep::Edit { bytes, state, .. } => {
            put(&resolve(root, &path, LastLink::Follow)?, &bytes, &state).map_err(fail)
        }
        UndoStep::Mode(mode) => resolve(root, &path, LastLink::Follow)?.set_mode(mode).map_err(fail),
        // It was kept before: see [`keep`].
        UndoStep::Keeping { then, .. } => perform(root, lock, entry, *then),
        UndoStep::Set { before, .. } => resolve(root, &path, LastLink::Follow)?.set_value(&before).map_err(fail),
        UndoStep::Run(argv) => Cmd::of_argv(&argv)?.run().map(|_| ()),
        UndoStep::Script(script) => Cmd::of_script(&script)?.holding(lock.and_then(Lock::share)).run().map(|_| ()),
    }
}

fn restore(root: &Root, path: &Path, change: &Change, state: &State, bytes: &[u8], from: Source) -> Result<()> {
    let fail = |cause: io::Error| Error::io("restore", root.display(path), &cause);
    let link = match change {
        Change::Write(change) => link_of(change),
        _ => LastLink::Keep,
    };
    let mut resolved = resolve(root, path, link)?;
    resolved.make_parents().map_err(fail)?;
    match state {
        State::File { mode, .. } if from == Source::Beside => match kept_as(root, &resolved, state)? {
            Some(kept) => resolved.restore_old(&kept, *mode),
            None => Err(io::Error::other("the previous key was removed meanwhile")),
        },
        State::File { sha256, mode, uid, gid, xattrs } if from == Source::Aside => {
            let kept = resolve(root, &crate::journal::kept_path(sha256), LastLink::Keep)?;
            resolved.copy_large(&kept, sha256, Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_deref())
        }
        State::Link { target } => resolved.link_to(OsStr::new(target)),
        State::Directory { mode, uid, gid, xattrs } => {
            resolved.make_dir(Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_deref())
        }
        State::File { .. } => put(&resolved, bytes, state),
        State::Absent | State::Other => Ok(()),
    }
    .map_err(fail)
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

/// Keeps what is there now and was not left by us; where.
pub(crate) fn keep(root: &Root, entry: &Entry, now: &State) -> Result<PathBuf> {
    let change = &entry.intent.change;
    let link = if let Change::Write(change) = change { link_of(change) } else { LastLink::Keep };
    keep_newer(root, &resolve(root, &absolute(change.path().unwrap_or_default()), link)?, now)
}

/// Refuses where someone changed it since the step was decided on.
pub(crate) fn must_still_be(root: &Root, entry: &Entry, now: &State) -> Result<()> {
    let change = &entry.intent.change;
    let path = absolute(change.path().unwrap_or_default());
    let link = if let Change::Write(change) = change { link_of(change) } else { LastLink::Keep };
    let found = resolve(root, &path, link)?.state();
    if found.map_err(|cause| Error::io("read", root.display(&path), &cause))? == *now {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot restore {}: it was changed by someone else meanwhile",
        root.display(&path).display()
    ))
    .hint("run it again: it is compared with what is there now"))
}
