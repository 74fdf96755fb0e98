//! Changes permission bits alone. It is one system call, so it is done or not done and never half done.

use super::paths::{absolute, relative, resolve, unchanged};
use super::recover::RecoveryOutcome;
use crate::action::SetMode;
use crate::error::{Error, Result, ResultExt};
use crate::journal::Change;
use crate::root::{LastLink, Root, State};

/// Its record; refuses where the facts no longer hold.
pub(super) fn change(root: &Root, set: &SetMode) -> Result<Change> {
    let resolved = resolve(root, &set.path, LastLink::Follow)?;
    unchanged(root, "chmod", &set.path, &resolved, &set.was)?;
    if !matches!(set.was.state, State::File { .. }) {
        let (shown, what) = (root.display(&set.path), set.was.state.describe());
        return Err(Error::failed(format!("cannot chmod {}: it is {what}, not a file", shown.display())));
    }
    Ok(Change::Mode { path: relative(root, &set.path)?, before: set.was.state.clone(), mode: set.mode })
}

/// Does it.
pub(super) fn perform(root: &Root, set: &SetMode) -> Result<()> {
    let resolved = resolve(root, &set.path, LastLink::Follow)?;
    unchanged(root, "chmod", &set.path, &resolved, &set.was)?;
    resolved.set_mode(set.mode).on("chmod", root.display(&set.path))
}

/// After an interruption: whether it was done.
pub(super) fn recover(root: &Root, path: &str, mode: u32) -> Result<RecoveryOutcome> {
    let is_done = matches!(root.find(&absolute(path))?.state, State::File { mode: now, .. } if now == mode);
    Ok(if is_done { RecoveryOutcome::Done(None) } else { RecoveryOutcome::NotDone })
}

/// The mode that an undo sets; `None` if it is set already. Fails if the file or its mode was changed after the
/// run: the previous mode may be too open for another key.
pub(crate) fn undo_mode(now: &State, before: &State, left: u32) -> std::result::Result<Option<u32>, ()> {
    match (now, before) {
        (State::File { mode: now, .. }, State::File { mode, .. }) if now == mode => Ok(None),
        (State::File { mode: is, .. }, State::File { mode, .. }) if *is == left && now.same_content(before) => {
            Ok(Some(*mode))
        }
        _ => Err(()),
    }
}
