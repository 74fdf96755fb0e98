//! What `status` and `check` report about the memory cgroup: its state, and the file or layer that causes it.

use edge_host::{Error, Exit, Finding, Severity, StatusLine};

use super::Facts;
use super::cmdline::{self, DISABLE, ENABLE, MemoryOption};
use super::layout::Layout;
use super::live::{BOOTARGS, Hierarchy, Live, Memory};
use super::plan::UNKNOWN;
use crate::report::finding;

/// Turns the memory cgroup on.
const TURN_ON: &str = "edge-prep apply --memory-cgroup on";

const OBJECT: &str = "memory cgroup";
const COMMAND_LINE: &str = "boot command line";
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";
const SUBTREE: &str = "/sys/fs/cgroup/cgroup.subtree_control";
const MOUNTINFO: &str = "/proc/self/mountinfo";
/// Options that turn cgroup v1 on.
const V1_OPTIONS: [&str; 4] = [
    "systemd.unified_cgroup_hierarchy=0",
    "systemd.unified_cgroup_hierarchy=no",
    "systemd.unified_cgroup_hierarchy=false",
    "systemd.legacy_systemd_cgroup_controller=yes",
];

/// What turns the memory cgroup on: a layout that is not edited has its own step.
fn turn_on(facts: &Facts) -> &str {
    match &facts.layout {
        layout if facts.live.is_none() && layout.generate_step().is_some() => {
            layout.generate_step().unwrap_or_default()
        }
        Layout::ManualStep(manual_step) => &manual_step.step,
        Layout::Unknown => "remove the option where the boot loader sets it, then reboot",
        _ => TURN_ON,
    }
}

/// The lines of `status`.
pub fn status(facts: &Facts) -> Vec<StatusLine> {
    let mut lines = vec![running(facts)];
    lines.push(configured(facts));
    if let Some(live) = &facts.live {
        let words = live.cmdline.split_whitespace();
        if let Some(word) = words.into_iter().find(|word| V1_OPTIONS.contains(word)) {
            lines.push(line("cgroups", "v1", None, &format!("requested by {word}; kubelet 1.35 refuses cgroup v1")));
        }
    }
    if let Some(why) = &facts.volatile {
        lines.push(line("root file system", "overlay", None, &format!("changes are lost on reboot: {why}")));
    }
    lines
}

fn line(object: &str, state: &str, source: Option<String>, text: &str) -> StatusLine {
    StatusLine { source, ..StatusLine::new(object, state, text) }
}

fn running(facts: &Facts) -> StatusLine {
    let Some(live) = &facts.live else {
        return line(OBJECT, "unknown", None, "no kernel runs in an image");
    };
    let version = match live.hierarchy {
        Hierarchy::V2 => "cgroup v2",
        Hierarchy::Hybrid => "cgroup v1 and v2 (hybrid)",
        Hierarchy::V1 => "cgroup v1",
        Hierarchy::NotMounted => "no cgroup file system is mounted",
    };
    let source = if live.hierarchy == Hierarchy::V2 { CONTROLLERS } else { MOUNTINFO };
    let (state, text) = match live.memory {
        Memory::On => ("on", version.to_owned()),
        Memory::NotDelegated => {
            ("inactive", format!("{version}; not enabled in cgroup.subtree_control of the root cgroup"))
        }
        Memory::NotMounted => ("unmounted", version.to_owned()),
        Memory::Off => ("off", format!("{version}; {}", why_off(facts, live).text)),
        Memory::Unknown => ("unknown", version.to_owned()),
    };
    line(OBJECT, state, Some(source.to_owned()), &text)
}

fn configured(facts: &Facts) -> StatusLine {
    let layout = &facts.layout;
    let name = layout.name();
    match layout.memory_option() {
        Ok(MemoryOption::Unknown) => line(COMMAND_LINE, "unknown", layout.source(), name),
        Ok(MemoryOption::Enabled) => {
            line(COMMAND_LINE, "enabled", layout.source(), &format!("{name}; turns the memory cgroup on"))
        }
        Ok(MemoryOption::Disabled) => {
            line(COMMAND_LINE, "disabled", layout.source(), &format!("{name}; turns the memory cgroup off"))
        }
        Ok(MemoryOption::Unset) => {
            let (kernels, state) =
                if layout.is_off_by_default() { ("these kernels", "off") } else { ("generic kernels", "on") };
            let text = format!("{name}; no memory-cgroup option, {kernels} have it {state} by default");
            line(COMMAND_LINE, "unset", layout.source(), &text)
        }
        Err(error) => line(COMMAND_LINE, "unknown", layout.source(), &with_hint(&error)),
    }
}

fn with_hint(error: &Error) -> String {
    error.hint_text().map_or(error.to_string(), |hint| format!("{error} ({hint})"))
}

/// Why the boot command line is unknown: it could not be read, which is not a finding. It does not
/// matter where the memory cgroup works now.
pub fn unreadable(facts: &Facts) -> Option<Error> {
    let is_available = facts.live.as_ref().is_some_and(|live| super::plan::is_available(live.memory));
    facts.layout.memory_option().err().filter(|error| error.exit() == Exit::Failed && !is_available)
}

/// Why the memory cgroup is off or will be, with the file or layer that causes it.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let option = facts.layout.memory_option();
    match &facts.live {
        Some(live) => match live.memory {
            Memory::On => {}
            Memory::Off => findings.push(why_off(facts, live)),
            Memory::NotDelegated => findings.push(finding(
                "the memory controller is available, but not enabled for the children of the root cgroup",
                Some(SUBTREE),
                "echo +memory > /sys/fs/cgroup/cgroup.subtree_control",
            )),
            Memory::NotMounted => findings.push(finding(
                "the memory controller is available, but not mounted",
                Some(MOUNTINFO),
                "mkdir -p /sys/fs/cgroup/memory && mount -t cgroup -o memory memory /sys/fs/cgroup/memory",
            )),
            Memory::Unknown => findings.push(finding(
                "it is unknown whether the memory cgroup is on: no cgroup file system is mounted",
                Some(MOUNTINFO),
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            )),
        },
        None => match &option {
            Ok(MemoryOption::Unset) if facts.layout.is_off_by_default() => findings.push(finding(
                "the boot command line does not turn the memory cgroup on",
                facts.layout.source().as_deref(),
                turn_on(facts),
            )),
            Ok(MemoryOption::Unknown) => {
                findings.push(Finding::warning("", UNKNOWN).hint("when the machine runs, use edge-prep check there"))
            }
            Err(error) => findings.push(of_error(error)),
            _ => {}
        },
    }
    match (&facts.live, &option) {
        (Some(live), Err(error)) if super::plan::is_available(live.memory) => {
            let text =
                format!("the memory cgroup is on, but it is unknown whether it persists across reboots: {error}");
            findings.push(Finding { severity: Severity::Warning, text, ..of_error(error) });
        }
        (Some(live), Err(error)) if live.memory == Memory::Unknown => findings.push(of_error(error)),
        _ => {}
    }
    let is_off = facts.live.as_ref().is_some_and(|live| live.memory == Memory::Off);
    if option == Ok(MemoryOption::Disabled) && !is_off {
        findings.push(finding(
            "the memory cgroup will be off after a reboot: the boot command line disables it",
            facts.layout.source().as_deref(),
            turn_on(facts),
        ));
    }
    findings
}

/// The boot command line was not found or cannot be edited: the same text as in `status`.
fn of_error(error: &Error) -> Finding {
    Finding { hint: error.hint_text().map(str::to_owned), ..Finding::error("", error.to_string()) }
}

/// Why a running kernel does not have it: its build, its command line, or the device tree.
fn why_off(facts: &Facts, live: &Live) -> Finding {
    if live.has_memcg == Some(false) {
        return finding(
            format!("the kernel {} was built without CONFIG_MEMCG", live.release),
            Some("kernel configuration"),
            "install a kernel with CONFIG_MEMCG=y, such as the distribution's own",
        );
    }
    let booted = cmdline::memory_option(&live.cmdline);
    let was_disabled = cmdline::count(&live.cmdline, DISABLE) > 0 || cmdline::disables_in_list(&live.cmdline);
    let configured = facts.layout.memory_option();
    let file = facts.layout.source().unwrap_or_else(|| facts.layout.name().to_owned());
    match (booted, &configured) {
        (MemoryOption::Enabled, _) if was_disabled => finding(
            format!("the kernel {} was started with {DISABLE} and does not support {ENABLE}", live.release),
            Some("device tree bootargs"),
            "install Raspberry Pi's kernel, or remove the option from /chosen/bootargs of the device tree with fdtput",
        ),
        (MemoryOption::Enabled, _) => finding(
            format!("the kernel {} was started with {ENABLE} and does not have the memory cgroup", live.release),
            Some("kernel configuration"),
            "install a kernel with CONFIG_MEMCG=y; see this one's: zgrep CONFIG_MEMCG /proc/config.gz",
        ),
        (_, Err(error)) => of_error(error),
        // Before the device tree: this kernel was started without the option in the file.
        (_, Ok(MemoryOption::Enabled)) => finding(
            format!("the running kernel was started without the option in {file}"),
            Some(&file),
            "reboot; if that does not help, the firmware or boot loader reads a different file",
        ),
        (MemoryOption::Disabled, Ok(MemoryOption::Disabled)) => {
            finding("the boot command line disables the memory cgroup", Some(&file), turn_on(facts))
        }
        (MemoryOption::Disabled, _) => {
            let from_tree =
                live.bootargs.as_deref().is_some_and(|words| cmdline::memory_option(words) == MemoryOption::Disabled);
            let layer = if from_tree { BOOTARGS.to_owned() } else { "boot loader".to_owned() };
            let text = match &facts.layout {
                Layout::Unknown => format!("the kernel was started with {DISABLE}"),
                _ => format!("the kernel was started with {DISABLE}, which is not in {file}"),
            };
            finding(text, Some(&layer), turn_on(facts))
        }
        (MemoryOption::Unset | MemoryOption::Unknown, _)
            if matches!(facts.layout, Layout::Raspberry(_) | Layout::DebianRaspi(_)) =>
        {
            finding("this kernel has the memory cgroup off by default", Some(&file), turn_on(facts))
        }
        (MemoryOption::Unset | MemoryOption::Unknown, _) => finding(
            format!("the kernel {} does not have the memory cgroup, and no option disables it", live.release),
            Some("kernel configuration"),
            "install a kernel with CONFIG_MEMCG=y; see this one's: zgrep CONFIG_MEMCG /proc/config.gz",
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
    fn findings_name_the_cause() {
        let pi = |text| raspberry(text, Partition::Writable);
        let (off, on, against) = ("root=x", "root=x cgroup_enable=memory", "cgroup_disable=memory root=x");
        for (layout, cmdline, place, text) in [
            (pi(off), off, FILE, "this kernel has the memory cgroup off by default"),
            (pi(off), against, TREE, "the kernel was started with cgroup_disable=memory, which is not in"),
            (pi(against), against, FILE, "the boot command line disables the memory cgroup"),
            (pi(on), against, FILE, "the running kernel was started without the option"),
            (
                pi(on),
                "cgroup_disable=memory root=x cgroup_enable=memory",
                "device tree bootargs",
                "does not support cgroup_enable=memory",
            ),
            (pi(on), on, "kernel configuration", "and does not have the memory cgroup"),
            (grub_with(DropIn::Absent), off, "kernel configuration", "no option disables it"),
            (grub_with(DropIn::Absent), against, TREE, "which is not in"),
        ] {
            let facts = facts(layout, Some(live(Memory::Off, cmdline)));
            let findings = findings(&facts);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].file, place, "{findings:?}");
            assert!(findings[0].text.contains(text), "{findings:?}");
            assert!(status(&facts)[0].text.contains(text), "{:?}", status(&facts));
        }
        let mut without = facts(pi(on), Some(live(Memory::Off, on)));
        without.live.as_mut().unwrap().has_memcg = Some(false);
        assert_eq!(findings(&without)[0].file, "kernel configuration");
    }

    #[test]
    fn findings_of_an_unmounted_partition_have_the_text_of_status() {
        let cause = "cannot find the boot command line: PARTUUID=1 is not mounted at /boot/firmware as in /etc/fstab";
        let blocked = || Layout::Blocked(Error::refused(cause).hint("mount /boot/firmware"));
        for (memory, severity) in
            [(Memory::Off, Severity::Error), (Memory::Unknown, Severity::Error), (Memory::On, Severity::Warning)]
        {
            let facts = facts(blocked(), Some(live(memory, "root=x")));
            let status = status(&facts);
            assert_eq!((status[1].state.as_str(), status[1].text.starts_with(cause)), ("unknown", true), "{status:?}");
            let findings = findings(&facts);
            let found = findings.last().unwrap();
            assert!(found.text.ends_with(cause), "{found:?}");
            assert_eq!((found.severity, found.hint.as_deref()), (severity, Some("mount /boot/firmware")), "{memory:?}");
        }
    }

    #[test]
    fn findings_include_what_will_be_off_after_a_reboot() {
        let pi = |text| raspberry(text, Partition::Writable);
        assert!(findings(&facts(pi("a"), Some(live(Memory::On, "a")))).is_empty());
        let later = findings(&facts(pi("cgroup_disable=memory"), Some(live(Memory::On, "a"))));
        assert!(later[0].text.contains("will be off after a reboot"), "{later:?}");
        for memory in [Memory::NotDelegated, Memory::NotMounted, Memory::Unknown] {
            assert_eq!(findings(&facts(pi("a"), Some(live(memory, "a")))).len(), 1, "{memory:?}");
        }
        let old = live(Memory::On, "systemd.unified_cgroup_hierarchy=0");
        assert!(status(&facts(pi("a"), Some(old))).iter().any(|line| line.text.contains("kubelet 1.35")));
    }
}
