//! The files of units, and their drop-ins.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Result, is_trash};
use edge_systemd::{is_running, systemctl};

use super::UnitState;
use super::finder::{Finder, Order, Removal};
use crate::item::{Fate, Item};
use crate::ownership::Tier;
use crate::phase::Phase;
use crate::phases::units::owned::{OwnedUnit, Standing};

const KIND: &str = "unit";
/// How a drop-in of edge-conf begins, and what reverts it.
const OF_EDGE_CONF: &[u8] = b"# Written by edge-conf ";
const EDGE_CONF_UNDO: &str = "edge-conf undo";

/// Adds them; returns the state of each unit, by item, and units that are only left as failed.
pub(super) fn read(finder: &mut Finder<'_>) -> Result<(HashMap<String, UnitState>, Vec<Item>)> {
    let is_live = is_running(&finder.host.root)?;
    let (mut states, mut lost) = (HashMap::new(), Vec::new());
    for unit in finder.units.clone().iter() {
        if unit.row.entry.tier != Tier::Removed || !matches!(unit.standing, Standing::Owned | Standing::Absent) {
            continue;
        }
        let mut paths = dropins(finder, unit)?;
        if let Some(file) = &unit.file {
            paths.insert(0, file.path.clone());
        }
        let has_failed = is_live && systemctl::show(&unit.name, "ActiveState")?.get("ActiveState") == "failed";
        let state = UnitState { name: unit.name.clone(), has_failed };
        let Some(path) = paths.first().cloned() else {
            // It failed after its file was removed, or the run that removed it was killed.
            if has_failed {
                let item = Item::new(Phase::Files, KIND, &unit.name, &[unit.name.as_bytes()]);
                let item = Item { object: format!("failed unit {}", unit.name), ..item };
                states.insert(item.id.clone(), state);
                lost.push(finder.context.decide(item, &unit.row.entry));
            }
            continue;
        };
        let Some(inode) = finder.inode(&path)? else { continue };
        let mut item = finder.item(&path, KIND, inode, &unit.row.entry);
        item.proofs.extend(unit.proofs.clone());
        if is_live {
            states.insert(item.id.clone(), state);
        }
        finder.add(Removal { item, path, paths, order: Order::Unit, source: None });
    }
    Ok((states, lost))
}

/// The drop-ins that go: their directory, or those in it that are not edge-conf's.
fn dropins(finder: &mut Finder<'_>, unit: &OwnedUnit) -> Result<Vec<PathBuf>> {
    let dir = unit.dropins();
    let root = &finder.host.root;
    if root.entry_kind(&dir)? != Some(EntryKind::Directory) {
        return Ok(Vec::new());
    }
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    let has_trash = root.list(&dir)?.iter().any(|name| is_trash(name));
    for name in root.list(&dir)?.iter().filter(|name| !is_trash(name)) {
        let path = dir.join(name);
        let is_ours = root.find_link(&path)?.bytes.starts_with(OF_EDGE_CONF);
        if is_ours { ours.push(path) } else { others.push(path) }
    }
    if ours.is_empty() && !has_trash {
        return Ok(vec![dir]);
    }
    for path in ours {
        keep(finder, &path, unit)?;
    }
    Ok(others)
}

fn keep(finder: &mut Finder<'_>, path: &Path, unit: &OwnedUnit) -> Result<()> {
    let Some(inode) = finder.inode(path)? else { return Ok(()) };
    let mut item = finder.item(path, KIND, inode, &unit.row.entry);
    if item.fate == Fate::Remove {
        let hint = Some(EDGE_CONF_UNDO.to_owned());
        item = Item { is_leftover: true, hint, ..item.kept("made by edge-conf") };
    }
    finder.add(Removal { item, path: path.to_path_buf(), paths: Vec::new(), order: Order::Unit, source: None });
    Ok(())
}
