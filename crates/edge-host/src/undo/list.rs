//! `undo --list`: the runs of a utility, with command line and state.

use serde_json::json;

use crate::action::Undo;
use crate::error::Result;
use crate::exit::Outcome;
use crate::host::Host;
use crate::journal::{Change, Progress, Run, RunName};
use crate::shell::quoted;

pub(super) fn list(host: &mut Host) -> Result<Outcome> {
    let tool = host.tool();
    let names: Vec<RunName> = host.journal().names()?.into_iter().filter(|name| name.tool == tool).collect();
    let mut empty = true;
    for name in names {
        match host.journal().load(&name) {
            Ok(None) => continue,
            Ok(Some(run)) => line(host, &run),
            Err(error) => {
                host.report.line(&format!("{:>4}  {:<20}  {:<11} {error}", name.id, "", "damaged"));
                let (time, none) = ("", Vec::<String>::new());
                record(host, name.id, time, "damaged", &none, &none);
            }
        }
        empty = false;
    }
    if empty {
        super::hint_other_journal(host);
        host.report.line("no runs");
    }
    Ok(Outcome::default())
}

fn line(host: &mut Host, run: &Run) {
    let (id, time, state) = (run.header.run, &run.header.time, state(run));
    let objects = objects(run);
    let words: Vec<String> = run.header.args.iter().map(|word| quoted(word)).collect();
    let call = words.join(" ");
    let call = if call.is_empty() { String::new() } else { format!("{} {call}: ", host.tool()) };
    let none = Undo::None.to_string();
    let weakest = if run.entries.iter().any(|entry| entry.intent.undo == none) { "  [undo: incomplete]" } else { "" };
    host.report.line(&format!("{id:>4}  {time}  {state:<11} {call}{}{weakest}", objects.join(", ")));
    record(host, id, time, state, &run.header.args, &objects);
}

/// The record of a run.
pub(super) fn record(host: &mut Host, id: u64, time: &str, state: &str, args: &[String], objects: &[String]) {
    host.report.record("run", json!({"run": id, "time": time, "state": state, "args": args, "objects": objects}));
}

fn state(run: &Run) -> &'static str {
    match () {
        () if run.reverted => "undone",
        () if run.kept => "kept",
        () if run.is_half_undone() => "partial",
        () if run.is_unfinished() => "interrupted",
        () => "done",
    }
}

/// What a run changed.
pub(super) fn objects(run: &Run) -> Vec<String> {
    run.entries
        .iter()
        .filter(|entry| entry.progress != Progress::Void)
        .map(|entry| match &entry.intent.change {
            Change::Run(run) => run.argv.join(" "),
            Change::Transaction { object, .. } => object.replacen('#', ": ", 1),
            Change::Effect { object, .. } => object.clone(),
            change => format!("/{}", change.path().unwrap_or_default()),
        })
        .collect()
}
