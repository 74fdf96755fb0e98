//! Programs that renew what the running system forgets at each boot, without journal and lock.

use super::command;
use crate::action::Action;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::report::{Shown, Status};

/// How the actions are shown: there is no run to undo.
pub(super) fn shown(action: &Action) -> Shown {
    Shown { undo: Some("none".to_owned()), ..Shown::of(action) }
}

/// Runs the programs of a plan, in order.
pub(super) fn all(host: &mut Host, actions: Vec<Action>) -> Result<()> {
    let find = |action: Action| Ok((shown(&action), command::find(host, &action)?));
    for (shown, command) in actions.into_iter().map(find).collect::<Result<Vec<_>>>()? {
        host.interrupt.check()?;
        let command = command.ok_or_else(|| {
            Error::failed(format!("cannot {} {}: only programs run without a journal", shown.verb, shown.object))
        })?;
        if let Err(error) = command.run() {
            host.report.action(&shown, Status::Failed);
            return Err(error);
        }
        host.progress.changed = true;
        host.report.action(&shown, Status::Done);
    }
    Ok(())
}
