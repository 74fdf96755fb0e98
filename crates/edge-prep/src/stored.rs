//! What apply requested, so that `check` needs no options after a reboot.
//!
//! A role replaces what was requested before; single options are added to it, as they leave the rest of the host as
//! the earlier call made it.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Host, Inverse, Node, Plan, Result, ResultExt};

use crate::request::Request;

const FILE: &str = "/var/lib/edgeutils/edge-prep.json";

/// What was stored; none where nothing was applied yet.
pub(crate) fn read(host: &Host) -> Result<Option<Request>> {
    let Some(bytes) = host.root.read_own(Path::new(FILE))? else { return Ok(None) };
    let request: Result<Request> = serde_json::from_slice(&bytes)
        .expected("the request of the last edge-prep apply")
        .on("read", host.root.display(Path::new(FILE)));
    request.map(Some).map_err(|error| error.hint("store it again: edge-prep apply --for edgecore"))
}

/// Adds the write of this request, where it differs from the stored one.
pub(crate) fn plan(host: &Host, request: &Request, has_role: bool, plan: &mut Plan) -> Result<()> {
    // A stored request that cannot be read is replaced, as the hint of `read` says.
    let earlier = if has_role { None } else { read(host).ok().flatten() };
    let request = earlier.unwrap_or_default().then(request);
    let mut text = serde_json::to_vec_pretty(&request).on("write", FILE)?;
    text.push(b'\n');
    let was = host.root.find(Path::new(FILE))?;
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(FILE, was, node, Inverse::Whole, "for edge-prep check after a reboot");
    }
    Ok(())
}
