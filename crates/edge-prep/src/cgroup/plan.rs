//! Plans the edit of the boot command line from the facts, by the rules at the head of the module above.

use edge_host::{Error, Plan, Result};

use super::Facts;
use super::cmdline::{self, MemoryOption};
use super::layout::Layout;
use super::live::{Live, Memory};

/// Of an image whose boot configuration was not found.
pub(super) const UNKNOWN: &str =
    "it is unknown whether the memory cgroup is on in this image: its boot command line was not found";

/// Plans the edit that turns the memory cgroup on, if one is needed. Returns whether a reboot is needed.
pub fn plan(facts: &Facts, plan: &mut Plan) -> Result<bool> {
    let option = match (facts.layout.memory_option(), &facts.live) {
        (Ok(option), _) => option,
        // It works now, so an unreadable boot configuration is not an error.
        (Err(error), Some(live)) if is_available(live.memory) => {
            plan.note(format!(
                "the memory cgroup is on, but it is unknown whether it persists across reboots: {error}"
            ));
            return Ok(false);
        }
        (Err(error), _) => return Err(error),
    };
    if needs_edit(option, facts) {
        if let Some(error) = missing_memcg(facts) {
            return Err(error);
        }
        if let Some(why) = &facts.volatile {
            return Err(Error::refused(format!(
                "cannot change the boot command line: the root file system is an overlay whose changes are lost on reboot ({why})"
            ))
            .hint("turn the read-only mode off (raspi-config or overlayroot), reboot, then run the command again"));
        }
        facts.layout.enable(facts.live.is_some(), plan)?;
        return Ok(facts.live.is_some());
    }
    let Some(live) = &facts.live else {
        if option == MemoryOption::Unknown {
            plan.note(UNKNOWN);
        }
        return Ok(false);
    };
    match live.memory {
        Memory::Off if cmdline::memory_option(&live.cmdline) == MemoryOption::Enabled => {
            plan.note(
                "the kernel was started with the option and does not have the memory cgroup; see why: edge-prep check",
            );
            Ok(false)
        }
        Memory::Off => {
            facts.layout.regenerate_if_outdated(plan);
            Ok(true)
        }
        Memory::NotDelegated | Memory::NotMounted => {
            plan.note("the memory controller is available but not in use; see why: edge-prep check");
            Ok(false)
        }
        Memory::On | Memory::Unknown => Ok(false),
    }
}

/// Whether the plan for an image leaves a manual step without which the memory cgroup is off at the next boot.
pub fn has_manual_step(facts: &Facts) -> bool {
    facts.live.is_none() && facts.layout.has_manual_step()
}

/// Adds a note where files are changed on a root file system whose changes are lost on reboot.
pub fn report_volatile_changes(volatile: Option<&str>, plan: &mut Plan) {
    if let Some(why) = volatile.filter(|_| plan.actions.iter().any(|action| action.path().is_some())) {
        plan.note(format!("the root file system is an overlay: these changes are lost on reboot ({why})"));
    }
}

/// Whether the kernel has the controller, in use or not.
pub(super) fn is_available(memory: Memory) -> bool {
    matches!(memory, Memory::On | Memory::NotDelegated | Memory::NotMounted)
}

fn needs_edit(option: MemoryOption, facts: &Facts) -> bool {
    match (option, &facts.live) {
        (MemoryOption::Enabled, _) => false,
        (MemoryOption::Disabled, _) => true,
        (MemoryOption::Unset | MemoryOption::Unknown, Some(live)) if is_available(live.memory) => {
            is_kernels_own(&facts.layout) && cmdline::memory_option(&live.cmdline) == MemoryOption::Enabled
        }
        (MemoryOption::Unset | MemoryOption::Unknown, Some(Live { memory: Memory::Off, .. })) => true,
        (MemoryOption::Unknown, _) => false,
        (MemoryOption::Unset, _) => facts.layout.is_off_by_default(),
    }
}

/// Whether the file that was read is certainly the one with the running kernel's command line.
fn is_kernels_own(layout: &Layout) -> bool {
    matches!(layout, Layout::Raspberry(_))
}

/// The error for a kernel that was built without the memory cgroup.
fn missing_memcg(facts: &Facts) -> Option<Error> {
    let (has_memcg, kernel) = match &facts.live {
        Some(live) => (live.has_memcg, format!("the kernel {}", live.release)),
        None => (facts.installed_has_memcg, "every kernel in /boot".to_owned()),
    };
    (has_memcg == Some(false)).then(|| {
        Error::failed(format!("cannot turn the memory cgroup on: {kernel} was built without CONFIG_MEMCG"))
            .hint("install a kernel with CONFIG_MEMCG=y, such as the distribution's own")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::layout::testing::{DropIn, debian_raspi, grub_with, raspberry};
    use crate::cgroup::layout::{ManualStep, Partition};
    use crate::cgroup::testing::{facts, live};
    use edge_host::Exit;

    const OFF: &str = "root=x\n";
    const ON: &str = "root=x cgroup_enable=memory\n";
    const FILE: &str = "/boot/firmware/cmdline.txt";
    const OLD: &str = "/boot/firmware/cmdline.txt.edgeutils-old";
    const EXTRA: &str = "/etc/default/raspi-extra-cmdline";
    const DROP_IN: &str = "/etc/default/grub.d/90-edgeutils.cfg";

    fn planned(facts: &Facts) -> (Vec<String>, bool) {
        let mut to = Plan::new();
        let reboot = plan(facts, &mut to).unwrap();
        let shown = |action: &edge_host::Action| {
            let path = action.path().map(|path| path.display().to_string());
            path.unwrap_or_else(|| action.verb().to_owned())
        };
        (to.actions.iter().map(shown).collect(), reboot)
    }

    fn refusal(facts: &Facts) -> Error {
        let mut to = Plan::new();
        let error = plan(facts, &mut to).unwrap_err();
        assert!(to.is_empty());
        error
    }

    #[test]
    fn plan_follows_from_the_kernel_and_the_configuration() {
        let pi = |text| raspberry(text, Partition::Writable);
        let edit = [OLD, FILE].as_slice();
        let grub_edit = [DROP_IN, "run"].as_slice();
        let (with_option, without) = ("a cgroup_disable=memory root=x cgroup_enable=memory", "a root=x");
        for (layout, memory, cmdline, expected, reboot) in [
            (pi(OFF), Memory::Off, without, edit, true),
            (pi(ON), Memory::Off, without, &[], true),
            (pi(ON), Memory::On, with_option, &[], false),
            (pi(ON), Memory::Off, with_option, &[], false),
            (pi(OFF), Memory::On, without, &[], false),
            (pi(OFF), Memory::On, with_option, edit, true),
            (pi("cgroup_disable=memory"), Memory::On, without, edit, true),
            (pi(OFF), Memory::NotDelegated, without, &[], false),
            (debian_raspi(OFF, OFF), Memory::Off, without, &[OLD, EXTRA, "run"], true),
            (debian_raspi(ON, OFF), Memory::Off, without, &["run"], true),
            (debian_raspi(ON, ON), Memory::Off, without, &[], true),
            (grub_with(DropIn::Absent), Memory::On, without, &[], false),
            (grub_with(DropIn::Absent), Memory::Off, without, grub_edit, true),
            (grub_with(DropIn::Present), Memory::Off, without, &["run"], true),
        ] {
            let facts = facts(layout, Some(live(memory, cmdline)));
            let (paths, needed) = planned(&facts);
            assert_eq!(
                (paths.as_slice(), needed),
                (&expected.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()[..], reboot),
                "{facts:?}"
            );
        }
        assert_eq!(
            planned(&facts(pi(OFF), None)),
            (vec![OLD.to_owned(), FILE.to_owned()], false),
            "no kernel runs in an image"
        );
    }

    #[test]
    fn plan_refuses_what_cannot_work_or_persist() {
        let off = || Some(live(Memory::Off, "root=x"));
        let error = refusal(&facts(raspberry(OFF, Partition::ReadOnly), off()));
        assert_eq!((error.exit(), error.hint_text()), (Exit::Refused, Some("mount -o remount,rw /boot/firmware")));

        let mut overlaid = facts(raspberry(OFF, Partition::Writable), off());
        overlaid.volatile = Some("boot=overlay in /proc/cmdline".to_owned());
        let error = refusal(&overlaid);
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.message().contains("lost on reboot"), "{error}");

        let mut without = facts(grub_with(DropIn::Absent), off());
        without.live.as_mut().unwrap().has_memcg = Some(false);
        assert_eq!(refusal(&without).exit(), Exit::Failed);

        let blocked = |live| facts(Layout::Blocked(Error::refused("cannot find it")), live);
        assert_eq!(refusal(&blocked(off())).message(), "cannot find it");
        assert_eq!(refusal(&blocked(None)).message(), "cannot find it");
        assert_eq!(planned(&blocked(Some(live(Memory::On, "")))), (vec![], false), "it works now");
        assert_eq!(refusal(&facts(Layout::Unknown, off())).exit(), Exit::Refused);

        let step = "rpm-ostree kargs --append-if-missing=cgroup_enable=memory".to_owned();
        let manual_step =
            ManualStep { name: "rpm-ostree", shown: None, option: MemoryOption::Unset, step: step.clone() };
        let error = refusal(&facts(Layout::ManualStep(manual_step), off()));
        assert_eq!((error.exit(), error.hint_text()), (Exit::Refused, Some(step.as_str())));
    }
}
