//! What is checked of a whole run before the first of its actions is undone.

use super::blocker;
use super::decide::Undoing;
use crate::action::Run;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Change, Entry};

/// A private key is kept for one generation. One that is gone cannot come back, and what was changed
/// together with it, such as its certificate, is of use only with it: then all of the run stays.
pub(super) fn previous_keys(undoing: &Undoing<'_>, entries: &[Entry], later: &[(String, u64, String)]) -> Result<()> {
    let stays = |error: Error| {
        let own = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
        if entries.len() > 1 {
            error.hint(format!("the rest of the run is kept too, because it belongs to the key{own}"))
        } else {
            error
        }
    };
    for entry in entries {
        let Change::Write(change) = &entry.intent.change else { continue };
        if !change.kept_old || blocker(undoing.root, entry, later).is_some() {
            continue;
        }
        undoing.decide(entry).map_err(stays)?;
    }
    Ok(())
}

/// Refuses (exit 4) all of a run where one of its commands would not be undone: what was changed around it is of
/// use as long as that is there.
pub(super) fn commands(undoing: &Undoing<'_>, entries: &[Entry], later: &[(String, u64, String)]) -> Result<()> {
    if !undoing.root.is_live() {
        return Ok(());
    }
    for entry in entries.iter().filter(|entry| blocker(undoing.root, entry, later).is_none()) {
        let Change::Run(Run { inverse: Some(inverse), .. }) = &entry.intent.change else { continue };
        for editor in undoing.editors {
            editor.check_command(inverse).map_err(|error| {
                if error.exit() != Exit::Refused {
                    return error;
                }
                let first = error.hint_text().map(|hint| format!("{hint}, then ")).unwrap_or_default();
                Error::refused(format!("cannot undo run {}: {error}", undoing.run))
                    .hint(format!("{first}run the same undo again; until then the whole run is kept"))
            })?;
        }
    }
    Ok(())
}
