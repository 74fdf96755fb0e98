//! The programs of a plan, found before anything has changed, and what is known of them.

use crate::action::{Action, ActionKind, Run, Script};
use crate::cmd::{Cmd, is_package_tool};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::Change;
use crate::lock::Lock;

/// The program of an action; `None` where it runs none.
pub(super) fn find(host: &Host, action: &Action) -> Result<Option<Cmd>> {
    match &action.kind {
        ActionKind::Run(run) => command(host, run).map(Some),
        ActionKind::Transaction(transaction) => fed(host, &transaction.script).map(Some),
        _ => Ok(None),
    }
}

fn must_be_live(host: &Host, argv: &[String]) -> Result<()> {
    if host.root.is_live() {
        return Ok(());
    }
    Err(Error::failed(format!("cannot run {}: programs are not run under --root", argv.join(" "))))
}

fn fed(host: &Host, script: &Script) -> Result<Cmd> {
    must_be_live(host, &script.argv)?;
    // A short program whose change the next call must not meet half way.
    Ok(Cmd::of_script(script)?.holding(host.lock.as_ref().and_then(Lock::share)))
}

fn command(host: &Host, run: &Run) -> Result<Cmd> {
    must_be_live(host, &run.argv)?;
    // Both ways back are looked for as well: an undo must not find out that they are missing.
    for argv in [&run.probe, &run.inverse].into_iter().flatten() {
        Cmd::of_argv(argv)?;
    }
    Ok(Cmd::of_argv(&run.argv)?.deadline(run.deadline))
}

/// Of one that failed some packages may be unpacked, and not configured: its inverse takes back what there
/// is, and does no harm where there is nothing.
pub(super) fn changes_packages(change: &Change) -> bool {
    let Change::Run(Run { argv, inverse: Some(_), .. }) = change else { return false };
    argv.first().is_some_and(|program| is_package_tool(program))
}

/// Whether a command has done its work: its own probe says so.
pub(super) fn has_done_its_work(change: &Change) -> bool {
    let Change::Run(Run { probe: Some(probe), .. }) = change else { return false };
    Cmd::of_argv(probe).and_then(|probe| probe.output()).is_ok_and(|output| output.status.success())
}
