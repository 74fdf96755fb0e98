//! Active swap: the unit or service of each device, and turning the devices off one by one.
//!
//! By its `.swap` unit where that has a file, so that systemd knows its state and can start it again; by its
//! service where only that can create it again (zram, dphys-swapfile); otherwise by path.

use std::time::Duration;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Plan, Result, Root};
use edge_systemd::systemctl;

use super::active::{self, Active, DELETED, StopMethod};
use super::source::SwapSource;
use super::units;

const SWAPS: &str = "/proc/swaps";
/// An SD card reads 1 MiB per second where the pages are scattered.
const KIB_A_SECOND: u64 = 1024;
const AT_LEAST: Duration = Duration::from_secs(60);
/// systemd stops waiting for a unit after 90 seconds, so it does not turn off what may take longer.
const SYSTEMD_MANAGES_KIB: u64 = 64 * KIB_A_SECOND;
/// The highest priority for `swapon -p`, from 0; the kernel's own choices are negative.
const HIGHEST: i32 = 32767;

/// Succeeds if none of its arguments is listed in /proc/swaps; shell builtins only.
const NOT_LISTED: &str =
    "while read -r name rest; do for own; do test \"$name\" != \"$own\" || exit 1; done; done < /proc/swaps";
/// `swapon` of an active device fails, and an undo may be repeated: $0 is the name as listed.
const ON_AGAIN: &str =
    "while read -r name rest; do test \"$name\" != \"$0\" || exit 0; done < /proc/swaps; exec swapon \"$@\"";

/// The table, with the stop method of each line.
pub(super) fn read(root: &Root, found: &[SwapSource], is_systemd_running: bool) -> Result<Vec<Active>> {
    let bytes = root.read(std::path::Path::new(SWAPS))?.unwrap_or_default();
    let mut all = active::parse(&bytes);
    if all.is_empty() {
        return Ok(all);
    }
    let units = if is_systemd_running { units::running_swap_units(root)? } else { Vec::new() };
    let mut services = Vec::new();
    for service in found.iter().filter(|found| is_systemd_running && found.service.is_some()) {
        if systemctl::is_active(service.service.as_deref().unwrap_or_default())? {
            services.push(service);
        }
    }
    for active in &mut all {
        if active.stop_method == StopMethod::Impossible(DELETED) && exists(root, active)? {
            active.stop_method = StopMethod::Swapoff;
        }
        if active.stop_method != StopMethod::Swapoff {
            continue;
        }
        if let Some(unit) = units.iter().find(|unit| unit.path == active.path) {
            active.stop_method = StopMethod::Unit(unit.name.clone());
        } else if let Some(service) = services.iter().find(|service| service.provides(active)) {
            active.stop_method = StopMethod::Service(service.service.clone().unwrap_or_default());
        }
    }
    Ok(all)
}

/// Whether a name that ends in ` (deleted)` is a file's real name. The file is not opened, as it is swap.
fn exists(root: &Root, active: &Active) -> Result<bool> {
    let (Some(dir), Some(name)) = (active.path.parent(), active.path.file_name()) else { return Ok(false) };
    Ok(root.list(dir)?.iter().any(|other| other == name))
}

/// The order for turning devices off: highest priority first, then those that the kernel numbered itself
/// (negative, counting down), the last one first. An undo goes in the opposite order, so that the kernel
/// gives each of those its previous number.
pub(super) fn in_order(all: &[Active]) -> Vec<&Active> {
    let mut order: Vec<&Active> =
        all.iter().filter(|active| !matches!(active.stop_method, StopMethod::Impossible(_))).collect();
    order.sort_by_key(|active| if active.priority >= 0 { (0, -active.priority) } else { (1, active.priority) });
    order
}

/// Plans to turn off every device that can be, one after another.
pub(super) fn plan(all: &[Active], plan: &mut Plan) {
    let mut stopped: Vec<&str> = Vec::new();
    for active in in_order(all) {
        match &active.stop_method {
            StopMethod::Service(service) if stopped.contains(&service.as_str()) => {}
            StopMethod::Service(service) => {
                stopped.push(service);
                let own: Vec<&Active> = all.iter().filter(|other| other.stop_method == active.stop_method).collect();
                stop(service, &own, plan);
            }
            StopMethod::Unit(unit) if active.used_kib > SYSTEMD_MANAGES_KIB => {
                // systemd follows /proc/swaps: the unit becomes inactive when the device is off.
                let start = systemctl::argv(&["start"], unit);
                plan.run(swapoff(active).undone_by(UndoOrder::Last, start), figures(active));
            }
            StopMethod::Unit(unit) => stop(unit, &[active], plan),
            StopMethod::Swapoff => {
                plan.run(swapoff(active), figures(active));
            }
            StopMethod::Impossible(_) => {}
        }
    }
}

/// Plans to stop a unit. An undo starts it last, after its files are restored and systemd is reloaded.
fn stop(unit: &str, own: &[&Active], plan: &mut Plan) {
    let run = Run { deadline: deadline(own), ..systemctl::stop(unit) };
    plan.run(run.with_probe(not_listed(own)), describe(own));
}

fn swapoff(active: &Active) -> Run {
    let path = active.path.to_string_lossy();
    let mut on = argv(&["sh", "-c", ON_AGAIN, &active.listed]);
    if (0..=HIGHEST).contains(&active.priority) {
        on.extend(argv(&["-p", &active.priority.to_string()]));
    }
    on.extend(argv(&["--", &path]));
    Run::new(["swapoff", "--", &path], deadline(&[active]))
        .with_probe(not_listed(&[active]))
        .undone_by(UndoOrder::Reverse, on)
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

/// Kind, size, use and priority.
pub(super) fn figures(active: &Active) -> String {
    let kind = if active.is_zram() { "zram" } else { active.kind.as_str() };
    let (size, used) = (size(active.size_kib), size(active.used_kib));
    format!("{kind} of {size}, {used} in use, priority {}", active.priority)
}

/// A size in KiB or MiB.
pub(super) fn size(kib: u64) -> String {
    if kib >= 1024 { format!("{} MiB", kib / 1024) } else { format!("{kib} KiB") }
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
