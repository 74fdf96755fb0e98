//! A list of actions: pure data, made from facts, shown by a dry run and carried out by `apply`.

use std::path::PathBuf;

use crate::action::{
    Action, ActionKind, Effect, Inverse, Node, Remove, RemoveTree, Run, SetMode, SetValue, Transaction, Write,
};
use crate::root::FileSnapshot;

/// What is to be done, in order. Empty means up to date.
///
/// The planner chooses the order so that an interruption at any point is harmless (write before start, stop before
/// delete).
#[derive(Debug, Default)]
pub struct Plan {
    /// The actions, first to last.
    pub actions: Vec<Action>,
    /// Whether the actions after one that failed are done anyway: each error is reported, and the call ends with
    /// the worst exit code. Otherwise the first failure ends it.
    pub continues: bool,
    /// Notes: what was found, what is not changed and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// A plan that changes nothing.
    pub fn new() -> Plan {
        Plan::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Adds a write of a file or link; its detail lines can be added to the returned action.
    pub fn write(
        &mut self,
        path: impl Into<PathBuf>,
        was: FileSnapshot,
        node: Node,
        inverse: Inverse,
        why: impl Into<String>,
    ) -> &mut Action {
        self.push(ActionKind::Write(Write { path: path.into(), was, node, inverse }), why)
    }

    /// Adds a removal.
    pub fn remove(&mut self, path: impl Into<PathBuf>, was: FileSnapshot, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Remove(Remove { path: path.into(), was, aside: false }), why)
    }

    /// Adds the removal of a file that [`crate::Root::find_large`] found, such as a program.
    pub fn remove_large(&mut self, path: impl Into<PathBuf>, was: FileSnapshot, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Remove(Remove { path: path.into(), was, aside: true }), why)
    }

    /// Adds the removal of a path with everything below it.
    pub fn remove_tree(&mut self, tree: RemoveTree, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::RemoveTree(tree), why)
    }

    /// Adds a change of permission bits.
    pub fn chmod(
        &mut self,
        path: impl Into<PathBuf>,
        was: FileSnapshot,
        mode: u32,
        why: impl Into<String>,
    ) -> &mut Action {
        self.push(ActionKind::Mode(SetMode { path: path.into(), was, mode }), why)
    }

    /// Adds a kernel value.
    pub fn set(&mut self, set: SetValue, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Set(set), why)
    }

    /// Adds a command.
    pub fn run(&mut self, run: Run, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Run(run), why)
    }

    /// Adds a script that a program carries out.
    pub fn transaction(&mut self, transaction: Transaction, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Transaction(transaction), why)
    }

    /// Adds something that cannot be undone.
    pub fn effect(&mut self, effect: Effect, why: impl Into<String>) -> &mut Action {
        self.push(ActionKind::Effect(effect), why)
    }

    /// Adds a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn push(&mut self, kind: ActionKind, why: impl Into<String>) -> &mut Action {
        let at = self.actions.len();
        self.actions.push(Action { kind, why: why.into(), details: Vec::new(), with_next: false, tag: None });
        &mut self.actions[at]
    }
}
