//! The record of what edge-cni put on this host, as it is written.

use std::path::Path;

use edge_conflist::record::FILE;
pub(crate) use edge_conflist::record::{Installed, Plugin, read};
use edge_host::action::Bytes;
use edge_host::{Host, Inverse, Node, Plan, Result, ResultExt};

/// Adds the write of the record, where it differs; an empty one is removed.
pub(crate) fn plan(host: &Host, installed: &Installed, plan: &mut Plan) -> Result<()> {
    let was = host.root.find(Path::new(FILE))?;
    if *installed == Installed::default() {
        if was.exists() {
            plan.remove(FILE, was, "nothing of ours is left");
        }
        return Ok(());
    }
    let mut text = serde_json::to_vec_pretty(installed).on("write", FILE)?;
    text.push(b'\n');
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(FILE, was, node, Inverse::Whole, "what is ours, for remove");
    }
    Ok(())
}
