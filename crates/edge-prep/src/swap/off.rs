//! The plan that turns swap off, now and for good.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Inverse, Node, Plan, Result};
use edge_systemd::systemctl;

use super::source::{AfterReboot, Change, FSTAB_EDITOR, Remedy, SwapSource, commented};
use super::{Facts, Systemd, Way, live};

/// As much of the available memory may be filled: the rest is what the system runs in.
const SHARE_OF_MEMORY: (u64, u64) = (8, 10);

pub(super) fn plan(facts: &Facts, plan: &mut Plan) -> Result<()> {
    memory_holds_it(facts)?;
    let before = plan.actions.len();
    persistent(&facts.found, plan);
    let files_changed = plan.actions.len() > before;
    match &facts.active {
        Some(active) => {
            live::plan(active, plan);
            for active in active {
                if let Way::None(why) = &active.way {
                    plan.note(format!("{} stays on: {why}", active.path.display()));
                }
            }
        }
        None => plan.note("what this image swaps to when it runs cannot be told: its files alone are judged"),
    }
    if files_changed && facts.systemd == Systemd::Running {
        plan.run(systemctl::reload(), "so that systemd does not turn it on again");
    }
    notes(&facts.found, plan);
    Ok(())
}

/// Everything that is swapped out comes back into memory, or the kernel kills processes for it.
fn memory_holds_it(facts: &Facts) -> Result<()> {
    let active = facts.active.as_deref().unwrap_or_default();
    let used: u64 = live::in_order(active).iter().map(|active| active.used_kib).sum();
    let Some(available) = facts.available_kib.filter(|_| used > 0) else { return Ok(()) };
    let (share, of) = SHARE_OF_MEMORY;
    let room = available * share / of;
    if used < room {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot turn swap off: {} of it are in use, and of {} available memory {} may be filled",
        live::size(used),
        live::size(available),
        live::size(room)
    ))
    .hint("stop what uses the memory and run again, or keep swap (--swap keep), which edgecore does not mind"))
}

/// The changes of all places; lines of one file are one write, and a path is written once.
fn persistent(found: &[SwapSource], plan: &mut Plan) {
    let changes = |found: &SwapSource| match &found.remedy {
        Remedy::Change(changes) => changes.clone(),
        Remedy::Nothing | Remedy::ManualStep(_) => Vec::new(),
    };
    let all: Vec<(&SwapSource, Change)> =
        found.iter().flat_map(|found| changes(found).into_iter().map(move |change| (found, change))).collect();
    let mut done: HashSet<&Path> = HashSet::new();
    for (found, change) in &all {
        if !done.insert(change.path()) {
            continue;
        }
        let why = format!("{} of {}", found.what, found.source);
        match change.clone() {
            Change::Comment { path, was, .. } => comment(&path, &was, &all, plan),
            Change::Link { path, was, target } => {
                plan.write(path, was, Node::Link(target.to_owned()), Inverse::Whole, format!("masks {why}"));
            }
            Change::Remove { path, was } => {
                plan.remove(path, was, format!("disables {why}"));
            }
            Change::Write { path, was, text } => {
                let details = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
                let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: 0o644 };
                plan.write(path, was, node, Inverse::Whole, format!("turns off {why}")).details = details;
            }
        }
    }
}

fn comment(path: &Path, was: &edge_host::FileSnapshot, all: &[(&SwapSource, Change)], plan: &mut Plan) {
    let mut numbers = BTreeSet::new();
    let (mut parts, mut details) = (Vec::new(), Vec::new());
    for (found, change) in all {
        if let Change::Comment { path: other, line, .. } = change
            && other == path
        {
            numbers.insert(*line);
            parts.push(found.what.clone());
            details.push(format!("line {line} commented: {}", found.what));
        }
    }
    let (bytes, data) = commented(&was.bytes, &numbers);
    let inverse = match data {
        Some(data) => Inverse::Edit { kind: FSTAB_EDITOR.to_owned(), data, parts },
        None => Inverse::Whole,
    };
    let node = Node::File { content: Bytes::Known(bytes), mode: 0o644 };
    plan.write(path, was.clone(), node, inverse, "swap is not turned on at boot").details = details;
}

/// What is left to a human.
fn notes(found: &[SwapSource], plan: &mut Plan) {
    for found in found {
        match (&found.remedy, found.after_reboot) {
            (Remedy::ManualStep(step), AfterReboot::Back) => {
                plan.note(format!("swap will be back after a reboot by {} ({}): {step}", found.source, found.place()));
            }
            (Remedy::ManualStep(step), _) => {
                plan.note(format!("{} ({}), {}: {step}", found.source, found.place(), found.why));
            }
            (Remedy::Nothing, AfterReboot::Aside) => plan.note(format!("{} is on: {}", found.source, found.why)),
            _ => {}
        }
    }
}
