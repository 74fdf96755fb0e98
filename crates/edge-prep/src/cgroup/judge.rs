//! What `status` and `verify` say of the memory cgroup: how it is, and which layer made it so.

use edge_host::{Error, Exit, Finding, StatusLine};

use super::cmdline::{self, DISABLE, ENABLE, Said};
use super::layout::{Fallback, Layout};
use super::live::{BOOTARGS, Built, Hierarchy, Live, Memory};
use super::{Facts, Overlay};
use crate::report;
use crate::wanted::MemoryCgroup;

/// What puts the memory cgroup right.
const TURN_ON: &str = "edge-prep apply --memory-cgroup on";

const OBJECT: &str = "memory cgroup";
const COMMAND_LINE: &str = "boot command line";
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";
const SUBTREE: &str = "/sys/fs/cgroup/cgroup.subtree_control";
const MOUNTINFO: &str = "/proc/self/mountinfo";
/// Words that bring the old cgroups back.
const REMNANTS: [&str; 4] = [
    "systemd.unified_cgroup_hierarchy=0",
    "systemd.unified_cgroup_hierarchy=no",
    "systemd.unified_cgroup_hierarchy=false",
    "systemd.legacy_systemd_cgroup_controller=yes",
];

/// What `status` says.
pub fn status(facts: &Facts) -> Vec<StatusLine> {
    let mut lines = vec![running(facts)];
    lines.push(lasting(facts));
    if let Some(live) = &facts.live {
        let words = live.cmdline.split_whitespace();
        if let Some(word) = words.into_iter().find(|word| REMNANTS.contains(word)) {
            lines.push(line("cgroups", "old form", None, &format!("{word} asks for it, and kubelet 1.35 refuses it")));
        }
    }
    if let Overlay::Volatile(why) = &facts.overlay {
        lines.push(line("root file system", "overlay", None, &format!("changes are gone at the next boot: {why}")));
    }
    lines
}

fn line(object: &str, state: &str, source: Option<String>, text: &str) -> StatusLine {
    StatusLine { source, ..StatusLine::new(object, state, text) }
}

fn running(facts: &Facts) -> StatusLine {
    let Some(live) = &facts.live else {
        return line(OBJECT, "unknown", None, "an image runs no kernel");
    };
    let version = match live.hierarchy {
        Hierarchy::V2 => "cgroup v2",
        Hierarchy::Hybrid => "cgroup v1 and v2 side by side",
        Hierarchy::V1 => "cgroup v1",
        Hierarchy::Nowhere => "no cgroup file system is mounted",
    };
    let source = if live.hierarchy == Hierarchy::V2 { CONTROLLERS } else { MOUNTINFO };
    let (state, text) = match live.memory {
        Memory::On => ("on", version.to_owned()),
        Memory::NotDelegated => ("not in use", format!("{version}; the root of the tree does not hand it down")),
        Memory::NotMounted => ("not mounted", version.to_owned()),
        Memory::Off => ("off", format!("{version}; {}", why_off(facts, live).text)),
        Memory::Unknown => ("unknown", version.to_owned()),
    };
    line(OBJECT, state, Some(source.to_owned()), &text)
}

fn lasting(facts: &Facts) -> StatusLine {
    let layout = &facts.layout;
    let name = layout.name();
    match layout.said() {
        Ok(Said::Enabled) => line(COMMAND_LINE, "enables it", layout.source(), name),
        Ok(Said::Disabled) => line(COMMAND_LINE, "disables it", layout.source(), name),
        Ok(Said::Nothing) => {
            let text = match layout.fallback() {
                Fallback::Off => format!("{name}; these kernels have it off unless they are asked"),
                Fallback::On => format!("{name}; generic kernels have it on"),
            };
            line(COMMAND_LINE, "says nothing", layout.source(), &text)
        }
        Err(error) => line(COMMAND_LINE, "unknown", layout.source(), &with_hint(&error)),
    }
}

fn with_hint(error: &Error) -> String {
    error.hint_text().map_or(error.to_string(), |hint| format!("{error} ({hint})"))
}

/// Why nothing can be said of the boot command line: it could not be read, which is not the same as
/// a fault. What works now needs no look at it.
pub fn unreadable(facts: &Facts) -> Option<Error> {
    let is_there = facts.live.as_ref().is_some_and(|live| super::plan::is_there(live.memory));
    facts.layout.said().err().filter(|error| error.exit() == Exit::Failed && !is_there)
}

/// What is not as wanted, and which layer made it so.
pub fn faults(facts: &Facts, wanted: MemoryCgroup) -> Vec<Finding> {
    if wanted == MemoryCgroup::Keep {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let said = facts.layout.said();
    match &facts.live {
        Some(live) => match live.memory {
            Memory::On => {}
            Memory::Off => faults.push(why_off(facts, live)),
            Memory::NotDelegated => faults.push(fault(
                "the memory controller is there, but the root of the cgroup tree does not hand it down",
                SUBTREE,
                "systemd does it where a unit has MemoryAccounting=yes; by hand: \
                 echo +memory > /sys/fs/cgroup/cgroup.subtree_control",
            )),
            Memory::NotMounted => faults.push(fault(
                "the memory controller is there, but mounted nowhere",
                MOUNTINFO,
                "mount -t cgroup -o memory memory /sys/fs/cgroup/memory, or a boot with systemd",
            )),
            Memory::Unknown => faults.push(fault(
                "it cannot be told whether the memory cgroup is on: no cgroup file system is mounted",
                MOUNTINFO,
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            )),
        },
        None => match &said {
            Ok(Said::Nothing) if facts.layout.fallback() == Fallback::Off => faults.push(not_asked(facts)),
            Err(error) => {
                let hint = error.hint_text().map(str::to_owned);
                faults.push(Finding { hint, ..Finding::error("", error.to_string()) });
            }
            _ => {}
        },
    }
    let is_off = facts.live.as_ref().is_some_and(|live| live.memory == Memory::Off);
    if said == Ok(Said::Disabled) && !is_off {
        faults.push(report::fault(
            "the memory cgroup will be off after a reboot: the command line disables it",
            facts.layout.source().as_deref(),
            TURN_ON,
        ));
    }
    faults
}

fn not_asked(facts: &Facts) -> Finding {
    let layer = facts.layout.source();
    report::fault("the command line does not ask for the memory cgroup", layer.as_deref(), TURN_ON)
}

fn fault(what: &str, layer: &str, hint: &str) -> Finding {
    report::fault(what, Some(layer), hint)
}

/// Why a running kernel is without it: its build, its command line, the device tree, or itself.
fn why_off(facts: &Facts, live: &Live) -> Finding {
    if live.built == Some(Built::Without) {
        return fault(
            &format!("the kernel {} was built without the memory cgroup (CONFIG_MEMCG)", live.release),
            "kernel configuration",
            "install a kernel with CONFIG_MEMCG=y, such as the distribution's own",
        );
    }
    let booted = cmdline::said(&live.cmdline);
    let was_disabled = cmdline::count(&live.cmdline, DISABLE) > 0 || cmdline::disables_in_list(&live.cmdline);
    let lasting = facts.layout.said();
    let file = facts.layout.source().unwrap_or_else(|| facts.layout.name().to_owned());
    match (booted, &lasting) {
        (Said::Enabled, _) if was_disabled => fault(
            &format!("the kernel {} was told {DISABLE} and does not know {ENABLE}", live.release),
            "device tree bootargs",
            "a generic kernel with Raspberry Pi's device tree: install Raspberry Pi's kernel, or take the word out of \
             /chosen/bootargs of the .dtb with fdtput",
        ),
        (Said::Enabled, _) => fault(
            &format!("the kernel {} was told {ENABLE} and does not have the memory cgroup", live.release),
            "kernel configuration",
            "look for CONFIG_MEMCG in its configuration (zcat /proc/config.gz); another kernel is needed if it is not set",
        ),
        // Before the device tree: what is asked for in the file was never handed to this kernel.
        (_, Ok(Said::Enabled)) => fault(
            &format!("{file} asks for the memory cgroup, and the running kernel was not told"),
            &file,
            "reboot; if that was done, the firmware or boot loader reads another file than this one",
        ),
        (Said::Disabled, Ok(Said::Disabled)) => fault("the command line disables the memory cgroup", &file, TURN_ON),
        (Said::Disabled, _) => {
            let from_tree = live.bootargs.as_deref().is_some_and(|words| cmdline::said(words) == Said::Disabled);
            let layer = if from_tree { BOOTARGS.to_owned() } else { "boot loader".to_owned() };
            fault(&format!("the kernel was told {DISABLE}, which does not stand in {file}"), &layer, TURN_ON)
        }
        (Said::Nothing, _) if matches!(facts.layout, Layout::Raspberry(_) | Layout::DebianRaspi(_)) => {
            fault("this kernel has it off unless it is asked", &file, TURN_ON)
        }
        (Said::Nothing, _) => fault(
            &format!("the kernel {} does not have the memory cgroup, and nothing disables it", live.release),
            "kernel configuration",
            "look for CONFIG_MEMCG in its configuration; another kernel is needed if it is not set",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::layout::Partition;
    use crate::cgroup::layout::testing::{DropIn, grub_with, raspberry};
    use crate::cgroup::testing::{facts, live};

    const FILE: &str = "/boot/firmware/cmdline.txt";
    const TREE: &str = "/proc/device-tree/chosen/bootargs";

    #[test]
    fn the_layer_that_made_it_so_is_named() {
        let pi = |text| raspberry(text, Partition::Writable);
        let (off, on, against) = ("root=x", "root=x cgroup_enable=memory", "cgroup_disable=memory root=x");
        for (layout, cmdline, layer, what) in [
            (pi(off), off, FILE, "this kernel has it off unless it is asked"),
            (pi(off), against, TREE, "the kernel was told cgroup_disable=memory, which does not stand in"),
            (pi(against), against, FILE, "the command line disables the memory cgroup"),
            (pi(on), against, FILE, "asks for the memory cgroup, and the running kernel was not told"),
            (
                pi(on),
                "cgroup_disable=memory root=x cgroup_enable=memory",
                "device tree bootargs",
                "does not know cgroup_enable=memory",
            ),
            (pi(on), on, "kernel configuration", "and does not have the memory cgroup"),
            (grub_with(DropIn::Absent), off, "kernel configuration", "nothing disables it"),
            (grub_with(DropIn::Absent), against, TREE, "which does not stand in"),
        ] {
            let facts = facts(layout, Some(live(Memory::Off, cmdline)));
            let faults = faults(&facts, MemoryCgroup::On);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].file, layer, "{faults:?}");
            assert!(faults[0].text.contains(what), "{faults:?}");
            assert!(status(&facts)[0].text.contains(what), "{:?}", status(&facts));
        }
        let mut without = facts(pi(on), Some(live(Memory::Off, on)));
        without.live.as_mut().unwrap().built = Some(Built::Without);
        let all = faults(&without, MemoryCgroup::On);
        assert_eq!(all[0].file, "kernel configuration");
        assert!(faults(&without, MemoryCgroup::Keep).is_empty());
    }

    #[test]
    fn what_works_now_and_will_not_is_a_fault_too() {
        let pi = |text| raspberry(text, Partition::Writable);
        assert!(faults(&facts(pi("a"), Some(live(Memory::On, "a"))), MemoryCgroup::On).is_empty());
        let later = faults(&facts(pi("cgroup_disable=memory"), Some(live(Memory::On, "a"))), MemoryCgroup::On);
        assert!(later[0].text.contains("will be off after a reboot"), "{later:?}");
        for memory in [Memory::NotDelegated, Memory::NotMounted, Memory::Unknown] {
            assert_eq!(faults(&facts(pi("a"), Some(live(memory, "a"))), MemoryCgroup::On).len(), 1, "{memory:?}");
        }
        let old = live(Memory::On, "systemd.unified_cgroup_hierarchy=0");
        assert!(status(&facts(pi("a"), Some(old))).iter().any(|line| line.text.contains("kubelet 1.35")));
    }
}
