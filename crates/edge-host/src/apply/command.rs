//! The programs of a plan: they are looked up before the first change.

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
    // It is short, and the next call must not start while it is changing something.
    Ok(Cmd::of_script(script)?.holding(host.lock.as_ref().and_then(Lock::share)))
}

fn command(host: &Host, run: &Run) -> Result<Cmd> {
    must_be_live(host, &run.argv)?;
    // The programs of probe and inverse too: an undo must not fail because they are missing.
    for argv in [&run.probe, &run.inverse].into_iter().flatten() {
        Cmd::of_argv(argv)?;
    }
    Ok(Cmd::of_argv(&run.argv)?.deadline(run.deadline))
}

/// Whether a command changes packages. If it failed, some packages may be unpacked and not configured; its inverse
/// removes those, and is harmless if there are none.
pub(super) fn changes_packages(change: &Change) -> bool {
    let Change::Run(Run { argv, inverse: Some(_), .. }) = change else { return false };
    argv.first().is_some_and(|program| is_package_tool(program))
}

/// Whether the probe of a command shows that it has done its work.
pub(super) fn has_done_its_work(change: &Change) -> bool {
    let Change::Run(Run { probe: Some(probe), .. }) = change else { return false };
    Cmd::of_argv(probe).and_then(|probe| probe.output()).is_ok_and(|output| output.status.success())
}
