//! What `status` and `check` report about swap.

use edge_host::{Finding, StatusLine};

use super::source::{AtBoot, SwapSource};
use super::{Active, Cgroup, Facts, StopMethod, live};
use crate::report::finding;
use crate::request::SwapPolicy;

const TURN_OFF: &str = "edge-prep apply --swap off";

/// Every line of /proc/swaps with the sources that provide it, then every source of swap.
pub fn status(facts: &Facts) -> Vec<StatusLine> {
    let mut lines: Vec<StatusLine> =
        facts.active.iter().flatten().map(|active| active_line(active, &facts.found)).collect();
    // A source without a manual step is in the line of its device already.
    let is_shown = |source: &&SwapSource| {
        source.manual_step.is_none() && facts.active.iter().flatten().any(|active| source.provides(active))
    };
    lines.extend(facts.found.iter().filter(|found| !is_shown(found)).map(|found| {
        let kind = if found.at_boot == AtBoot::Enabled { "manual step" } else { "optional" };
        let step = found.manual_step.as_ref().map(|step| format!("; {kind}: {step}")).unwrap_or_default();
        let text = format!("{}: {}{step}", found.source, found.why);
        StatusLine::new(format!("swap {}", found.what), found.at_boot.to_string(), text).from(found.place())
    }));
    match facts.active.as_deref() {
        None => lines.push(StatusLine::new("swap now", "unknown", "no kernel runs in an image")),
        Some([]) => lines.push(StatusLine::new("swap now", "inactive", "no swap is active")),
        Some(_) => {}
    }
    lines
}

/// Active swap that none of the sources provides: what turned it on is not known, so it may be on again after a reboot.
pub fn without_source(facts: &Facts) -> Vec<String> {
    let active = facts.active.iter().flatten().filter(|active| providers(active, &facts.found).is_empty());
    active
        .map(|active| {
            let path = active.path.display();
            format!("{path} is on, and nothing was found that turns it on at boot: it may be on again after a reboot")
        })
        .collect()
}

/// The sources that provide an active device, those that enable it at boot first.
fn providers<'f>(active: &Active, found: &'f [SwapSource]) -> Vec<&'f SwapSource> {
    let mut all: Vec<&SwapSource> = found.iter().filter(|found| found.provides(active)).collect();
    all.sort_by_key(|found| match found.at_boot {
        AtBoot::Enabled => 0,
        AtBoot::Disabled => 1,
        AtBoot::Related => 2,
    });
    all
}

fn active_line(active: &Active, found: &[SwapSource]) -> StatusLine {
    let providers = providers(active, found);
    let at_boot = match providers.first() {
        Some(found) if found.at_boot == AtBoot::Enabled => {
            format!("re-enabled {} by {}: {}", found.when(), found.named(), found.why)
        }
        Some(found) => format!("not re-enabled at boot by {}: {}", found.named(), found.why),
        None => "no source found that enables it at boot: turned on manually or by a program".to_owned(),
    };
    let stays = match &active.stop_method {
        StopMethod::Impossible(why) => format!("; {why}"),
        StopMethod::Unit(_) | StopMethod::Service(_) | StopMethod::Swapoff => String::new(),
    };
    let places = providers.iter().map(|found| found.place()).collect::<Vec<_>>().join(", ");
    let text = format!("{}; {at_boot}{stays}", live::figures(active));
    let line = StatusLine::new(format!("swap {}", active.path.display()), "active", text);
    StatusLine { source: (!places.is_empty()).then_some(places), ..line }
}

/// What is not in the requested state, with the source that causes it.
pub fn findings(facts: &Facts, policy: SwapPolicy) -> Vec<Finding> {
    match policy {
        SwapPolicy::Keep => Vec::new(),
        SwapPolicy::Limited => limited(facts),
        SwapPolicy::Off => off(facts),
    }
}

fn off(facts: &Facts) -> Vec<Finding> {
    let now = facts.active.iter().flatten().map(|active| {
        let text = format!("swap is on: {}", active.path.display());
        let (text, place) = match providers(active, &facts.found).first() {
            Some(found) => (format!("{text} ({})", found.source), Some(found.place())),
            None => (format!("{text}, turned on manually or by a program"), None),
        };
        let hint = match &active.stop_method {
            StopMethod::Impossible(why) => why,
            _ => TURN_OFF,
        };
        finding(text, place.as_deref(), hint)
    });
    let at_boot = facts.found.iter().filter(|found| found.at_boot == AtBoot::Enabled).map(|found| {
        let text = format!("swap is enabled {}: {} ({}: {})", found.when(), found.what, found.source, found.why);
        finding(text, Some(&found.place()), found.manual_step.as_deref().unwrap_or(TURN_OFF))
    });
    now.chain(at_boot).collect()
}

fn limited(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.cgroup == Some(Cgroup::V1) {
        let hint = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel command line";
        findings.push(finding("pods cannot use limited swap: the kernel runs cgroup v1", None, hint));
    }
    if facts.active.as_ref().is_some_and(Vec::is_empty) {
        findings.push(finding("swap is off", None, "add a swap entry to /etc/fstab, then run swapon -a"));
    }
    findings
}
