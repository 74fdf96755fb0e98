//! Units of what is removed: stopped, and disabled if they are not of a package.
//!
//! Their files, which the roots and the options of programs are read from, are removed at the end of the phase files. A
//! run that is killed before that reads them again.

pub(crate) mod environment;
pub(crate) mod owned;
pub(crate) mod package;
pub(crate) mod renamed;
mod resolver;

use std::collections::HashMap;
use std::path::Path;

use edge_host::{Cmd, Host, Plan, Result, quoted};
use edge_systemd::systemctl::{self, Properties};
use edge_systemd::{Link, Scope, UnitFile, Units, is_running};

use self::environment::Variables;
use self::owned::{OwnedUnit, Standing};
use self::renamed::Renamed;
use super::PhaseFacts;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// What systemd reports about a unit that is not stopped.
const ACTIVE: [&str; 4] = ["active", "activating", "reloading", "deactivating"];
const KIND: &str = "unit";

struct Facts {
    items: Vec<Item>,
    todo: HashMap<String, Todo>,
}

/// What is done with a unit, or with systemd's environment.
enum Todo {
    Unit { name: String, stop: Option<Stop>, links: Vec<Link> },
    Environment(Variables),
    Resolver(Box<resolver::Edit>),
}

/// How an undo treats a unit that is stopped.
enum Stop {
    /// It starts it.
    Undone,
    /// Nothing can start it: it has no file.
    Final,
}

pub(super) fn check(context: &Context) -> Result<()> {
    owned::check(context)?;
    environment::check(context)?;
    resolver::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let units = Units::read(&host.root, Scope::Now)?;
    let all = owned::read(host, context, &units)?;
    let is_live = is_running(&host.root)?;
    let states = if is_live { states(&all)? } else { HashMap::new() };
    let mut facts = Facts { items: Vec::new(), todo: HashMap::new() };
    for unit in all {
        facts.add(host, context, unit, &states);
    }
    for (file, program, version) in Renamed::unclear(host, &units, context)? {
        facts.items.push(unclear(&file, &program, &version));
    }
    if let Some((item, variables)) = environment::read(is_live, context)? {
        facts.todo.insert(item.id.clone(), Todo::Environment(variables));
        facts.items.push(item);
    }
    if let Some((item, edit)) = resolver::read(host, context)? {
        facts.todo.extend(edit.map(|edit| (item.id.clone(), Todo::Resolver(Box::new(edit)))));
        facts.items.push(item);
    }
    Ok(Some(Box::new(facts)))
}

/// The properties of units, by name; systemd is asked once.
fn states(all: &[OwnedUnit]) -> Result<HashMap<String, Properties>> {
    let names = all.iter().map(|unit| unit.name.as_str());
    let shown = Cmd::find("systemctl")?.args(["show", "-p", "Id,ActiveState,MainPID", "--"]).args(names).run()?;
    let blocks = shown.stdout.split("\n\n").map(Properties::parse);
    Ok(blocks.map(|block| (block.get("Id").to_owned(), block)).collect())
}

impl Facts {
    fn add(&mut self, host: &Host, context: &Context, unit: OwnedUnit, states: &HashMap<String, Properties>) {
        let state = states.get(&unit.name);
        let is_active = state.is_some_and(|state| ACTIVE.contains(&state.get("ActiveState")));
        // Without a file, its process shows what it is.
        let runs_ours = || state.is_some_and(|state| unit.row.own.runs(&owned::command(host, state.get("MainPID"))));
        let stop = match &unit.standing {
            Standing::Absent => (is_active && runs_ours()).then_some(Stop::Final),
            Standing::Owned | Standing::Packaged => is_active.then_some(Stop::Undone),
            Standing::Unproven(_) => None,
        };
        let links = match &unit.standing {
            Standing::Owned | Standing::Absent => unit.links.clone(),
            Standing::Packaged if unit.row.own.also.is_some() => unit.links.clone(),
            Standing::Packaged | Standing::Unproven(_) => Vec::new(),
        };
        let decided = context.decide(item(&unit), &unit.row.entry);
        let mut item = Item { proofs: unit.proofs.clone(), ..decided };
        let is_named = unit.row.own.also.is_none_or(|also| context.request.has_also(also));
        let has_work = stop.is_some() || !links.is_empty();
        match &unit.standing {
            Standing::Unproven(why) => return self.items.push(item.kept(why.clone())),
            Standing::Absent if !has_work => return,
            _ if !is_named => return,
            _ if item.fate != Fate::Remove => return self.items.push(item),
            // Its file is an item of the phase files.
            _ if !has_work => return,
            Standing::Packaged if unit.row.own.also.is_some() => {
                "its package stays".clone_into(&mut item.text);
            }
            Standing::Packaged => "a package's: it is only stopped, and stays enabled".clone_into(&mut item.text),
            Standing::Owned | Standing::Absent => {}
        }
        self.todo.insert(item.id.clone(), Todo::Unit { name: unit.name, stop, links });
        self.items.push(item);
    }
}

/// A unit that is left to the user.
fn unclear(file: &UnitFile, program: &Path, version: &str) -> Item {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let item = Item::new(Phase::Units, KIND, &name, &[name.as_bytes()]);
    let why = format!("its program {} is KubeEdge {version} under another name", program.display());
    let hint = Some(format!("systemctl disable --now {}", quoted(&name)));
    Item { is_leftover: true, hint, ..item.kept(why) }
}

fn item(unit: &OwnedUnit) -> Item {
    let identity = unit.identity();
    Item::new(Phase::Units, KIND, &unit.name, &[identity.as_bytes()])
}

impl PhaseFacts for Facts {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(mut self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        for item in chosen {
            match self.todo.remove(&item.id) {
                Some(Todo::Unit { name, stop, links }) => {
                    let run = stop.map(|stop| match stop {
                        Stop::Undone => systemctl::stop(&name),
                        Stop::Final => edge_host::action::Run { inverse: None, ..systemctl::stop(&name) },
                    });
                    if let Some(run) = run {
                        item.tag(plan.run(run, item.why()));
                    }
                    for link in links {
                        item.tag(plan.remove(link.path, link.itself, format!("it enables {name}")));
                    }
                }
                Some(Todo::Environment(variables)) => item.tag(plan.run(variables.unset(), item.why())),
                Some(Todo::Resolver(edit)) => edit.plan(item, plan),
                None => {}
            }
        }
        Ok(())
    }
}
