//! Writes the record of the plugins and networks that edge-cni installed.

use std::path::Path;

use edge_conflist::record::FILE;
pub(crate) use edge_conflist::record::{Plugin, Record, read};
use edge_host::action::Bytes;
use edge_host::{Host, Inverse, Node, Plan, Result, ResultExt};

/// Plans the write of the record where it differs; an empty one is removed.
pub(crate) fn plan(host: &Host, record: &Record, plan: &mut Plan) -> Result<()> {
    let before = host.root.find(Path::new(FILE))?;
    if *record == Record::default() {
        if before.exists() {
            plan.remove(FILE, before, "nothing is installed now");
        }
        return Ok(());
    }
    let mut text = serde_json::to_vec_pretty(record).on("write", FILE)?;
    text.push(b'\n');
    if before.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(FILE, before, node, Inverse::Whole, "record for edge-cni remove");
    }
    Ok(())
}
