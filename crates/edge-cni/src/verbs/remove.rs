//! `edge-cni remove`: what is ours and as we left it.

use std::path::Path;

use edge_host::{Host, Outcome, Plan, Result, State, apply};

use crate::conflist::{self, CONF_DIR};
use crate::installed::{self, Installed};

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    host.prepare_change()?;
    let record = installed::read(host)?;
    let mut plan = Plan::new();
    // A network that names plugins goes before them, and what says that they are ours goes last.
    for path in record.conflists.keys() {
        let was = host.root.find(Path::new(path))?;
        match &was.state {
            State::File { sha256: now, .. } if record.is_ours(path, now) => {
                plan.remove(path, was, "a network of ours");
            }
            State::Absent => {}
            _ => plan.note(format!("{path} stays: it was changed since")),
        }
    }
    let mut gone: Vec<&str> = Vec::new();
    for (path, plugin) in &record.plugins {
        let was = host.root.find_large(Path::new(path))?;
        match &was.state {
            State::File { sha256: now, .. } if record.is_ours(path, now) => {
                gone.push(path);
                let version = plugin.version.as_ref().map(|version| version.to_string()).unwrap_or_default();
                plan.remove_large(path, was, version);
            }
            State::Absent => {}
            _ => plan.note(format!("{path} stays: it is another one since")),
        }
    }
    for file in conflist::files(host, Path::new(CONF_DIR))? {
        let shown = file.path.display().to_string();
        let Ok(network) = &file.content else { continue };
        if record.conflists.contains_key(&shown) {
            continue;
        }
        let named: Vec<String> = network.programs().into_iter().map(|(name, _)| name).collect();
        let lost = named.iter().filter(|name| gone.iter().any(|path| Path::new(path).ends_with(name)));
        let lost: Vec<&str> = lost.map(String::as_str).collect();
        if !lost.is_empty() {
            plan.note(format!("{shown} needs {}, which goes", lost.join(", ")));
        }
    }
    installed::plan(host, &Installed::default(), &mut plan)?;
    apply(host, plan)
}
