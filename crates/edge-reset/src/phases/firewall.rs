//! Rules, chains, sets and virtual services.
//!
//! Chains are removed for good: their programs make them again, and nobody else could. What was read is written beside the
//! journal before. Foreign rules keep their places and counters; only the counters of policies in x_tables do not survive
//! a change by any program.

mod contents;
mod data;
mod hidden;
mod ipvs;
mod localnet;
mod nft;
mod pods;
mod recognized;
pub(crate) mod saves;
mod sets;
mod shared;
mod table;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Owned, Owner, Removal, Seen, Table, View, remove, transaction};
use edge_host::action::{Effect, EffectVerb, Transaction};
use edge_host::{Action, Error, Host, Plan, Result, Root};

use super::PhaseFacts;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::phase::Phase;
use data::Data;
use pods::Pods;
use recognized::Recognizer;
use saves::{Save, Saves};

/// How long iptables-restore waits for other programs.
const LOCK_WAIT: Duration = Duration::from_secs(60);

pub(super) fn check(context: &Context) -> Result<()> {
    Data::read(context).map(drop)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let data = Data::read(context)?;
    let pods = Pods::of(&context.networks);
    let recognizer = Recognizer::read(host, &data, &pods)?;
    let mut facts = Facts::default();
    let firewall = Firewall::read_whole(&host.root)?;
    for error in firewall.unreadable() {
        facts.items.push(unreadable(error));
    }
    if firewall.seen.is_empty() && firewall.unusable.is_empty() {
        facts.items.extend(hidden::without_programs()?);
    }
    for (index, seen) in firewall.seen.iter().enumerate() {
        let save = match seen.parse() {
            Ok(save) => save,
            Err(error) => {
                facts.items.push(unreadable(&error));
                continue;
            }
        };
        let before = facts.items.len();
        for table in &save.tables {
            facts.add_table(index, seen, table, &data, &pods, &recognizer)?;
        }
        if seen.text.len() as u64 > saves::LARGEST {
            facts.items[before..].iter_mut().for_each(refuse_too_large);
        }
        facts.items.extend(hidden::items(seen, &save, &data)?);
    }
    facts.items.extend(hidden::without_nft(&firewall.seen));
    facts.items.extend(sets::without_program(&firewall.seen));
    let mut saves = Saves::read(host)?;
    for (index, seen) in firewall.seen.into_iter().enumerate() {
        let program = seen.restore.strip_suffix("-restore").unwrap_or(&seen.restore);
        let mut save = saves.of_rules(program, seen.text)?;
        let foreign = facts.foreign.iter().filter(|(of, ..)| *of == index);
        foreign.for_each(|(_, table, rules)| save.add_foreign(table, rules));
        facts.saves.push((seen.backend, save));
    }
    facts.add(nft::read(&data, &pods, &mut saves));
    let are_gone = Rc::new(Cell::new(true));
    let services = ipvs::read(host, &data, &are_gone, &mut saves);
    // Without the sets they could not be told from those of others.
    let are_left = services.as_ref().map_or(true, |part| part.iter().any(|(item, _)| item.is_leftover));
    facts.add(services);
    facts.add(sets::read(&data, are_left, &are_gone, &mut saves));
    let is_proxy = |item: &Item| item.creators.iter().any(|creator| creator.name() == localnet::PROXY);
    let has_proxy = facts.items.iter().any(|item| item.fate == Fate::Remove && is_proxy(item));
    let has_guard = facts.work.iter().any(|(_, work)| work.removes(localnet::GUARD));
    facts.add(localnet::read(host, has_proxy, has_guard));
    Ok(Some(Box::new(facts)))
}

/// A backend that the kernel has and that cannot be read may contain anything.
fn unreadable(error: &Error) -> Item {
    let item = Item::new(Phase::Firewall, "backend", error.object(), &[]);
    item.refused(error.message(), error.hint_text().unwrap_or("repair or remove the program, and run again"))
}

/// Without a copy nothing is removed for good.
fn refuse_too_large(item: &mut Item) {
    if item.fate == Fate::Remove {
        let why =
            format!("the rules of this backend are larger than {} MiB, which cannot be kept", saves::LARGEST >> 20);
        *item = item.clone().refused(why, "stop the program that makes them, flush its chains, and run again");
    }
}

/// What is done for an item.
enum Work {
    /// Remove what an owner has in a table.
    Table { save: usize, seen: Seen, removal: Box<Removal>, owner: Box<Owner> },
    /// Change rules, which can be undone.
    Rules { save: usize, transaction: Box<Transaction> },
    /// Anything else.
    Other(Job),
}

impl Work {
    fn removes(&self, chain: &str) -> bool {
        matches!(self, Work::Table { removal, .. } if removal.chains.iter().any(|own| own == chain))
    }
}

/// Items with what is done for those that are removed.
#[derive(Default)]
struct Facts {
    items: Vec<Item>,
    work: Vec<(String, Work)>,
    saves: Vec<(Backend, Save)>,
    foreign: Vec<Foreign>,
}

/// Rules of others in chains that are removed: the number of the save, table, and chain and rule.
type Foreign = (usize, String, Vec<(String, String)>);

/// Plans what is done for an item.
type Job = Box<dyn FnOnce(&mut Plan, &Item)>;
/// Items of a part, and what is done for them.
type Part = Vec<(Item, Option<Job>)>;

impl Facts {
    /// Adds a part. What cannot be read does not stop the others.
    fn add(&mut self, part: Result<Part>) {
        let part = part.unwrap_or_else(|error| vec![(unreadable(&error), None)]);
        for (item, work) in part {
            self.work.extend(work.map(|work| (item.id.clone(), Work::Other(work))));
            self.items.push(item);
        }
    }

    fn add_table(
        &mut self,
        save: usize,
        seen: &Seen,
        table: &Table<'_>,
        data: &Data,
        pods: &Pods<'_>,
        recognizer: &Recognizer<'_>,
    ) -> Result<()> {
        let all_shared = shared::shared(table, data, pods);
        let mut sorted = table::sort(table, data, &all_shared, pods, recognizer);
        let (place, shown) = (place(seen, table.name), shown(seen, table.name));
        if !sorted.guide.rules.is_empty() {
            let view = View { seen, save: edge_firewall::Save { tables: vec![table.clone()], rest: Vec::new() } };
            let made = transaction(&view, table.name, &sorted.guide, &Owned::default(), LOCK_WAIT)?;
            let guide = data.recognized.iter().find(|rule| rule.own == data::Proof::Guide);
            if let (Some(transaction), Some(guide)) = (made, guide) {
                let item = self.item(&format!("{place}/guide"), "rules", &guide.like);
                let count = sorted.guide.rules.len();
                let object = format!("{count} redirect{} in {shown}", if count == 1 { "" } else { "s" });
                let proofs = vec!["the rule of installation guides for kubectl logs".to_owned()];
                self.work.push((item.id.clone(), Work::Rules { save, transaction: Box::new(transaction) }));
                self.items.push(Item { object, proofs, ..item });
            }
        }
        let removal = Removal::of(table, &sorted.owner);
        for (like, chain) in table::shared_left(table, &all_shared, removal.as_ref()) {
            sorted.kept.add(like, chain);
        }
        if let Some(removal) = removal {
            let foreign = contents::foreign(table, &removal.chains, data);
            // Chains of pods go with them, so that a table is not another one without these; but one in which somebody
            // has added a rule is.
            let mut identity = vec![place.as_bytes()];
            identity.extend(foreign.iter().flat_map(|(chain, rule)| [chain.as_bytes(), rule.as_bytes()]));
            let item = Item::new(Phase::Firewall, "table", &place, &identity);
            let text = contents::shown(&foreign);
            if !foreign.is_empty() {
                let owned = foreign.iter().map(|(chain, rule)| ((*chain).to_owned(), (*rule).to_owned())).collect();
                self.foreign.push((save, table.name.to_owned(), owned));
            }
            let shared =
                all_shared.iter().filter(|shared| shared.own.chains.iter().any(|c| removal.chains.contains(c)));
            sorted.creators.extend(shared.flat_map(|shared| shared.like.creators.iter().cloned()));
            self.items.push(Item {
                object: format!("{} in {shown}", table::counted(&removal)),
                creators: sorted.creators.into_iter().collect(),
                proofs: sorted.proofs.into_iter().collect(),
                text,
                ..item
            });
            let seen = seen.without_text();
            let work = Work::Table { save, seen, removal: Box::new(removal), owner: Box::new(sorted.owner) };
            self.work.push((format!("{}/{place}", Phase::Firewall), work));
        }
        self.items.extend(sorted.kept.items(&place, &shown));
        Ok(())
    }

    fn item(&self, place: &str, kind: &'static str, like: &Item) -> Item {
        let item = Item::new(Phase::Firewall, kind, place, &[place.as_bytes()]);
        Item { creators: like.creators.clone(), ..item }
    }
}

/// Where a table is, for an id: `nft/nat`, `legacy/IPv6/filter`.
fn place(seen: &Seen, table: &str) -> String {
    let family = if seen.family == Family::V6 { "IPv6/" } else { "" };
    format!("{}/{family}{table}", seen.backend)
}

/// The same for people: `nat (nft)`.
fn shown(seen: &Seen, table: &str) -> String {
    let family = if seen.family == Family::V6 { ", IPv6" } else { "" };
    format!("{table} ({}{family})", seen.backend)
}

impl PhaseFacts for Facts {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        let Facts { work, saves, foreign, .. } = *self;
        let is_chosen = |id: &String| chosen.iter().find(|item| item.id == *id);
        let chosen_work: Vec<(&Item, Work)> =
            work.into_iter().filter_map(|(id, work)| Some((is_chosen(&id)?, work))).collect();
        let (mut others, mut copies) = (Vec::new(), HashMap::new());
        let mut is_legacy = false;
        for (index, (backend, save)) in saves.into_iter().enumerate() {
            let is_of =
                |work: &Work| matches!(work, Work::Table { save, .. } | Work::Rules { save, .. } if *save == index);
            let Some((item, _)) = chosen_work.iter().find(|(_, work)| is_of(work)) else { continue };
            is_legacy |= backend == Backend::Legacy;
            let is_lasting = |work: &Work| matches!(work, Work::Table { save, .. } if *save == index);
            let is_lasting = chosen_work.iter().any(|(_, work)| is_lasting(work));
            if is_lasting && foreign.iter().any(|(of, ..)| *of == index) {
                plan.note(format!("{} keeps the rules of others that are removed", save.path().display()));
            }
            copies.insert(index, save.copy());
            save.plan(is_lasting, item, plan);
        }
        if is_legacy {
            plan.note("the packet counters of policies in x_tables are reset with any change by any program");
        }
        // A set can be destroyed, and a table of nf_tables is complete, only after the rules that use it are gone.
        for (item, work) in chosen_work {
            match work {
                Work::Rules { transaction, .. } => item.tag(plan.transaction(*transaction, item.why())),
                Work::Table { save, seen, removal, owner } => {
                    let copy = copies.get(&save).cloned();
                    let perform = Box::new(move || {
                        copy.map_or(Ok(()), |copy| copy.must_exist())?;
                        remove(&Root::live()?, &seen, *removal, &owner, LOCK_WAIT)
                    });
                    item.tag(delete(plan, item, perform));
                }
                Work::Other(work) => others.push((item, work)),
            }
        }
        others.into_iter().for_each(|(item, work)| work(plan, item));
        Ok(())
    }
}

/// Adds the deletion of an item.
fn delete<'p>(plan: &'p mut Plan, item: &Item, perform: Box<dyn FnOnce() -> Result<()>>) -> &'p mut Action {
    plan.effect(Effect { verb: EffectVerb::Delete, object: item.object.clone(), perform }, item.why())
}
