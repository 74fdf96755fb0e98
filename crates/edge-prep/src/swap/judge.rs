//! What is so, and what is not as wanted: `status` and `verify`.

use super::source::{AfterReboot, Remedy, SwapSource};
use super::{Active, Cgroup, Facts, Way, live};
use crate::report::{Fault, Line};
use crate::wanted;

/// Every line of /proc/swaps with what is behind it, then every place swap could come from.
pub fn status(facts: &Facts) -> Vec<Line> {
    let mut lines: Vec<Line> = facts.active.iter().flatten().map(|active| active_line(active, &facts.found)).collect();
    lines.extend(facts.found.iter().map(|found| {
        let hand = match &found.remedy {
            Remedy::ManualStep(step) => format!("; by hand: {step}"),
            Remedy::Nothing | Remedy::Change(_) => String::new(),
        };
        Line {
            object: format!("swap {}", found.what),
            state: found.after_reboot.to_string(),
            source: Some(found.place()),
            text: format!("{}: {}{hand}", found.source, found.why),
        }
    }));
    if facts.active.is_none() {
        lines.push(Line {
            object: "swap now".to_owned(),
            state: "unknown".to_owned(),
            source: None,
            text: "an image's live facts are unknown".to_owned(),
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

fn active_line(active: &Active, found: &[SwapSource]) -> Line {
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
    Line {
        object: format!("swap {}", active.path.display()),
        state: "active".to_owned(),
        source: (!behind.is_empty()).then(|| behind.iter().map(|found| found.place()).collect::<Vec<_>>().join(", ")),
        text: format!("{}; {back}{way}", live::figures(active)),
    }
}

/// What is not as wanted, and which layer made it so.
pub fn faults(facts: &Facts, wanted: wanted::Swap) -> Vec<Fault> {
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

fn off(facts: &Facts) -> Vec<Fault> {
    let on = facts.active.iter().flatten().map(|active| {
        let behind = behind(active, &facts.found);
        let layer = match behind.first() {
            Some(found) => format!("{}, {}", found.source, found.place()),
            None => "turned on by hand or by a program".to_owned(),
        };
        let hint = match &active.way {
            Way::None(why) => (*why).to_owned(),
            _ => "edge-prep apply --swap off".to_owned(),
        };
        Fault { what: format!("swap is on: {}", active.path.display()), layer: Some(layer), hint: Some(hint) }
    });
    let back = facts.found.iter().filter(|found| found.after_reboot == AfterReboot::Back).map(|found| Fault {
        what: format!("swap will be on after a reboot: {}", found.what),
        layer: Some(format!("{}, {}: {}", found.source, found.place(), found.why)),
        hint: Some(match &found.remedy {
            Remedy::ManualStep(step) => step.clone(),
            Remedy::Nothing | Remedy::Change(_) => "edge-prep apply --swap off".to_owned(),
        }),
    });
    on.chain(back).collect()
}

fn limited(facts: &Facts) -> Vec<Fault> {
    let mut faults = Vec::new();
    if facts.cgroup == Some(Cgroup::V1) {
        faults.push(Fault {
            what: "pods cannot use limited swap".to_owned(),
            layer: Some("the kernel runs cgroup v1".to_owned()),
            hint: Some("boot with systemd.unified_cgroup_hierarchy=1".to_owned()),
        });
    }
    if facts.active.as_ref().is_some_and(Vec::is_empty) {
        faults.push(Fault {
            what: "no swap is on".to_owned(),
            layer: Some("nothing turned any on".to_owned()),
            hint: Some("make swap, such as a line of /etc/fstab and swapon -a".to_owned()),
        });
    }
    faults
}
