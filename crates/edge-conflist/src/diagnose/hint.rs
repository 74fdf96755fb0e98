//! Completes the commands in hints, so that they have an effect on this host: the runtime's directories, the name of
//! its only network, and what becomes of the file that a new network replaces.

use std::path::Path;

use edge_host::quoted;

use super::{Facts, Problem};
use crate::conflist::{CONF_DIR, File};
use crate::plugin::BIN_DIR;

/// The command that writes a network.
pub(super) const CONF: &str = "edge-cni conf bridge --subnet CIDR";
/// The command that installs plugins.
const INSTALL: &str = "edge-cni install --archive FILE";
/// What to do about a value that a plugin refuses.
pub(super) const CORRECT: &str = "correct it, or write the network again: edge-cni conf bridge --subnet CIDR";
/// The hint for a leftover says itself what to do with the file.
pub(super) const LEFTOVER: &str = "deploy the network of the cluster again, or remove this leftover and write another \
                                   network: edge-cni conf bridge --subnet CIDR";
/// The network's name where none is given.
const NAME: &str = "edgeutils";

/// Adds the options that the commands need for the directories and the network of the runtime.
pub(super) fn complete(facts: &Facts, problem: Problem) -> Problem {
    let Problem { mut finding, effect } = problem;
    let places = &facts.places;
    let bin_dir = match places.bin_dirs.first() {
        Some(first) if !places.bin_dirs.iter().any(|dir| dir == Path::new(BIN_DIR)) => {
            format!(" --bin-dir {}", quoted(&first.to_string_lossy()))
        }
        _ => String::new(),
    };
    let name = places.default_network.as_ref().map_or(NAME, |default| default.value.as_str());
    let option = if name == NAME { String::new() } else { format!(" --name {}", quoted(name)) };
    let out = if places.conf_dir == Path::new(CONF_DIR) {
        String::new()
    } else {
        format!(" --out {}", facts.on_host(&places.conf_dir.join(format!("10-{name}.conflist"))))
    };
    finding.hint = finding.hint.map(|hint| {
        let hint = hint.replace(CONF, &format!("{CONF}{option}{out}{bin_dir}"));
        hint.replace(INSTALL, &format!("{INSTALL}{bin_dir}"))
    });
    Problem { finding, effect }
}

/// A new network has no effect while the file that it replaces comes first, and edge-cni keeps a file that is not its
/// own or was changed: that file must be moved away.
pub(super) fn replacing(facts: &Facts, file: &File, problem: Problem) -> Problem {
    let Problem { mut finding, effect } = problem;
    let is_own = file.path == Path::new(CONF_DIR).join(format!("10-{NAME}.conflist"));
    finding.hint = finding.hint.map(|hint| match hint.split_once(&format!(": {CONF}")) {
        Some((before, after)) if hint != LEFTOVER && (!is_own || hint == CORRECT) => {
            format!("{before} (after {}): {CONF}{after}", mv(facts, file))
        }
        _ => hint,
    });
    Problem { finding, effect }
}

/// The command that makes runtimes ignore a file.
pub(super) fn mv(facts: &Facts, file: &File) -> String {
    let path = facts.on_host(&file.path);
    format!("mv {path} {path}.disabled")
}
