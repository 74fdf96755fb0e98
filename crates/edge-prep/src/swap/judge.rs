//! What is so, and what is not as wanted: `status` and `verify`.

use super::source::{AfterReboot, Remedy, SwapSource};
use super::{Active, Cgroup, Facts, Way, live};
use crate::report::fault;
use crate::wanted;
use edge_host::{Finding, StatusLine};

const TURN_OFF: &str = "edge-prep apply --swap off";

/// Every line of /proc/swaps with what is behind it, then every place swap could come from.
pub fn status(facts: &Facts) -> Vec<StatusLine> {
    let mut lines: Vec<StatusLine> =
        facts.active.iter().flatten().map(|active| active_line(active, &facts.found)).collect();
    lines.extend(facts.found.iter().map(|found| {
        let hand = match &found.remedy {
            Remedy::ManualStep(step) => format!("; by hand: {step}"),
            Remedy::Nothing | Remedy::Change(_) => String::new(),
        };
        StatusLine {
            object: format!("swap {}", found.what),
            state: found.after_reboot.to_string(),
            source: Some(found.place()),
            text: format!("{}: {}{hand}", found.source, found.why),
            ..StatusLine::default()
        }
    }));
    if facts.active.is_none() {
        lines.push(StatusLine {
            object: "swap now".to_owned(),
            state: "unknown".to_owned(),
            source: None,
            text: "an image's live facts are unknown".to_owned(),
            ..StatusLine::default()
        });
    }
    lines
}

/// Those places that stand for an active device, the ones that bring it back first.
fn behind<'f>(active: &Active, found: &'f [SwapSource]) -> Vec<&'f SwapSource> {
    let mut all: Vec<&SwapSource> = found.iter().filter(|found| found.stands_for(active)).collect();
    all.sort_by_key(|found| match found.after_reboot {
        AfterReboot::Back => 0,
        AfterReboot::Off => 1,
        AfterReboot::Aside => 2,
    });
    all
}

fn active_line(active: &Active, found: &[SwapSource]) -> StatusLine {
    let behind = behind(active, found);
    let back = match behind.first() {
        Some(found) if found.after_reboot == AfterReboot::Back => {
            format!("back after a reboot by {}: {}", found.source, found.why)
        }
        Some(found) => format!("not back after a reboot: {} {}", found.source, found.why),
        None => "nothing was found that turns it on at boot: turned on by hand or by a program".to_owned(),
    };
    let way = match &active.way {
        Way::None(why) => format!("; {why}"),
        Way::Unit(_) | Way::Service(_) | Way::Path => String::new(),
    };
    StatusLine {
        object: format!("swap {}", active.path.display()),
        state: "active".to_owned(),
        source: (!behind.is_empty()).then(|| behind.iter().map(|found| found.place()).collect::<Vec<_>>().join(", ")),
        text: format!("{}; {back}{way}", live::figures(active)),
        ..StatusLine::default()
    }
}

/// What is not as wanted, and which layer made it so.
pub fn faults(facts: &Facts, wanted: wanted::Swap) -> Vec<Finding> {
    match wanted {
        wanted::Swap::Keep => Vec::new(),
        wanted::Swap::Limited => limited(facts),
        wanted::Swap::Off => off(facts),
    }
}

/// Whether swap that shall be off will be back until a step by hand is done.
pub fn leaves_by_hand(facts: &Facts, wanted: wanted::Swap) -> bool {
    let is_left =
        |found: &SwapSource| found.after_reboot == AfterReboot::Back && matches!(found.remedy, Remedy::ManualStep(_));
    wanted == wanted::Swap::Off && facts.found.iter().any(is_left)
}

fn off(facts: &Facts) -> Vec<Finding> {
    let on = facts.active.iter().flatten().map(|active| {
        let behind = behind(active, &facts.found);
        let on = format!("swap is on: {}", active.path.display());
        let (text, layer) = match behind.first() {
            Some(found) => (format!("{on} ({})", found.source), Some(found.place())),
            None => (format!("{on}, turned on manually or by a program"), None),
        };
        let hint = match &active.way {
            Way::None(why) => why,
            _ => TURN_OFF,
        };
        fault(text, layer.as_deref(), hint)
    });
    let back = facts.found.iter().filter(|found| found.after_reboot == AfterReboot::Back).map(|found| {
        let text = format!("swap will be on after a reboot: {} ({}: {})", found.what, found.source, found.why);
        let hint = match &found.remedy {
            Remedy::ManualStep(step) => step.as_str(),
            Remedy::Nothing | Remedy::Change(_) => TURN_OFF,
        };
        fault(text, Some(&found.place()), hint)
    });
    on.chain(back).collect()
}

fn limited(facts: &Facts) -> Vec<Finding> {
    let mut faults = Vec::new();
    if facts.cgroup == Some(Cgroup::V1) {
        let hint = "boot with systemd.unified_cgroup_hierarchy=1";
        faults.push(fault("pods cannot use limited swap: the kernel runs cgroup v1", None, hint));
    }
    if facts.active.as_ref().is_some_and(Vec::is_empty) {
        faults.push(fault("no swap is on", None, "make swap, such as a line of /etc/fstab and swapon -a"));
    }
    faults
}
