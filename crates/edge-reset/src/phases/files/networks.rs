//! The files of CNI networks of pods: configurations, libcni's entries, leases. Those of Podman and nerdctl are in the
//! same directories and stay.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Result};
use serde::Deserialize;

use super::finder::{Finder, Order, Removal};
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::networks::bridges;
use crate::ownership::{Entry, Row};
use crate::phase::Phase;

const NETWORK: &str = "network";
const FILE: &str = "file";
/// Where libcni and the plugins keep everything else.
const STATE: &str = "/var/lib/cni";
/// host-local's lock in a directory of leases.
const LOCK: &str = "lock";
/// Deepest file in [`STATE`], and the most entries that are looked at.
const MAX_DEPTH: usize = 4;
const MAX_ENTRIES: usize = 100_000;

/// A `[[cni]]` of the data has no fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Common>("cni").map(drop)
}

pub(super) fn read(finder: &mut Finder<'_>) -> Result<()> {
    let rows: Vec<Row<Common>> = finder.context.ownership.rows("cni")?;
    let Some(entry) = rows.into_iter().next().map(|row| row.entry) else { return Ok(()) };
    let networks = &finder.context.networks;
    let bridges = staying_bridges(finder)?;
    let mut owned = Vec::new();
    for network in &networks.owned {
        let mut paths: Vec<PathBuf> = network.entries.iter().map(|entry| entry.path.clone()).collect();
        paths.extend(network.flannel_files.iter().cloned());
        paths.push(network.leases.clone());
        // Last, as they show which program owns the others.
        for conf in &network.confs {
            match &conf.keeper {
                None => paths.push(conf.path.clone()),
                Some(why) => keep(finder, &conf.path, &entry, why)?,
            }
        }
        paths = existing(finder, paths)?;
        if finder.context.pods_remain {
            let why = "a container runtime needs it to remove pods, and some remain or could not be listed";
            for path in &paths {
                keep(finder, path, &entry, why)?;
            }
            continue;
        }
        // Only these files prove that the bridge is one of pods: the next call needs them.
        if let Some(bridge) = network.bridges.intersection(&bridges).next() {
            for path in &paths {
                let advice = format!("once the bridge {bridge} can be deleted, run the command again");
                let Some(item) = kept(finder, path, &entry, &format!("its bridge {bridge} still exists"))? else {
                    continue;
                };
                finder.keep_until(path, item, advice);
            }
            continue;
        }
        owned.extend(paths.iter().cloned());
        let Some(first) = paths.first().cloned() else { continue };
        let Some(inode) = finder.inode(&first)? else { continue };
        let item = finder.item(&first, NETWORK, inode, &entry);
        let proofs = vec![format!("network {}", network.name)];
        finder.add(Removal { item: Item { proofs, ..item }, path: first, paths, order: Order::Last, source: None });
    }
    for network in &networks.foreign {
        let owner = network.owner.as_deref().unwrap_or("another program's");
        let paths = network.confs.iter().map(|conf| conf.path.clone()).chain([network.leases.clone()]);
        for path in paths.collect::<Vec<_>>() {
            keep(finder, &path, &entry, owner)?;
        }
    }
    for path in &networks.unknown {
        keep(finder, path, &entry, "it is not understood")?;
    }
    whole(finder, &entry, &owned)
}

/// The bridges that the phase links leaves; a dry run asks that phase which ones these are.
fn staying_bridges(finder: &Finder<'_>) -> Result<BTreeSet<String>> {
    let mut all = bridges(finder.host)?;
    if finder.is_before(Phase::Links) {
        for item in finder.items_of(Phase::Links).iter().filter(|item| item.fate == Fate::Remove) {
            all.retain(|bridge| item.id != format!("{}/{bridge}", Phase::Links));
        }
    }
    Ok(all)
}

fn existing(finder: &Finder<'_>, paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut there = Vec::new();
    for path in paths {
        if finder.inode(&path)?.is_some() {
            there.push(path);
        }
    }
    Ok(there)
}

fn kept(finder: &Finder<'_>, path: &Path, entry: &Entry, why: &str) -> Result<Option<Item>> {
    let Some(inode) = finder.inode(path)? else { return Ok(None) };
    Ok(Some(finder.item(path, FILE, inode, entry).kept(why)))
}

fn keep(finder: &mut Finder<'_>, path: &Path, entry: &Entry, why: &str) -> Result<()> {
    let Some(item) = kept(finder, path, entry, why)? else { return Ok(()) };
    finder.add(Removal { item, path: path.to_path_buf(), paths: Vec::new(), order: Order::First, source: None });
    Ok(())
}

/// If nothing else is in it, the directory goes too.
fn whole(finder: &mut Finder<'_>, entry: &Entry, owned: &[PathBuf]) -> Result<()> {
    let path = Path::new(STATE);
    let Some(inode) = finder.inode(path)? else { return Ok(()) };
    if finder.places.stays(path)?.is_some() || !has_only(finder, owned)? {
        return Ok(());
    }
    let item = finder.item(path, "directory", inode, entry);
    finder.add(Removal { item, path: path.into(), paths: vec![path.into()], order: Order::Last, source: None });
    Ok(())
}

fn has_only(finder: &Finder<'_>, owned: &[PathBuf]) -> Result<bool> {
    let root = &finder.host.root;
    let owned: HashSet<&PathBuf> = owned.iter().collect();
    let mut waiting = vec![(PathBuf::from(STATE), 0)];
    let mut seen = 0;
    while let Some((dir, depth)) = waiting.pop() {
        for name in root.list(&dir)? {
            let inner = dir.join(&name);
            seen += 1;
            if owned.contains(&inner) || name == LOCK {
                continue;
            }
            let is_dir = root.entry_kind(&inner)? == Some(EntryKind::Directory);
            if !is_dir || depth == MAX_DEPTH || seen > MAX_ENTRIES {
                return Ok(false);
            }
            waiting.push((inner, depth + 1));
        }
    }
    Ok(true)
}
