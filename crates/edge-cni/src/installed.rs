//! What edge-cni put on this host: for `remove`, and for what an image's plugins read.

use std::collections::BTreeMap;
use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Host, Inverse, Node, Plan, Result};
use serde::{Deserialize, Serialize};

use crate::version::Release;

const FILE: &str = "/var/lib/edgeutils/edge-cni.json";

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installed {
    /// By path.
    #[serde(default)]
    pub(crate) plugins: BTreeMap<String, Plugin>,
    /// Network configurations by path: the checksum of each.
    #[serde(default)]
    pub(crate) conflists: BTreeMap<String, String>,
}

/// A plugin that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plugin {
    pub(crate) sha256: String,
    /// None of an archive that is not known.
    pub(crate) version: Option<Release>,
}

/// Reads the record; an empty one where nothing was installed.
pub(crate) fn read(host: &Host) -> Result<Installed> {
    let Some(bytes) = host.root.read(Path::new(FILE))? else { return Ok(Installed::default()) };
    let shown = host.root.display(Path::new(FILE));
    serde_json::from_slice(&bytes).map_err(|cause| {
        Error::failed(format!("cannot read {}: {cause}", shown.display()))
            .hint("move it away; plugins stay, and edge-cni install writes it again")
    })
}

/// Adds the write of the record, where it differs; an empty one is removed.
pub(crate) fn plan(host: &Host, installed: &Installed, plan: &mut Plan) -> Result<()> {
    let was = host.root.find(Path::new(FILE))?;
    if *installed == Installed::default() {
        if was.exists() {
            plan.remove(FILE, was, "nothing of ours is left");
        }
        return Ok(());
    }
    let mut text =
        serde_json::to_vec_pretty(installed).map_err(|cause| Error::failed(format!("cannot write {FILE}: {cause}")))?;
    text.push(b'\n');
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(FILE, was, node, Inverse::Whole, "what is ours, for remove");
    }
    Ok(())
}
