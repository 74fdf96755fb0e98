//! What is swapped to now: which unit or service is behind it, and turning it off device by device.
//!
//! Through its `.swap` unit where that has a file, so that systemd knows and the unit can start it
//! again; through its service where only that can make it again (zram, dphys-swapfile); else by path.

use std::time::Duration;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Plan, Result, Root};
use edge_systemd::systemctl;

use super::active::{self, Active, DELETED, Way};
use super::source::SwapSource;
use super::{Systemd, units};

const SWAPS: &str = "/proc/swaps";
/// A card reads a MiB a second where every page is somewhere else.
const KIB_A_SECOND: u64 = 1024;
const AT_LEAST: Duration = Duration::from_secs(60);
/// systemd ends the stop of a unit after 90 seconds, so what may take longer is not left to it.
const SYSTEMD_MANAGES_KIB: u64 = 64 * KIB_A_SECOND;
/// What `swapon -p` takes; the kernel's own choices are below.
const HIGHEST: i32 = 32767;

/// Succeeds if none of its arguments is listed in /proc/swaps. Builtins of the shell alone.
const NOT_LISTED: &str =
    "while read -r name rest; do for own; do test \"$name\" != \"$own\" || exit 1; done; done < /proc/swaps";
/// `swapon` of what is on already fails, and an undo may be run again: $0 is the name as listed.
const ON_AGAIN: &str =
    "while read -r name rest; do test \"$name\" != \"$0\" || exit 0; done < /proc/swaps; exec swapon \"$@\"";

/// The table, with the way back for each line.
pub(super) fn read(root: &Root, found: &[SwapSource], systemd: Systemd) -> Result<Vec<Active>> {
    let bytes = root.read(std::path::Path::new(SWAPS))?.unwrap_or_default();
    let mut all = active::parse(&bytes);
    if all.is_empty() {
        return Ok(all);
    }
    let running = systemd == Systemd::Running;
    let units = if running { units::running_swap_units(root)? } else { Vec::new() };
    let mut services = Vec::new();
    for service in found.iter().filter(|found| running && found.service.is_some()) {
        if systemctl::is_active(service.service.as_deref().unwrap_or_default())? {
            services.push(service);
        }
    }
    for active in &mut all {
        if active.way == Way::None(DELETED) && is_there(root, active)? {
            active.way = Way::Path;
        }
        if active.way != Way::Path {
            continue;
        }
        if let Some(unit) = units.iter().find(|unit| unit.path == active.path) {
            active.way = Way::Unit(unit.name.clone());
        } else if let Some(service) = services.iter().find(|service| service.stands_for(active)) {
            active.way = Way::Service(service.service.clone().unwrap_or_default());
        }
    }
    Ok(all)
}

/// Whether a name that ends in ` (deleted)` is a file's real name. Never by opening it: it is swap.
fn is_there(root: &Root, active: &Active) -> Result<bool> {
    let (Some(dir), Some(name)) = (active.path.parent(), active.path.file_name()) else { return Ok(false) };
    Ok(root.list(dir)?.iter().any(|other| other == name))
}

/// The order in which they are turned off: highest priority first. Among those that the kernel
/// numbered itself (below zero, counting down) the last one first: an undo goes the other way, and
/// each gets its place in that count again.
pub(super) fn in_order(all: &[Active]) -> Vec<&Active> {
    let mut order: Vec<&Active> = all.iter().filter(|active| !matches!(active.way, Way::None(_))).collect();
    order.sort_by_key(|active| if active.priority >= 0 { (0, -active.priority) } else { (1, active.priority) });
    order
}

/// Turns off every device that can be, one after another.
pub(super) fn plan(all: &[Active], plan: &mut Plan) {
    let mut stopped: Vec<&str> = Vec::new();
    for active in in_order(all) {
        match &active.way {
            Way::Service(service) if stopped.contains(&service.as_str()) => {}
            Way::Service(service) => {
                stopped.push(service);
                let own: Vec<&Active> = all.iter().filter(|other| other.way == active.way).collect();
                stop(service, &own, plan);
            }
            Way::Unit(unit) if active.used_kib > SYSTEMD_MANAGES_KIB => {
                // systemd follows /proc/swaps: the unit is inactive when the device is off.
                let run = Run {
                    inverse: Some(systemctl::argv(&["start"], unit)),
                    undo_order: UndoOrder::Last,
                    ..swapoff(active)
                };
                plan.run(run, figures(active));
            }
            Way::Unit(unit) => stop(unit, &[active], plan),
            Way::Path => {
                plan.run(swapoff(active), figures(active));
            }
            Way::None(_) => {}
        }
    }
}

/// A unit is started again when its files are back and read: last in an undo, after the reload.
fn stop(unit: &str, own: &[&Active], plan: &mut Plan) {
    let run = Run { probe: Some(not_listed(own)), deadline: deadline(own), ..systemctl::stop(unit) };
    plan.run(run, describe(own));
}

fn swapoff(active: &Active) -> Run {
    let path = active.path.to_string_lossy();
    let mut on = argv(&["sh", "-c", ON_AGAIN, &active.listed]);
    if (0..=HIGHEST).contains(&active.priority) {
        on.extend(argv(&["-p", &active.priority.to_string()]));
    }
    on.extend(argv(&["--", &path]));
    Run {
        argv: argv(&["swapoff", "--", &path]),
        probe: Some(not_listed(&[active])),
        inverse: Some(on),
        undo_order: UndoOrder::Reverse,
        deadline: deadline(&[active]),
    }
}

fn not_listed(own: &[&Active]) -> Vec<String> {
    let mut probe = argv(&["sh", "-c", NOT_LISTED, "sh"]);
    probe.extend(own.iter().map(|active| active.listed.clone()));
    probe
}

fn deadline(own: &[&Active]) -> Duration {
    let used: u64 = own.iter().map(|active| active.used_kib).sum();
    AT_LEAST + Duration::from_secs(used / KIB_A_SECOND)
}

fn describe(own: &[&Active]) -> String {
    let each = own.iter().map(|active| format!("{}: {}", active.path.display(), figures(active)));
    each.collect::<Vec<_>>().join("; ")
}

/// Size, use and priority in words.
pub(super) fn figures(active: &Active) -> String {
    let kind = if active.is_zram() { "zram" } else { active.kind.as_str() };
    let (size, used) = (size(active.size_kib), size(active.used_kib));
    format!("{kind} of {size}, {used} in use, priority {}", active.priority)
}

/// KiB as people say it.
pub(super) fn size(kib: u64) -> String {
    if kib >= 1024 { format!("{} MiB", kib / 1024) } else { format!("{kib} KiB") }
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
