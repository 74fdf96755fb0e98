//! The rules as they were read, beside the journal: for whoever misses one of them.

use std::path::{Path, PathBuf};

use edge_firewall::{Backend, Seen};
use edge_host::action::Bytes;
use edge_host::{FileSnapshot, Host, Inverse, Node, Plan, Result};

use crate::item::Item;

/// Their directory.
const DIR: &str = "/var/lib/edgeutils/edge-reset";
const SUFFIX: &str = "save";
/// Rules name addresses and ports.
const MODE: u32 = 0o600;

/// The output of one iptables-save.
pub(super) struct Save {
    pub(super) backend: Backend,
    path: PathBuf,
    was: FileSnapshot,
    text: String,
}

/// All that there are.
pub(crate) fn all(host: &Host) -> Result<Vec<PathBuf>> {
    let names = host.root.list(Path::new(DIR))?;
    let all = names.into_iter().map(|name| Path::new(DIR).join(name));
    Ok(all.filter(|path| path.extension().is_some_and(|suffix| suffix == SUFFIX)).collect())
}

/// Where each is written: a name that is free.
pub(super) fn of(host: &Host, all: Vec<Seen>) -> Result<Vec<Save>> {
    let names = host.root.list(Path::new(DIR))?;
    let mut saves = Vec::new();
    for seen in all {
        let stem = seen.restore.strip_suffix("-restore").unwrap_or(&seen.restore).to_owned();
        let file = |number: usize| format!("{stem}.{number}.{SUFFIX}");
        let mut number = 1;
        while names.iter().any(|name| *name == *file(number)) {
            number += 1;
        }
        let path = Path::new(DIR).join(file(number));
        let was = host.root.find_link(&path)?;
        saves.push(Save { backend: seen.backend, path, was, text: seen.text });
    }
    Ok(saves)
}

/// Writes those from which something is removed.
pub(super) fn plan(saves: Vec<Save>, items: &[(usize, &Item)], plan: &mut Plan) {
    for (index, save) in saves.into_iter().enumerate() {
        let Some((_, item)) = items.iter().find(|(of, _)| *of == index) else { continue };
        let node = Node::File { content: Bytes::Known(save.text.into_bytes()), mode: MODE };
        item.tag(plan.write(save.path, save.was, node, Inverse::Whole, "the rules as they were read"));
    }
}
