//! What is checked of a whole run before the first of its actions is undone.

use super::blocker;
use super::decide::Undoing;
use crate::action::Run;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Change, Entry};

/// Refuses a whole run if a private key of it cannot be restored, as only one previous key is kept: what was changed
/// together with it, such as its certificate, is useless without it.
pub(super) fn previous_keys(undoing: &Undoing<'_>, entries: &[Entry], later: &[(String, u64, String)]) -> Result<()> {
    let keep_all = |error: Error| {
        let own = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
        if entries.len() > 1 {
            error.hint(format!("the rest of the run is kept too, because it belongs to the key{own}"))
        } else {
            error
        }
    };
    for entry in entries {
        let Change::Write(change) = &entry.intent.change else { continue };
        if !change.kept_old || blocker(undoing, entry, later).is_some() {
            continue;
        }
        undoing.decide(entry).map_err(keep_all)?;
    }
    Ok(())
}

/// Refuses (exit 4) a whole run if one of its commands cannot be undone: what was changed with it is needed as long as
/// its effect remains.
pub(super) fn commands(undoing: &Undoing<'_>, entries: &[Entry], later: &[(String, u64, String)]) -> Result<()> {
    if !undoing.root.is_live() {
        return Ok(());
    }
    for entry in entries.iter().filter(|entry| blocker(undoing, entry, later).is_none()) {
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
