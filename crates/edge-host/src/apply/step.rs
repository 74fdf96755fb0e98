//! One action of a run: checked before the first change, and done.

use std::io;

use super::paths::{resolve, unchanged, value_unchanged};
use super::record::record_of;
use super::stage::stage;
use super::{mode, trash};
use crate::action::{Action, ActionKind, Node, Write};
use crate::cmd::Cmd;
use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::journal::{Change, WriteChange};
use crate::root::{LastLink, Meta, Root, State};

/// An action with everything that is known before the first change.
pub(super) struct Step {
    pub(super) action: Action,
    /// Its program; `None` where it runs none.
    pub(super) command: Option<Cmd>,
    /// Its record.
    pub(super) change: Change,
    /// Its number in the run.
    pub(super) seq: usize,
    /// Whether it comes from the interrupted run and is not part of the new plan.
    pub(super) is_resumed: bool,
}

impl Step {
    /// Fails where the facts no longer hold, or a program is missing.
    pub(super) fn new(host: &Host, action: Action, seq: usize, is_resumed: bool) -> Result<Step> {
        let command = super::command::find(host, &action)?;
        let change = record_of(&host.root, &action)?;
        Ok(Step { action, command, change, seq, is_resumed })
    }
}

/// Does one action that is not a command. Returns the state that it left, if that was not known before.
pub(super) fn perform(host: &Host, run: u64, kind: ActionKind, change: &Change) -> Result<Option<State>> {
    let root = &host.root;
    match (kind, change) {
        (ActionKind::Write(write), Change::Write(change)) => return perform_write(root, write, change),
        (ActionKind::Remove(remove), _) => {
            let resolved = resolve(root, &remove.path, LastLink::Keep)?;
            unchanged(root, "remove", &remove.path, &resolved, &remove.was)?;
            let removed = match remove.was.state {
                State::Directory { .. } => resolved.remove_dir(),
                _ => resolved.remove_file(),
            };
            removed.on("remove", root.display(&remove.path))?;
        }
        (ActionKind::Mode(set), _) => mode::perform(root, &set)?,
        (ActionKind::RemoveTree(tree), _) => trash::perform(host, &tree, change, run)?,
        (ActionKind::Set(set), _) => {
            value_unchanged(root, &set)?;
            let resolved = resolve(root, &set.path, LastLink::Follow)?;
            resolved.set_value(&set.value).on("set", root.display(&set.path))?;
        }
        (ActionKind::Effect(effect), _) => (effect.perform)()?,
        (ActionKind::Run(_) | ActionKind::Transaction(_), _) => {
            return Err(Error::failed("cannot run a command that was not looked for"));
        }
        (ActionKind::Write(write), _) => {
            return Err(Error::failed(format!("cannot write {}: its record is of another kind", write.path.display())));
        }
    }
    Ok(None)
}

fn perform_write(root: &Root, write: Write, change: &WriteChange) -> Result<Option<State>> {
    let Node::Large { content, sha256, mode } = write.node else { return stage(root, write, change)?.place() };
    let shown = root.display(&write.path);
    let mut resolved = resolve(root, &write.path, LastLink::Keep)?;
    unchanged(root, "write", &write.path, &resolved, &write.was)?;
    resolved.make_parents().on("write", &shown)?;
    let mut failed = None;
    let written = resolved.replace_large(&sha256, Meta { mode, owner: None }, |file| {
        content(file).map_err(|error| {
            let cause = io::Error::other(error.to_string());
            failed = Some(error);
            cause
        })
    });
    match failed {
        Some(error) => Err(error),
        None => written.on("write", &shown).map(|()| None),
    }
}
