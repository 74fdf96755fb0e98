//! Taking one action back: what is there now decides how.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::Editor;
use super::diff::difference_of;
use crate::action::Script;
use crate::apply::{Link, absolute, is_before, link_of, read_value, remove_made, same_value, walk};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Change, Entry, InverseRecord, Record, WriteChange};
use crate::lock::Lock;
use crate::root::{Content, Meta, Root, Spot, State, sha256};

const NEWER_RIGHTS: &str = "mode, owner or attributes were changed since, and stay as they are";

/// What has to be done to take an action back.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is as it was already.
    Already,
    /// What was made is removed, and the directories made on the way.
    Remove,
    /// What stood there comes back.
    Restore {
        state: State,
        bytes: Vec<u8>,
        from: Source,
        /// Mode, owner and extended attributes are those of now.
        keeps_rights: bool,
    },
    /// The edit alone is taken back.
    Edit { bytes: Vec<u8>, state: State },
    /// A kernel value is set back.
    Set(String),
    /// The inverse command is run.
    Run(Vec<String>),
    /// A script made from what is there now is run.
    Script(Script),
    /// It cannot be taken back here, and why that is no error.
    Left(&'static str),
}

/// Where a restored file's bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Journal,
    /// The file kept beside as NAME.old.
    Beside,
    /// The large file kept whole beside the journal.
    Aside,
}

impl Step {
    pub(crate) fn changes_nothing(&self) -> bool {
        matches!(self, Step::Already | Step::Left(_))
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Step::Already | Step::Restore { .. } => "restore",
            Step::Left(_) => "leave",
            Step::Remove => "remove",
            Step::Edit { .. } => "take back the edit of",
            Step::Set(_) => "set",
            Step::Run(_) | Step::Script(_) => "run",
        }
    }

    /// The lines of a script.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Step::Script(script) => script.text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// What of a file is not as it was before: it was changed since, and stays.
    pub(crate) fn note(&self) -> Option<&'static str> {
        matches!(self, Step::Restore { keeps_rights: true, .. }).then_some(NEWER_RIGHTS)
    }

    pub(crate) fn why(&self) -> String {
        match self {
            Step::Already => "it is as it was before".to_owned(),
            Step::Remove => "it was not there before".to_owned(),
            Step::Restore { .. } => "what was there before".to_owned(),
            Step::Edit { .. } => "other changes to the file stay".to_owned(),
            Step::Set(value) => format!("to {value}, as before"),
            Step::Run(_) => String::new(),
            Step::Script(_) => "what was there before".to_owned(),
            Step::Left(why) => (*why).to_owned(),
        }
    }
}

/// Compares what is there with both sides of the record.
pub(crate) fn plan(root: &Root, entry: &Entry, editors: &[&dyn Editor]) -> Result<Step> {
    match &entry.intent.change {
        Change::Write(change) => plan_write(root, entry, change, editors),
        Change::Remove { path, before, content, aside } => {
            let now = root.find_large(&absolute(path))?.state;
            match (now.same_content(before), &now, before, content) {
                (true, ..) => Ok(Step::Already),
                (_, State::Absent, State::File { .. }, None) if *aside => {
                    from_aside(root, path, before, before.clone())
                }
                (_, State::Absent, State::File { .. }, None) => Err(no_copy(root, path)),
                (_, State::Absent, State::Other, _) => Err(Error::refused(format!(
                    "cannot undo the removal of {}: it was {}",
                    root.display(&absolute(path)).display(),
                    before.describe()
                ))),
                (_, State::Absent, _, content) => Ok(Step::Restore {
                    state: before.clone(),
                    bytes: content.as_ref().and_then(Content::bytes).unwrap_or_default(),
                    from: Source::Journal,
                    keeps_rights: false,
                }),
                _ => Err(changed_since(root, path)),
            }
        }
        Change::Set { .. } | Change::Run { .. } | Change::Transaction { .. } if !root.is_live() => {
            Ok(Step::Left("nothing live is touched under --root"))
        }
        Change::Set { path, before, after } => match read_value(root, &absolute(path))? {
            now if same_value(&now, before) => Ok(Step::Already),
            now if same_value(&now, after) => Ok(Step::Set(before.clone())),
            now => Err(Error::refused(format!(
                "cannot set {} back: it is {now} now, and we left {after}",
                root.display(&absolute(path)).display()
            ))),
        },
        Change::Run { inverse: Some(inverse), .. } => Ok(Step::Run(inverse.clone())),
        Change::Run { .. } => Ok(Step::Left("this command has no opposite")),
        Change::Transaction { kind, data, object, .. } => {
            let Some(editor) = editors.iter().find(|editor| editor.kind() == kind) else {
                return Err(Error::failed(format!("cannot undo the change of {object}: no editor knows {kind:?}")));
            };
            Ok(editor.script_back(data)?.map_or(Step::Already, Step::Script))
        }
    }
}

fn plan_write(root: &Root, entry: &Entry, change: &WriteChange, editors: &[&dyn Editor]) -> Result<Step> {
    let path = absolute(&change.path);
    let spot = walk(root, &path, link_of(change))?;
    let fail = |cause: io::Error| Error::io("read", root.display(&path), &cause);
    let now = spot.state().map_err(fail)?;
    let after = entry.after.as_ref().or(change.after.as_ref());
    if is_before(&now, &change.before, after) {
        return Ok(Step::Already);
    }
    if after.is_some_and(|after| now.same_content(after)) {
        if now.same_content(&change.before) && after.is_some_and(|after| !now.same_rights(after)) {
            return Ok(Step::Left(NEWER_RIGHTS));
        }
        return match &change.before {
            State::Absent => Ok(Step::Remove),
            State::File { sha256: was, .. } if change.kept_old => {
                // Beside the key itself, wherever a link led to it.
                let old = spot.canonical().with_file_name(spot.old_name());
                match root.read(&old)? {
                    Some(bytes) if sha256(&bytes) == *was => Ok(Step::Restore {
                        state: change.before.clone(),
                        bytes: Vec::new(),
                        from: Source::Beside,
                        keeps_rights: false,
                    }),
                    _ => Err(Error::refused(format!(
                        "cannot undo {}: {} is not the previous one",
                        root.display(&path).display(),
                        root.display(&old).display()
                    ))),
                }
            }
            State::File { .. } if change.large => {
                from_aside(root, &change.path, &change.before, keep_rights(&change.before, after, &now))
            }
            State::File { .. } if change.content.is_none() => Err(no_copy(root, &change.path)),
            before => Ok(Step::Restore {
                keeps_rights: !keep_rights(before, after, &now).same_rights(before),
                state: keep_rights(before, after, &now),
                bytes: change.content.as_ref().and_then(Content::bytes).unwrap_or_default(),
                from: Source::Journal,
            }),
        };
    }
    let InverseRecord::Edit { kind, data, .. } = &change.inverse else { return Err(changed_since(root, &change.path)) };
    let Some(editor) = editors.iter().find(|editor| editor.kind() == kind) else {
        return Err(Error::failed(format!("cannot undo {}: no editor for {kind}", root.display(&path).display())));
    };
    let State::File { .. } = now else { return Err(changed_since(root, &change.path)) };
    let now = spot.find().map_err(fail)?;
    let bytes = editor.take_back(&now.bytes, data).map_err(|error| {
        let exit = error.exit();
        let message = format!("cannot undo the change of {}: {error}", root.display(&path).display());
        let again = if exit == Exit::Refused { Error::refused(message) } else { Error::failed(message) };
        error.hint_text().map_or(again.clone(), |hint| again.hint(hint))
    })?;
    if bytes == now.bytes { Ok(Step::Already) } else { Ok(Step::Edit { bytes, state: now.state }) }
}

/// What was kept whole, if it is still there and still what it was.
fn from_aside(root: &Root, path: &str, before: &State, state: State) -> Result<Step> {
    let State::File { sha256, .. } = before else { return Err(no_copy(root, path)) };
    let kept = crate::journal::kept_path(sha256);
    let found = root.find_large(&kept)?.state;
    if found.same_content(before) {
        let keeps_rights = !state.same_rights(before);
        return Ok(Step::Restore { state, bytes: Vec::new(), from: Source::Aside, keeps_rights });
    }
    Err(Error::refused(format!(
        "cannot undo the change of {}: {} is not what was kept there",
        root.display(&absolute(path)).display(),
        root.display(&kept).display()
    )))
}

/// The mode and owner that a restored file gets: those of before, unless someone changed them since.
fn keep_rights(before: &State, after: Option<&State>, now: &State) -> State {
    match (before, now) {
        (State::File { sha256, .. }, State::File { mode, uid, gid, xattrs, .. })
            if after.is_some_and(|after| !now.same_rights(after)) =>
        {
            State::File { sha256: sha256.clone(), mode: *mode, uid: *uid, gid: *gid, xattrs: xattrs.clone() }
        }
        _ => before.clone(),
    }
}

/// For a file that must be written in place: both sides, before it is touched.
pub(crate) fn record_before(root: &Root, entry: &Entry, step: &Step) -> Result<Option<Record>> {
    let (Step::Edit { bytes, .. } | Step::Restore { bytes, from: Source::Journal, state: State::File { .. }, .. }) =
        step
    else {
        return Ok(None);
    };
    let path = absolute(entry.intent.change.path().unwrap_or_default());
    let spot = walk(root, &path, Link::Target)?;
    let fail = |cause: io::Error| Error::io("read", root.display(&path), &cause);
    if !spot.needs_in_place().map_err(fail)? {
        return Ok(None);
    }
    let now = spot.find().map_err(fail)?;
    Ok(Some(Record::Undoing { seq: entry.intent.seq, from: Content::of(&now.bytes), to: Content::of(bytes) }))
}

/// Does it; a script holds the lock to its end.
pub(crate) fn perform(root: &Root, lock: Option<&Lock>, entry: &Entry, step: Step) -> Result<()> {
    let change = &entry.intent.change;
    let path = absolute(change.path().unwrap_or_default());
    let made = match change {
        Change::Write(change) => change.made.as_slice(),
        _ => &[],
    };
    let fail = |cause: io::Error| Error::io("restore", root.display(&path), &cause);
    match step {
        Step::Already => {
            // A kill between the removal of the file and of the directories made for it.
            if matches!(change, Change::Write(WriteChange { before: State::Absent, .. })) {
                remove_made(root, made)
            } else {
                Ok(())
            }
        }
        Step::Left(_) => Ok(()),
        Step::Remove => {
            // A file that was made through a dangling link is removed, and not the link.
            let link = if let Change::Write(change) = change { link_of(change) } else { Link::Itself };
            walk(root, &path, link)?.remove_file().map_err(fail)?;
            remove_made(root, made)
        }
        Step::Restore { state, bytes, from, .. } => restore(root, &path, change, &state, &bytes, from),
        Step::Edit { bytes, state } => {
            let spot = walk(root, &path, Link::Target)?;
            if spot.find().map_err(fail)?.state != state {
                return Err(changed_since(root, change.path().unwrap_or_default()));
            }
            put(&spot, &bytes, &state).map_err(fail)
        }
        Step::Set(value) => walk(root, &path, Link::Target)?.set_value(&value).map_err(fail),
        Step::Run(argv) => Cmd::of_argv(&argv)?.run().map(|_| ()),
        Step::Script(script) => Cmd::of_script(&script)?.holding(lock.and_then(Lock::share)).run().map(|_| ()),
    }
}

fn restore(root: &Root, path: &Path, change: &Change, state: &State, bytes: &[u8], from: Source) -> Result<()> {
    let fail = |cause: io::Error| Error::io("restore", root.display(path), &cause);
    let link = match change {
        Change::Write(change) => link_of(change),
        _ => Link::Itself,
    };
    let mut spot = walk(root, path, link)?;
    spot.make_parents().map_err(fail)?;
    match state {
        State::File { mode, .. } if from == Source::Beside => spot.restore_old(*mode),
        State::File { sha256, mode, uid, gid, xattrs } if from == Source::Aside => {
            let kept = walk(root, &crate::journal::kept_path(sha256), Link::Itself)?;
            spot.copy_large(&kept, sha256, Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_ref())
        }
        State::Link { target } => spot.link_to(OsStr::new(target)),
        State::Directory { mode, uid, gid, xattrs } => {
            spot.make_dir(Meta { mode: *mode, owner: Some((*uid, *gid)) }, xattrs.as_ref())
        }
        State::File { .. } => put(&spot, bytes, state),
        State::Absent | State::Other => Ok(()),
    }
    .map_err(fail)
}

fn put(spot: &Spot<'_>, bytes: &[u8], state: &State) -> io::Result<()> {
    spot.remove_temporary()?;
    if spot.needs_in_place()? {
        return spot.overwrite(bytes, &spot.find()?.bytes);
    }
    let (meta, xattrs) = match state.rights() {
        Some(((mode, uid, gid), xattrs)) => (Meta { mode, owner: Some((uid, gid)) }, xattrs),
        None => (Meta { mode: 0o644, owner: None }, None),
    };
    spot.replace(bytes, meta, xattrs)
}

/// What differs between the file as we left it and as it is, for a refusal.
pub(crate) fn difference(root: &Root, entry: &Entry, error: &Error) -> Option<String> {
    let Change::Write(change) = &entry.intent.change else { return None };
    if error.exit() != Exit::Refused {
        return None;
    }
    let before = change.content.as_ref()?.bytes()?;
    let now = root.find(&absolute(&change.path)).ok()?;
    // Of a file that is gone or something else the message says enough.
    matches!(now.state, State::File { .. }).then(|| difference_of(&before, &now.bytes))
}

fn changed_since(root: &Root, path: &str) -> Error {
    Error::refused(format!(
        "cannot undo the change of {}: {} since by someone else",
        root.display(&absolute(path)).display(),
        match root.find_link(&absolute(path)).map(|found| found.state) {
            Ok(State::Absent) => "it was removed",
            Ok(State::Directory { .. } | State::Other) => "it was replaced",
            _ => "it was changed",
        }
    ))
    .hint("put right by hand what you want to keep; the lines above show what differs from before our change")
}

fn no_copy(root: &Root, path: &str) -> Error {
    Error::refused(format!(
        "cannot undo the change of {}: it was too large for a copy to be kept",
        root.display(&absolute(path)).display()
    ))
}
