//! Decides how an action is undone: the current state is compared with those before and after it.

use std::path::Path;

use super::Editor;
use super::diff::difference_of;
use super::step::{NEWER_RIGHTS, Restore, Source, UndoStep};
use crate::action::{Inverse, Run};
use crate::apply::{
    KEPT_SUFFIX, absolute, damaged_record, find_value, is_before, kept_as, relative, resolve, resolve_change,
    same_value, undo_mode,
};
use crate::error::{Error, Result, ResultExt};
use crate::exit::Exit;
use crate::journal::{Change, Entry, WriteChange};
use crate::root::{Content, ResolvedPath, Root, State, sha256};

/// What an undo needs besides the record of one action.
#[derive(Clone, Copy)]
pub(super) struct Undoing<'a> {
    pub(super) root: &'a Root,
    pub(super) editors: &'a [&'a dyn Editor],
    pub(super) tool: &'static str,
    pub(super) run: u64,
    /// Whether to restore also what was changed since, and keep a copy of that.
    pub(super) force: bool,
    /// Whether to compute old and new values: only for a dry run, as it takes time.
    pub(super) shows_values: bool,
}

/// A step, and the state that it was decided on.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) step: UndoStep,
    /// The state of the path, if it has one.
    pub(super) now: Option<State>,
}

impl From<UndoStep> for Decided {
    fn from(step: UndoStep) -> Decided {
        Decided { step, now: None }
    }
}

impl Undoing<'_> {
    /// The step that undoes an action.
    ///
    /// Errors: exit 4 if it was changed since (unless by force), if there is no copy, or if the copy is damaged.
    pub(super) fn decide(&self, entry: &Entry) -> Result<Decided> {
        match &entry.intent.change {
            Change::Write(change) => {
                let resolved = resolve_change(self.root, &entry.intent.change)?;
                let shown = self.root.display(&absolute(&change.path));
                let now = resolved.state().on("read", &shown)?;
                Ok(Decided { step: self.decide_write(entry, change, &resolved, now.clone())?, now: Some(now) })
            }
            Change::Remove { path, before, content, aside } => {
                let now = self.root.find_large(&absolute(path))?.state;
                let step = self.decide_removed(path, before, content.as_ref(), *aside, now.clone())?;
                Ok(Decided { step, now: Some(now) })
            }
            Change::Trash { .. } if entry.purged => Ok(UndoStep::Leave("it was deleted from the trash").into()),
            Change::Trash { path, inode, .. } => self.decide_trashed(path, *inode, entry.intent.change.trash(self.run)),
            Change::Delete { .. } => Ok(UndoStep::Leave("it was deleted").into()),
            Change::Effect { .. } => Ok(UndoStep::Leave("this cannot be undone").into()),
            Change::Mode { path, before, mode } => {
                match (undo_mode(&self.root.find(&absolute(path))?.state, before, *mode), before) {
                    (Ok(None), _) => Ok(UndoStep::Already.into()),
                    (Ok(Some(mode)), _) => Ok(UndoStep::Mode(mode).into()),
                    (Err(()), State::File { mode, .. }) if self.force => Ok(UndoStep::Mode(*mode).into()),
                    (Err(()), State::File { mode, .. }) => Err(self.mode_changed(path, *mode)),
                    (Err(()), _) => Err(self.changed_since(path, false)),
                }
            }
            Change::Set { .. } | Change::Run(_) | Change::Transaction { .. } if !self.root.is_live() => {
                Ok(UndoStep::Leave("nothing live is changed under --root").into())
            }
            Change::Set { path, before, after } => {
                let Some(now) = find_value(self.root, &absolute(path))? else {
                    return Ok(UndoStep::Leave("the kernel does not have this value now").into());
                };
                if same_value(&now, before) {
                    return Ok(UndoStep::Already.into());
                }
                if same_value(&now, after) || self.force {
                    return Ok(UndoStep::Set { now, before: before.clone() }.into());
                }
                Err(Error::refused(format!(
                    "cannot restore {}: it is {now} now, the run had set {after}",
                    self.root.display(&absolute(path)).display()
                ))
                .hint(format!(
                    "to restore {before} anyway: {} --force; {}",
                    self.command(),
                    self.keep_all()
                )))
            }
            Change::Run(Run { inverse: Some(inverse), .. }) => Ok(UndoStep::Run(inverse.clone()).into()),
            Change::Run(_) => Ok(UndoStep::Leave("this command cannot be undone").into()),
            Change::Transaction { kind, data, object, .. } => {
                let Some(editor) = self.editors.iter().find(|editor| editor.kind() == kind) else {
                    return Err(Error::failed(format!(
                        "cannot undo the change of {object}: this version does not know how to undo {kind:?}"
                    )));
                };
                Ok(editor.revert_script(data)?.map_or(UndoStep::Already, UndoStep::Script).into())
            }
        }
    }

    /// Fails if the copy of the previous content is damaged. Checked for all actions before the first is undone.
    pub(super) fn check_copy(&self, entry: &Entry) -> Result<()> {
        let (path, before, content, aside) = match &entry.intent.change {
            Change::Write(change) if !change.kept_old => {
                (&change.path, &change.before, change.content.as_ref(), change.large || change.aside)
            }
            Change::Remove { path, before, content, aside } => (path, before, content.as_ref(), *aside),
            _ => return Ok(()),
        };
        let State::File { .. } = before else { return Ok(()) };
        if aside {
            let now = self.root.find_large(&absolute(path))?.state;
            // If it is restored already, the copy is not needed and may be gone.
            return if now.same_content(before) {
                Ok(())
            } else {
                self.kept_aside(path, before, before.clone()).map(|_| ())
            };
        }
        content.map_or(Ok(()), |content| self.copied(path, before, Some(content), before.clone()).map(|_| ()))
    }

    fn decide_write(
        &self,
        entry: &Entry,
        change: &WriteChange,
        resolved: &ResolvedPath<'_>,
        now: State,
    ) -> Result<UndoStep> {
        let (root, path) = (self.root, absolute(&change.path));
        let shown = root.display(&path);
        let after = entry.after.as_ref().or(change.after.as_ref());
        if is_before(&now, &change.before, after) {
            return Ok(UndoStep::Already);
        }
        if let Inverse::Keep { kind, data } = &change.inverse
            && let State::File { .. } = now
        {
            let found = resolved.find().on("read", &shown)?;
            if let Some(needed) = self.editor(kind, &shown)?.needs(&shown, &found.bytes, data)? {
                return Ok(UndoStep::Keep(needed));
            }
        }
        if after.is_some_and(|after| now.same_content(after)) {
            if now.same_content(&change.before) && after.is_some_and(|after| !now.same_rights(after)) {
                return Ok(UndoStep::Leave(NEWER_RIGHTS));
            }
            return self.restore(change, keep_rights(&change.before, after, &now));
        }
        let Inverse::Edit { kind, data, .. } = &change.inverse else { return self.forced(change, resolved, now) };
        let editor = self.editor(kind, &shown)?;
        let State::File { .. } = now else { return self.forced(change, resolved, now) };
        let found = resolved.find().on("read", &shown)?;
        match editor.revert(&found.bytes, data) {
            Ok(bytes) if bytes == found.bytes => Ok(UndoStep::Already),
            Ok(bytes) => Ok(UndoStep::Edit { values: self.values(&found.bytes, &bytes), bytes, state: found.state }),
            Err(_) if self.force => self.forced(change, resolved, now),
            Err(error) => {
                let exit = error.exit();
                let message = format!("cannot undo the change of {}: {error}", root.display(&path).display());
                let again = if exit == Exit::Refused { Error::refused(message) } else { Error::failed(message) };
                Err(self.or_by_force(error.hint_text().map_or(again.clone(), |hint| again.hint(hint))))
            }
        }
    }

    fn editor(&self, kind: &str, shown: &Path) -> Result<&dyn Editor> {
        let editor = self.editors.iter().find(|editor| editor.kind() == kind).copied();
        editor.ok_or_else(|| {
            let what = format!("cannot undo {}: this version does not know how to undo {kind:?}", shown.display());
            Error::failed(what)
        })
    }

    /// Restores the previous content of a write, with this state.
    fn restore(&self, change: &WriteChange, state: State) -> Result<UndoStep> {
        let (root, path) = (self.root, absolute(&change.path));
        match &change.before {
            State::Absent => Ok(UndoStep::Remove),
            before @ State::File { .. } if change.kept_old => {
                // In the directory of the key itself, where links lead.
                let resolved = resolve(root, &path, change.last_link())?;
                if kept_as(root, &resolved, before)?.is_some() {
                    return Ok(restored(state, Source::Beside));
                }
                let is_there = root.find_large(&resolved.old_path())?.exists();
                let what =
                    if is_there { "is not the previous key" } else { "does not exist: only one previous key is kept" };
                Err(Error::refused(format!(
                    "cannot undo {}: {} {what}",
                    root.display(&path).display(),
                    root.display(&resolved.old_path()).display()
                ))
                .hint(self.keep_all()))
            }
            State::File { .. } if change.large || change.aside => self.kept_aside(&change.path, &change.before, state),
            before => self.copied(&change.path, before, change.content.as_ref(), state),
        }
    }

    fn decide_removed(
        &self,
        path: &str,
        before: &State,
        content: Option<&Content>,
        aside: bool,
        now: State,
    ) -> Result<UndoStep> {
        if now.same_content(before) {
            return Ok(UndoStep::Already);
        }
        let restore = || match before {
            State::Other => Err(Error::refused(format!(
                "cannot undo the removal of {}: it was {}",
                self.root.display(&absolute(path)).display(),
                before.describe()
            ))),
            State::File { .. } if aside => self.kept_aside(path, before, before.clone()),
            _ => self.copied(path, before, content, before.clone()),
        };
        match now {
            State::Absent => restore(),
            // A directory does not replace a file.
            _ if matches!(before, State::Directory { .. }) => Err(self.changed_since(path, false)),
            State::File { .. } | State::Link { .. } if self.force => {
                Ok(UndoStep::Keeping { now, then: Box::new(restore()?) })
            }
            _ => Err(self.changed_since(path, true)),
        }
    }

    /// Restores the copy in the journal, if its checksum is right.
    fn copied(&self, path: &str, before: &State, content: Option<&Content>, state: State) -> Result<UndoStep> {
        let State::File { sha256: was, .. } = before else {
            return Ok(restored(state, Source::Bytes(Vec::new())));
        };
        let Some(content) = content else { return Err(self.no_copy(path)) };
        let bytes = content.bytes().filter(|bytes| sha256(bytes) == *was);
        let bytes = bytes.ok_or_else(|| damaged_record(self.root, path).hint(self.keep_all()))?;
        let now = if self.shows_values { self.root.find(&absolute(path)).ok() } else { None };
        let values = now.map(|now| self.values(&now.bytes, &bytes)).unwrap_or_default();
        let keeps_rights = !state.same_rights(before);
        Ok(UndoStep::Restore(Restore { state, from: Source::Bytes(bytes), keeps_rights, values }))
    }

    /// Restores a large file that was kept, if its checksum is right.
    fn kept_aside(&self, path: &str, before: &State, state: State) -> Result<UndoStep> {
        let State::File { sha256, .. } = before else { return Err(self.no_copy(path)) };
        let kept = crate::journal::kept_path(self.root, sha256)?;
        let found = self.root.find_large(&kept)?.state;
        if found.same_content(before) {
            let keeps_rights = !state.same_rights(before);
            return Ok(UndoStep::Restore(Restore { state, from: Source::Aside, keeps_rights, values: Vec::new() }));
        }
        Err(Error::refused(format!(
            "cannot undo the change of {}: the copy {} was changed",
            self.root.display(&absolute(path)).display(),
            self.root.display(&kept).display()
        ))
        .hint(self.keep_all()))
    }

    /// Restores the previous content over a later change, with `--force`.
    fn forced(&self, change: &WriteChange, resolved: &ResolvedPath<'_>, now: State) -> Result<UndoStep> {
        // A link that was made later leads to a file that the run did not write.
        let is_elsewhere =
            relative(self.root, &resolved.canonical())? != *change.target.as_ref().unwrap_or(&change.path);
        if !self.force || is_elsewhere || matches!(now, State::Directory { .. } | State::Other) {
            return Err(self.changed_since(&change.path, !is_elsewhere));
        }
        let then = self.restore(change, change.before.clone())?;
        Ok(if now == State::Absent { then } else { UndoStep::Keeping { now, then: Box::new(then) } })
    }

    /// Refuses; the hint names `--force` if it `can_be_forced`.
    fn changed_since(&self, path: &str, can_be_forced: bool) -> Error {
        let found = self.root.find_link(&absolute(path)).map(|found| found.state);
        let (what, is_ours_to_replace) = match found {
            Ok(State::Absent) => ("it was removed", true),
            Ok(State::Directory { .. } | State::Other) => ("it was replaced", false),
            _ => ("it was changed", true),
        };
        let shown = self.root.display(&absolute(path));
        let error = Error::refused(format!("cannot undo the change of {}: {what} after the run", shown.display()));
        if can_be_forced && is_ours_to_replace { self.or_by_force(error) } else { error.hint(self.keep_all()) }
    }

    fn mode_changed(&self, path: &str, mode: u32) -> Error {
        let shown = self.root.display(&absolute(path));
        let changed = "it was changed after the run";
        Error::refused(format!("cannot undo the change of {}: {changed}", shown.display())).hint(format!(
            "to restore mode {mode:04o} anyway: {} --force; {}",
            self.command(),
            self.keep_all()
        ))
    }

    /// Adds `--force` and `--skip` to the hint of an error.
    pub(super) fn or_by_force(&self, error: Error) -> Error {
        let own = error.hint_text().map(|hint| format!("{hint}; or ")).unwrap_or_default();
        let by_force = format!(
            "to restore it and keep the current version as NAME{KEPT_SUFFIX}: {} --force; {}",
            self.command(),
            self.keep_all()
        );
        error.hint(format!("{own}{by_force}"))
    }

    pub(super) fn keep_all(&self) -> String {
        format!("to keep the run: {} --skip", self.command())
    }

    fn command(&self) -> String {
        format!("{}{} undo --id {}", self.tool, self.root.option(), self.run)
    }

    fn no_copy(&self, path: &str) -> Error {
        Error::refused(format!(
            "cannot undo the change of {}: it was too large to keep a copy",
            self.root.display(&absolute(path)).display()
        ))
        .hint(self.keep_all())
    }

    /// Old and new lines of a change, secrets redacted.
    fn values(&self, now: &[u8], then: &[u8]) -> Vec<String> {
        if !self.shows_values || now == then {
            return Vec::new();
        }
        difference_of(now, then).lines().map(str::to_owned).collect()
    }

    /// What was changed since, for a refusal; none if there is nothing to show.
    pub(super) fn difference(&self, entry: &Entry, error: &Error) -> Option<String> {
        let Change::Write(change) = &entry.intent.change else { return None };
        if error.exit() != Exit::Refused {
            return None;
        }
        // The difference to what the run wrote, if that is known; else to the previous content.
        let base = match (&change.wrote, &change.content, &change.before) {
            (Some(content), ..) | (None, Some(content), _) => content.bytes()?,
            (None, None, State::Absent) => Vec::new(),
            _ => return None,
        };
        let now = self.root.find(&absolute(&change.path)).ok()?;
        let differs = matches!(now.state, State::File { .. }) && now.bytes != base;
        differs.then(|| difference_of(&base, &now.bytes))
    }
}

fn restored(state: State, from: Source) -> UndoStep {
    UndoStep::Restore(Restore { state, from, keeps_rights: false, values: Vec::new() })
}

/// Mode and owner of a restored file: the previous ones, unless they were changed since.
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
