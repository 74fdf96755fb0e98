//! `edge-cni remove`: removes the plugins and networks that edge-cni installed, unless they were changed since.

use std::path::Path;

use edge_host::{Host, Outcome, Plan, Result, State, apply};

use crate::conflist::{self, CONF_DIR};
use crate::record::{self, Record};

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    host.prepare_change()?;
    let record = record::read(host)?;
    let mut plan = Plan::new();
    // Networks before the plugins that they name, and the record last: after an interruption it still lists the rest.
    for path in record.conflists.keys() {
        let before = host.root.find(Path::new(path))?;
        match &before.state {
            State::File { sha256: now, .. } if record.is_installed(path, now) => {
                plan.remove(path, before, "written by edge-cni");
            }
            State::Absent => {}
            _ => plan.note(format!("{path} is kept: it was changed since edge-cni wrote it")),
        }
    }
    let mut removed: Vec<&str> = Vec::new();
    let bundle = edge_conflist::record::of_bundle(host)?;
    let mut replaced = 0;
    for (path, plugin) in &record.plugins {
        let before = host.root.find_large(Path::new(path))?;
        match &before.state {
            // The same file, so it belongs to edge-crio again.
            State::File { sha256: now, .. } if bundle.get(path) == Some(now) => {
                plan.note(format!("{path} is kept: it is the file of the bundle of CRI-O"));
            }
            State::File { sha256: now, .. } if record.is_installed(path, now) => {
                removed.push(path);
                replaced += usize::from(bundle.contains_key(path));
                let version = plugin.version.as_ref().map(|version| version.to_string()).unwrap_or_default();
                plan.remove_large(path, before, version);
            }
            State::Absent => {}
            _ => plan.note(format!("{path} is kept: it was replaced since edge-cni installed it")),
        }
    }
    if replaced > 0 {
        plan.note(format!(
            "{replaced} of them replaced plugins of the bundle of CRI-O: to restore those, run the edge-crio install \
             command again"
        ));
    }
    for file in conflist::files(host, Path::new(CONF_DIR))? {
        let shown = file.path.display().to_string();
        let Ok(network) = &file.content else { continue };
        if record.conflists.contains_key(&shown) {
            continue;
        }
        let programs: Vec<String> = network.programs().into_iter().map(|(name, _)| name).collect();
        let lost = programs.iter().filter(|name| removed.iter().any(|path| Path::new(path).ends_with(name)));
        let lost: Vec<&str> = lost.map(String::as_str).collect();
        if !lost.is_empty() {
            plan.note(format!("{shown} needs {}, which is removed", lost.join(", ")));
        }
    }
    record::plan(host, &Record::default(), &mut plan)?;
    apply(host, plan)
}
