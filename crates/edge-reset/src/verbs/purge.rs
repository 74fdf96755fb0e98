//! `edge-reset purge`: deletes what apply has moved to the trash.

use std::path::Path;

use edge_host::{Error, Host, Mode, Mounts, Outcome, Result, Trashed, purge, trashed, written};
use edge_kubeedge::paths;

use crate::cli::PurgeArgs;
use crate::ownership::Ownership;
use crate::phases;

/// In the root of a kubelet.
const PODS: &str = "pods";
/// The key that signs the certificates of all edge nodes.
const ROOT_CA_KEY: &str = "rootCA.key";

pub(crate) fn run(host: &mut Host, args: &PurgeArgs) -> Result<Outcome> {
    let is_confirmed = args.yes || host.mode == Mode::DryRun;
    if !is_confirmed {
        host.mode = Mode::DryRun;
    }
    host.prepare_change()?;
    let all = trashed(host, args.id)?;
    let (ownership, mounts) = (Ownership::read(&host.root)?, Mounts::read()?);
    for one in &all {
        warn_of_key(host, one)?;
        // The whole root of a kubelet, or the pods of one that stays because it is a mount point.
        let is_pods = one.place.file_name().is_some_and(|name| name == PODS);
        let root = if is_pods { one.place.parent().unwrap_or(&one.place) } else { &one.place };
        let data = phases::not_mounted(host, &ownership, &mounts, root)?;
        if !data.is_empty() {
            host.report.warning(&format!("this deletes data of volumes: {}", data.join("; ")));
        }
    }
    let mut saves = phases::saves(host)?;
    if let Some(id) = args.id {
        let own = written(host, id)?;
        saves.retain(|save| own.contains(save));
    }
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
