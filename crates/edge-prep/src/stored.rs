//! What the last apply wanted, so that `verify` needs no options after a reboot.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Host, Inverse, Node, Plan, Result, ResultExt};

use crate::wanted::Wanted;

const FILE: &str = "/var/lib/edgeutils/edge-prep.json";

/// What was stored; none where nothing was applied yet.
pub(crate) fn read(host: &Host) -> Result<Option<Wanted>> {
    let Some(bytes) = host.root.read_own(Path::new(FILE))? else { return Ok(None) };
    let shown = host.root.display(Path::new(FILE));
    let wanted = serde_json::from_slice(&bytes).map_err(|cause| {
        Error::failed(format!("cannot read {}: {cause}", shown.display())).hint("run edge-prep apply again")
    })?;
    Ok(Some(wanted))
}

/// Adds the write of what is wanted now, where it differs from what is stored.
pub(crate) fn plan(host: &Host, wanted: &Wanted, plan: &mut Plan) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(wanted).on("write", FILE)?;
    text.push(b'\n');
    let was = host.root.find(Path::new(FILE))?;
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(FILE, was, node, Inverse::Whole, "for verify after a reboot");
    }
    Ok(())
}
