//! Processes that pods have left: those in the control groups of pods, and those that their executable and arguments
//! prove to be a monitor of a container, or KubeEdge itself without a unit.

mod programs;

use std::time::{Duration, Instant};

use edge_host::action::{Effect, EffectVerb};
use edge_host::{Cgroup, Host, Plan, ProcessId, Result};

use super::PhaseFacts;
use crate::context::Context;
use crate::groups::{Group, counted};
use crate::item::Item;
use crate::phase::Phase;

/// After SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// For all processes of a group, which get SIGKILL at once.
const GROUP_WITHIN: Duration = Duration::from_secs(30);

struct Processes {
    items: Vec<Item>,
    ends: Vec<End>,
}

enum End {
    Never,
    Group(Vec<Cgroup>),
    Process(ProcessId),
    /// With its containers.
    Monitor(ProcessId),
}

pub(super) fn check(context: &Context) -> Result<()> {
    programs::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let mut found = Processes { items: Vec::new(), ends: Vec::new() };
    for group in Group::all(host, context)?.into_iter().filter(|group| group.ends_processes) {
        let number = group.processes()?.len();
        if number == 0 {
            continue;
        }
        let path = group.path.display().to_string();
        let item = Item {
            object: format!("{} in the control group {path}", counted(number)),
            proofs: vec![format!("control group {path}")],
            ..Item::new(Phase::Processes, "processes", &path, &[&group.identity()?])
        };
        let item = depending(context.decide(item, &group.entry), context);
        found.items.push(item);
        found.ends.push(End::Group(group.parts));
    }
    programs::read(host, context, &mut found)?;
    Ok(Some(Box::new(found)))
}

/// Most of them end with their pods.
fn depending(item: Item, context: &Context) -> Item {
    Item { depends_on: context.request.phases.contains(&Phase::Pods).then_some(Phase::Pods), ..item }
}

impl PhaseFacts for Processes {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        for (item, end) in self.items.iter().zip(self.ends) {
            if !chosen.iter().any(|chosen| chosen.id == item.id) {
                continue;
            }
            let perform: Box<dyn FnOnce() -> Result<()>> = match end {
                End::Never => continue,
                End::Group(parts) => Box::new(move || end_groups(&parts)),
                End::Process(id) => Box::new(move || id.end(GRACE)),
                End::Monitor(id) => Box::new(move || id.end_with_children(GRACE)),
            };
            item.tag(plan.effect(Effect { verb: EffectVerb::End, object: item.object.clone(), perform }, item.why()));
        }
        Ok(())
    }
}

fn end_groups(parts: &[Cgroup]) -> Result<()> {
    // As those of a container that is paused.
    parts.iter().try_for_each(Cgroup::thaw)?;
    let until = Instant::now() + GROUP_WITHIN;
    parts.iter().try_for_each(|part| part.end(until.saturating_duration_since(Instant::now())))
}
