//! The plan that turns swap off, now and at boot.

use std::collections::HashSet;

use edge_host::{Error, Plan, Result};
use edge_systemd::systemctl;

use super::source::{AtBoot, SwapSource};
use super::{Facts, StopMethod, live};

/// The share of the available memory that may be filled; the rest is for the system.
const SHARE_OF_MEMORY: (u64, u64) = (8, 10);

/// Returns whether a manual step is left without which swap is re-enabled at boot.
pub(super) fn plan(facts: Facts, plan: &mut Plan) -> Result<bool> {
    check_memory(&facts)?;
    let before = plan.actions.len();
    // An alias may name the same link twice.
    let mut done = HashSet::new();
    let (mut found, mut actions) = (facts.found, Vec::new());
    for source in &mut found {
        actions.append(&mut source.actions);
    }
    actions.retain(|action| action.path().is_none_or(|path| done.insert(path.to_owned())));
    plan.actions.extend(actions);
    let files_changed = plan.actions.len() > before;
    match &facts.active {
        Some(active) => {
            live::plan(active, plan);
            for active in active {
                if let StopMethod::Impossible(why) = &active.stop_method {
                    plan.note(format!("{} stays on: {why}", active.path.display()));
                }
            }
        }
        None => plan.note("only the files of this image are changed: which swap it uses when it runs is unknown"),
    }
    if files_changed && facts.is_systemd_running {
        plan.run(systemctl::reload(), "so that systemd does not turn it on again");
    }
    add_notes(&found, plan);
    Ok(found.iter().any(|found| found.at_boot == AtBoot::Enabled && found.manual_step.is_some()))
}

/// Refuses where memory is too small for what is swapped out: the kernel would kill processes.
fn check_memory(facts: &Facts) -> Result<()> {
    let active = facts.active.as_deref().unwrap_or_default();
    let used: u64 = live::in_order(active).iter().map(|active| active.used_kib).sum();
    let Some(available) = facts.available_kib.filter(|_| used > 0) else { return Ok(()) };
    let (share, of) = SHARE_OF_MEMORY;
    let room = available * share / of;
    if used < room {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot turn swap off: {} of swap are in use, and only {} of {} available memory may be filled",
        live::size(used),
        live::size(room),
        live::size(available)
    ))
    .hint("stop programs that use memory, then run the command again, or use --swap keep for edgecore"))
}

/// Manual steps, and related settings that stay as they are.
fn add_notes(found: &[SwapSource], plan: &mut Plan) {
    for found in found {
        let (source, place, why) = (found.source, found.place(), &found.why);
        match (&found.manual_step, found.at_boot) {
            (Some(step), AtBoot::Enabled) => {
                let (when, by) = (found.when(), found.named());
                plan.note(format!("swap is re-enabled {when} by {by} ({place}); manual step: {step}"));
            }
            (Some(step), _) => plan.note(format!("{source} ({place}): {why}; optional: {step}")),
            (None, AtBoot::Related) => plan.note(format!("{source} is on: {why}")),
            (None, _) => {}
        }
    }
}
