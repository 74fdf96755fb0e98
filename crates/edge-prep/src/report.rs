//! What `status` and `verify` say, for people and as records.

use edge_host::Host;
use serde_json::json;

/// A line of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about: `swap /dev/sda2`, `module overlay`.
    pub object: String,
    /// How it is, in a word or two.
    pub state: String,
    /// The file and line it comes from, where there is one.
    pub source: Option<String>,
    /// What follows from it.
    pub text: String,
}

/// Something that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is not so.
    pub what: String,
    /// Which layer made it so: a file and line, the device tree, the kernel.
    pub layer: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

pub(crate) fn show_line(host: &mut Host, line: &Line) {
    let source = line.source.as_ref().map(|source| format!("  ({source})")).unwrap_or_default();
    let text = if line.text.is_empty() { String::new() } else { format!(": {}", line.text) };
    host.report.line(&format!("{}: {}{text}{source}", line.object, line.state));
    host.report.record(
        "status",
        json!({"object": line.object, "state": line.state, "source": line.source, "text": line.text}),
    );
}

pub(crate) fn show_fault(host: &mut Host, fault: &Fault) {
    let layer = fault.layer.as_ref().map(|layer| format!("  ({layer})")).unwrap_or_default();
    host.report.line(&format!("fault: {}{layer}", fault.what));
    if let Some(hint) = &fault.hint {
        host.report.line(&format!("    hint: {hint}"));
    }
    host.report.record("fault", json!({"text": fault.what, "layer": fault.layer, "hint": fault.hint}));
}
