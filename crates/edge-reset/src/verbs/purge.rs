//! `edge-reset purge`: deletes what apply has moved to the trash.

use std::path::Path;

use edge_host::{Error, Host, Mode, Outcome, Result, Trashed, purge, trashed};
use edge_kubeedge::paths;

use crate::cli::PurgeArgs;
use crate::phases;

/// The key that signs the certificates of all edge nodes.
const ROOT_CA_KEY: &str = "rootCA.key";

pub(crate) fn run(host: &mut Host, args: &PurgeArgs) -> Result<Outcome> {
    let is_confirmed = args.yes || host.mode == Mode::DryRun;
    if !is_confirmed {
        host.mode = Mode::DryRun;
    }
    host.prepare_change()?;
    let all = trashed(host, args.id)?;
    for one in &all {
        warn_of_key(host, one)?;
    }
    // They are of no run in particular: a run writes those that it changes.
    let saves = if args.id.is_none() { phases::saves(host)? } else { Vec::new() };
    let outcome = purge(host, &all, &saves)?;
    if is_confirmed || all.len() + saves.len() == 0 {
        return Ok(outcome);
    }
    let error = Error::refused("cannot purge without --yes: it cannot be undone").hint("to delete these, add --yes");
    host.report.error(&error);
    Ok(Outcome { exit: error.exit(), changed: false, ..outcome })
}

/// Without this key no new edge node can join, and no certificate can be renewed.
fn warn_of_key(host: &mut Host, one: &Trashed) -> Result<()> {
    let Ok(rest) = Path::new(paths::CA_DIR).strip_prefix(&one.path) else { return Ok(()) };
    let key = one.place.join(rest).join(ROOT_CA_KEY);
    if host.root.inode(&key)?.is_some() {
        let key = key.display();
        host.report.warning(&format!("{key} signs the certificates of all edge nodes; without a copy it is lost"));
    }
    Ok(())
}
