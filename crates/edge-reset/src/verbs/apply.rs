//! `edge-reset apply`: phase after phase, from the facts that the previous one has left.

use std::collections::{BTreeMap, HashSet};

use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result, apply, apply_part, purge, trashed};

use crate::cli::ApplyArgs;
use crate::context::Context;
use crate::control_plane;
use crate::filter::{self, Filter, Verdict};
use crate::groups::own_group;
use crate::item::{Fate, Item};
use crate::phase::Phase;
use crate::phases;
use crate::request::Request;

/// The first column of what is not changed.
const KEPT: &str = "kept";
const REFUSED: &str = "refused";
/// Names of one line.
const SHOWN: usize = 6;

pub(crate) fn run(host: &mut Host, args: &ApplyArgs) -> Result<Outcome> {
    let request = Request::of(&args.choice, !args.no_trash, host.root.is_live())?;
    let is_confirmed = args.yes || host.mode == Mode::DryRun;
    if !is_confirmed {
        host.mode = Mode::DryRun;
    }
    let filter = match &args.plan {
        Some(file) => {
            let bytes = filter::read(file)?;
            host.requests_also(&bytes);
            let filter = Filter::parse(&bytes)?;
            filter.allows(!args.no_trash)?;
            Some(filter)
        }
        None => None,
    };
    host.prepare_change()?;
    let context = Context::read(host, request)?;
    if host.root.is_live() {
        refuse_in_pod(host, &context)?;
    }
    control_plane::refuse(host, &context)?;
    let context = phases::with_pods(host, context);
    let mut reset = Reset {
        host,
        context,
        filter,
        exit: Exit::Done,
        depending: Vec::new(),
        reported: HashSet::new(),
        last_error: None,
    };
    for phase in reset.context.request.phases.clone() {
        reset.phase(phase)?;
    }
    let outcome = reset.end()?;
    if is_confirmed {
        return Ok(outcome);
    }
    let error = Error::refused("cannot reset this host without --yes").hint("to make these changes, add --yes");
    host.report.error(&error);
    Ok(Outcome { exit: error.exit(), changed: false, ..outcome })
}

/// From inside a pod, such as `kubectl debug node`, it would end itself with the pods, half-way.
fn refuse_in_pod(host: &Host, context: &Context) -> Result<()> {
    match own_group(host, context)? {
        Some(group) => {
            let what =
                format!("cannot reset this host from inside a pod: this process is in the control group {group}");
            Err(Error::refused(what).hint("run it in a shell of the host itself, such as that of ssh or a console"))
        }
        None => Ok(()),
    }
}

struct Reset<'h> {
    host: &'h mut Host,
    context: Context,
    filter: Option<Filter>,
    exit: Exit,
    /// Items that a dry run cannot judge yet.
    depending: Vec<Item>,
    /// Items of phases in which something was not done: that is reported with its exit code.
    reported: HashSet<String>,
    last_error: Option<Error>,
}

impl Reset<'_> {
    /// Reads one phase and carries it out. What cannot be read does not stop the others.
    fn phase(&mut self, phase: Phase) -> Result<()> {
        // Until it is known.
        self.context.pods_remain |= phase == Phase::Pods;
        let facts = match phases::read(phase, self.host, &self.context) {
            Ok(Some(facts)) => facts,
            Ok(None) => {
                self.context.pods_remain &= phase != Phase::Pods;
                return Ok(());
            }
            Err(error) => return self.failed(error),
        };
        let chosen = self.choose(phase, facts.items());
        let others = facts.items().iter().filter(|item| !chosen.contains(item));
        let others_remain = phases::pods_remain(others);
        let mut plan = Plan { continues: true, ..Plan::default() };
        if let Err(error) = facts.plan(&chosen, &mut plan) {
            return self.failed(error);
        }
        match apply_part(self.host, plan) {
            Ok(outcome) => {
                let is_done = outcome.exit == Exit::Done || self.host.mode == Mode::DryRun;
                if phase == Phase::Pods {
                    self.context.pods_remain = others_remain || !is_done;
                }
                if outcome.exit != Exit::Done {
                    self.reported.extend(chosen.into_iter().map(|item| item.id));
                }
                self.exit = self.exit.worst(outcome.exit);
            }
            Err(error) => {
                self.reported.extend(chosen.into_iter().map(|item| item.id));
                return self.failed(error);
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: Error) -> Result<()> {
        if error.exit() == Exit::Interrupted {
            return Err(error);
        }
        self.exit = self.exit.worst(error.exit());
        // The same may stop every phase, such as a journal on a full disk.
        if self.last_error.as_ref() != Some(&error) {
            self.host.report.error(&error);
        }
        self.last_error = Some(error);
        Ok(())
    }

    /// The items that are removed; reports the others.
    fn choose(&mut self, phase: Phase, items: &[Item]) -> Vec<Item> {
        let mut chosen = Vec::new();
        self.keeps(items);
        for item in items {
            match item.fate {
                Fate::Keep => {}
                Fate::Refuse => self.refuses(item, &item.text),
                Fate::Remove => match self.filter.as_ref().map(|filter| filter.verdict(item)) {
                    None | Some(Verdict::Planned) => chosen.push(item.clone()),
                    Some(Verdict::Changed) => self.refuses(item, "it was replaced after the plan was made"),
                    Some(Verdict::New) => {
                        let item = item.clone().kept("it is not in the plan");
                        self.host.report.line_of(KEPT, &format!("{}: {}", item.object, item.text));
                        item.record(&mut self.host.report);
                        self.exit = self.exit.worst(Exit::Differs);
                    }
                },
            }
        }
        if let Some(gone) = self.filter.as_ref().map(|filter| filter.gone(phase, items)).filter(|gone| *gone > 0) {
            let what = if gone == 1 { "item" } else { "items" };
            self.host.report.note(&format!("{phase}: {gone} {what} of the plan removed already"));
        }
        self.depending.extend(chosen.iter().filter(|item| item.depends_on.is_some()).cloned());
        chosen
    }

    /// Reports what is kept: one line for all that are kept for the same reason.
    fn keeps(&mut self, items: &[Item]) {
        let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Item>> = BTreeMap::new();
        for item in items.iter().filter(|item| item.fate == Fate::Keep) {
            groups.entry((&item.text, item.hint.as_deref())).or_default().push(item);
        }
        for ((text, hint), items) in groups {
            let mut names: Vec<&str> = items.iter().take(SHOWN).map(|item| item.object.as_str()).collect();
            let more = format!("{} more", items.len().saturating_sub(SHOWN));
            names.extend((items.len() > SHOWN).then_some(more.as_str()));
            let names = names.join(", ");
            let text = if text.is_empty() { String::new() } else { format!(": {text}") };
            self.host.report.line_of(KEPT, &format!("{names}{text}"));
            items.iter().for_each(|item| item.record(&mut self.host.report));
            if items.iter().any(|item| item.is_leftover) {
                self.exit = self.exit.worst(Exit::Differs);
            }
            if let Some(hint) = hint {
                self.host.report.hint(&format!("to remove {names}: {hint}"));
            }
        }
    }

    fn refuses(&mut self, item: &Item, why: &str) {
        let error = Error::refused(format!("cannot remove {}: {why}", item.object));
        let error = match &item.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        };
        self.host.report.line_of(REFUSED, &format!("{}: {why}", item.object));
        Item { fate: Fate::Refuse, text: why.to_owned(), ..item.clone() }.record(&mut self.host.report);
        self.host.report.error(&error);
        self.exit = self.exit.worst(Exit::Refused);
    }

    /// Closes the run, and looks once more at what is left.
    fn end(mut self) -> Result<Outcome> {
        if self.host.mode == Mode::DryRun {
            self.name_depending();
        }
        let outcome = apply(self.host, Plan::new())?;
        if self.host.mode == Mode::Apply && self.filter.is_none() {
            self.leftovers();
        }
        if !self.host.root.is_live() && !self.context.request.to_trash {
            self.forget()?;
        }
        Ok(Outcome { exit: self.exit.worst(outcome.exit), ..outcome })
    }

    /// An image is copied to many hosts: the records and trashes of earlier runs in it contain keys and tokens too.
    fn forget(&mut self) -> Result<()> {
        if self.host.mode == Mode::DryRun {
            self.host.report.note("earlier runs of edgeutils in this image would be forgotten, with their trashes");
            return Ok(());
        }
        let forgotten = trashed(self.host, None).and_then(|all| purge(self.host, &all, &[])).and_then(|outcome| {
            self.exit = self.exit.worst(outcome.exit);
            // What is still in a trash needs its record.
            if outcome.exit == Exit::Done { self.host.forget_other_runs() } else { Ok(()) }
        });
        forgotten.or_else(|error| self.failed(error))
    }

    fn name_depending(&mut self) {
        if !self.depending.is_empty() {
            let names: Vec<&str> = self.depending.iter().map(|item| item.object.as_str()).collect();
            self.host.report.line(&format!("then, depending on these: {}", names.join(", ")));
        }
    }

    /// Reports what should be gone and is not.
    fn leftovers(&mut self) {
        for phase in self.context.request.phases.clone() {
            // What could not be read was reported before.
            let Ok(Some(facts)) = phases::read(phase, self.host, &self.context) else { continue };
            let is_new = |item: &&Item| item.fate == Fate::Remove && !self.reported.contains(&item.id);
            for item in facts.items().iter().filter(is_new) {
                self.host.report.warning(&format!("{} is still there, or there again", item.object));
                self.exit = self.exit.worst(Exit::Failed);
            }
        }
    }
}
