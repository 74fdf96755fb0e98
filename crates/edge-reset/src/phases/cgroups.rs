//! Control groups of pods: empty once their processes have ended. systemd stops its slices first, or it would keep them
//! as units that have no group.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use edge_host::action::{Effect, EffectVerb, Run};
use edge_host::{Cgroup, Error, Host, Mode, Plan, Result};
use edge_systemd::systemctl;

use super::PhaseFacts;
use crate::context::Context;
use crate::groups::{Group, counted};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// It exists while systemd is running.
const SYSTEMD: &str = "/run/systemd/system";
const STOP_WITHIN: Duration = Duration::from_secs(90);

struct Groups {
    items: Vec<Item>,
    groups: Vec<Group>,
    /// Units without a group that have failed, by item: a pod that was killed can leave its scope in that state.
    failed: HashMap<String, String>,
    has_systemd: bool,
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let has_systemd = host.root.find(Path::new(SYSTEMD))?.exists();
    // Their end is planned, but has not come yet.
    let are_ending = host.mode == Mode::DryRun && context.request.phases.contains(&Phase::Processes);
    let (mut items, mut groups) = (Vec::new(), Vec::new());
    for group in Group::all(host, context)? {
        let path = group.path.display().to_string();
        let number = group.processes()?.len();
        let item = Item {
            object: format!("control group {path}"),
            proofs: vec![format!("in {}", hierarchies(&group))],
            ..Item::new(Phase::Cgroups, "cgroup", &path, &[&group.identity()?])
        };
        let item = context.decide(item, &group.entry);
        items.push(match (item.fate, number, group.ends_processes) {
            (Fate::Remove, 1.., true) if are_ending => Item { depends_on: Some(Phase::Processes), ..item },
            (Fate::Remove, 1.., true) => item.refused(
                format!("it has {}", counted(number)),
                "end them first: edge-reset apply --yes --only pods,processes,cgroups",
            ),
            // A scope in system.slice whose processes nobody has proven.
            (Fate::Remove, 1.., false) => item.kept("it has processes"),
            _ => item,
        });
        groups.push(group);
    }
    let mut failed = HashMap::new();
    for (name, entry) in if has_systemd { Group::failed(context)? } else { Vec::new() } {
        if groups.iter().any(|group| group.name() == name) {
            continue;
        }
        let item = Item {
            object: format!("failed unit {name}"),
            proofs: vec!["its name".to_owned()],
            ..Item::new(Phase::Cgroups, "unit", &format!("failed/{name}"), &[name.as_bytes()])
        };
        failed.insert(item.id.clone(), name);
        items.push(context.decide(item, &entry));
    }
    Ok(Some(Box::new(Groups { items, groups, failed, has_systemd })))
}

/// `/sys/fs/cgroup` or `12 hierarchies`.
fn hierarchies(group: &Group) -> String {
    match group.parts.as_slice() {
        [one] => one.dir().display().to_string(),
        parts => format!("{} hierarchies", parts.len()),
    }
}

impl PhaseFacts for Groups {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        for (item, name) in chosen.iter().filter_map(|item| Some((item, self.failed.get(&item.id)?))) {
            item.tag(plan.run(systemctl::reset_failed(name), item.why()));
        }
        for (item, group) in self.items.iter().zip(self.groups) {
            if !chosen.iter().any(|chosen| chosen.id == item.id) {
                continue;
            }
            if self.has_systemd && group.is_slice() {
                let name = group.name();
                // Also the slices in it, which require it. An undo does not start them: the kubelet makes them.
                let stop = Run::new(systemctl::argv(&["stop"], &name), STOP_WITHIN);
                item.tag(plan.run(stop, item.why()));
            }
            let object = item.object.clone();
            let perform = Box::new(move || remove(&group.parts));
            item.tag(plan.effect(Effect { verb: EffectVerb::Delete, object, perform }, item.why()));
        }
        Ok(())
    }
}

/// From every hierarchy, also after one where it cannot be removed.
fn remove(parts: &[Cgroup]) -> Result<()> {
    let failed: Vec<Error> = parts.iter().filter_map(|part| part.remove().err()).collect();
    failed.into_iter().next().map_or(Ok(()), Err)
}
