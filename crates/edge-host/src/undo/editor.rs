//! What a utility knows of its own changes, for their undo.

use std::path::Path;

use serde_json::Value;

use crate::action::Script;
use crate::error::{Error, Result};

/// A file that an undo keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Why it is kept, in a few words.
    pub why: String,
    /// What the user can do with it.
    pub hints: Vec<String>,
}

/// Undoes the changes of a utility that cannot be undone by restoring a file. An editor implements the methods that
/// its kind needs; the others fail.
pub trait Editor {
    /// The kind that [`crate::Inverse::Edit`] or [`crate::action::Transaction`] names.
    fn kind(&self) -> &'static str;

    /// For kinds that edit files: the bytes of the file with the edit reverted and everything else as it is now. The same
    /// bytes mean that it is reverted already. Refuses (exit 4) if the value of the edit is no longer there.
    fn revert(&self, _now: &[u8], _data: &Value) -> Result<Vec<u8>> {
        Err(Error::failed(format!("{} edits no files", self.kind())))
    }

    /// For kinds of [`crate::Inverse::Keep`]: why the file at `path`, with these bytes, is still needed; `None` if it is not.
    fn needs(&self, _path: &Path, _now: &[u8], _data: &Value) -> Result<Option<Needed>> {
        Err(Error::failed(format!("{} keeps no files", self.kind())))
    }

    /// For kinds of [`crate::action::Transaction`]: the script that restores the previous state, made from the current
    /// one; `None` if they are the same.
    fn revert_script(&self, _data: &Value) -> Result<Option<Script>> {
        Err(Error::failed(format!("cannot undo by a script: {} edits files", self.kind())))
    }

    /// Whether a command that undoes an action would succeed. Every one of a run is checked before anything
    /// is undone: a refusal (exit 4) keeps the whole run and is reported.
    fn check_command(&self, _argv: &[String]) -> Result<()> {
        Ok(())
    }
}
