//! From facts to the plan: pure. The rule stands at the top of the module above.

use edge_host::{Error, Plan, Result};

use super::cmdline::{self, Said};
use super::layout::{Fallback, Layout, Where};
use super::live::{Built, Live, Memory};
use super::{Facts, Overlay, Reboot};
use crate::wanted::MemoryCgroup;

/// Plans the edit, if one is needed; says whether a reboot is.
pub fn plan(facts: &Facts, wanted: MemoryCgroup, plan: &mut Plan) -> Result<Reboot> {
    if wanted == MemoryCgroup::Keep {
        return Ok(Reboot::No);
    }
    let said = match (facts.layout.said(), &facts.live) {
        (Ok(said), _) => said,
        // It works now, and what cannot be looked at is no reason to stop.
        (Err(error), Some(live)) if is_there(live.memory) => {
            plan.note(format!("the memory cgroup is on; whether it stays so cannot be told: {error}"));
            return Ok(Reboot::No);
        }
        (Err(error), _) => return Err(error),
    };
    if needs_edit(said, facts) {
        if let Some(error) = hopeless(facts) {
            return Err(error);
        }
        if let Overlay::Volatile(why) = &facts.overlay {
            return Err(Error::refused(format!(
                "cannot change the boot command line: the root file system is an overlay that forgets changes at reboot ({why})"
            ))
            .hint("turn the read-only mode off first (raspi-config, or overlayroot), reboot, and run again"));
        }
        let place = if facts.live.is_some() { Where::Live } else { Where::Image };
        facts.layout.enable(place, plan)?;
        return Ok(facts.live.as_ref().map_or(Reboot::No, |_| Reboot::Needed));
    }
    let Some(live) = &facts.live else { return Ok(Reboot::No) };
    match live.memory {
        Memory::Off if cmdline::said(&live.cmdline) == Said::Enabled => {
            plan.note("this kernel was asked for the memory cgroup and does not have it: `edge-prep verify` says why");
            Ok(Reboot::No)
        }
        Memory::Off => {
            facts.layout.bring_over(plan);
            Ok(Reboot::Needed)
        }
        Memory::NotDelegated | Memory::NotMounted => {
            plan.note("the memory controller is there but not in use: `edge-prep verify` says what to do");
            Ok(Reboot::No)
        }
        Memory::On | Memory::Unknown => Ok(Reboot::No),
    }
}

/// Says so where files are changed that will be as before after the next boot.
pub fn report_volatile_changes(overlay: &Overlay, plan: &mut Plan) {
    match overlay {
        Overlay::Volatile(why) if plan.actions.iter().any(|action| action.path().is_some()) => {
            plan.note(format!("the root file system is an overlay: these changes are gone at the next boot ({why})"));
        }
        _ => {}
    }
}

/// Whether the kernel has the controller, in use or not.
pub(super) fn is_there(memory: Memory) -> bool {
    matches!(memory, Memory::On | Memory::NotDelegated | Memory::NotMounted)
}

fn needs_edit(said: Said, facts: &Facts) -> bool {
    match (said, &facts.live) {
        (Said::Enabled, _) => false,
        (Said::Disabled, _) => true,
        (Said::Nothing, Some(live)) if is_there(live.memory) => {
            is_known(&facts.layout) && cmdline::said(&live.cmdline) == Said::Enabled
        }
        (Said::Nothing, Some(Live { memory: Memory::Off, .. })) => true,
        (Said::Nothing, _) => facts.layout.fallback() == Fallback::Off,
    }
}

/// Whether the file that was read is surely the one that the kernel's words come from.
fn is_known(layout: &Layout) -> bool {
    matches!(layout, Layout::Raspberry(_))
}

/// A kernel that cannot have it.
fn hopeless(facts: &Facts) -> Option<Error> {
    let (built, which) = match &facts.live {
        Some(live) => (live.built, format!("the kernel {}", live.release)),
        None => (facts.installed, "every kernel in /boot".to_owned()),
    };
    (built == Some(Built::Without)).then(|| {
        Error::failed(format!("cannot turn the memory cgroup on: {which} was built without it (CONFIG_MEMCG)"))
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

    fn planned(facts: &Facts) -> (Vec<String>, Reboot) {
        let mut to = Plan::new();
        let reboot = plan(facts, MemoryCgroup::On, &mut to).unwrap();
        let shown = |action: &edge_host::Action| {
            let path = action.path().map(|path| path.display().to_string());
            path.unwrap_or_else(|| action.verb().to_owned())
        };
        (to.actions.iter().map(shown).collect(), reboot)
    }

    fn refusal(facts: &Facts) -> Error {
        let mut to = Plan::new();
        let error = plan(facts, MemoryCgroup::On, &mut to).unwrap_err();
        assert!(to.is_empty());
        error
    }

    #[test]
    fn what_the_kernel_has_and_what_lasts_decide() {
        let pi = |text| raspberry(text, Partition::Writable);
        let edit = [OLD, FILE].as_slice();
        let grub_edit = [DROP_IN, "run"].as_slice();
        let (told, quiet) = ("a cgroup_disable=memory root=x cgroup_enable=memory", "a root=x");
        for (layout, memory, cmdline, want, reboot) in [
            (pi(OFF), Memory::Off, quiet, edit, Reboot::Needed),
            (pi(ON), Memory::Off, quiet, &[], Reboot::Needed),
            (pi(ON), Memory::On, told, &[], Reboot::No),
            (pi(ON), Memory::Off, told, &[], Reboot::No),
            (pi(OFF), Memory::On, quiet, &[], Reboot::No),
            (pi(OFF), Memory::On, told, edit, Reboot::Needed),
            (pi("cgroup_disable=memory"), Memory::On, quiet, edit, Reboot::Needed),
            (pi(OFF), Memory::NotDelegated, quiet, &[], Reboot::No),
            (debian_raspi(OFF, OFF), Memory::Off, quiet, &[OLD, EXTRA, "run"], Reboot::Needed),
            (debian_raspi(ON, OFF), Memory::Off, quiet, &["run"], Reboot::Needed),
            (debian_raspi(ON, ON), Memory::Off, quiet, &[], Reboot::Needed),
            (grub_with(DropIn::Absent), Memory::On, quiet, &[], Reboot::No),
            (grub_with(DropIn::Absent), Memory::Off, quiet, grub_edit, Reboot::Needed),
            (grub_with(DropIn::Stands), Memory::Off, quiet, &["run"], Reboot::Needed),
        ] {
            let facts = facts(layout, Some(live(memory, cmdline)));
            let (paths, needed) = planned(&facts);
            assert_eq!(
                (paths.as_slice(), needed),
                (&want.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()[..], reboot),
                "{facts:?}"
            );
        }
        let mut to = Plan::new();
        let image = facts(pi(OFF), None);
        assert_eq!(plan(&image, MemoryCgroup::Keep, &mut to).unwrap(), Reboot::No);
        assert!(to.is_empty(), "kept as it is");
        assert_eq!(planned(&image), (vec![OLD.to_owned(), FILE.to_owned()], Reboot::No), "an image runs no kernel");
    }

    #[test]
    fn what_cannot_work_or_last_is_refused() {
        let off = || Some(live(Memory::Off, "root=x"));
        let error = refusal(&facts(raspberry(OFF, Partition::ReadOnly), off()));
        assert_eq!((error.exit(), error.hint_text()), (Exit::Refused, Some("mount -o remount,rw /boot/firmware")));

        let mut overlaid = facts(raspberry(OFF, Partition::Writable), off());
        overlaid.overlay = Overlay::Volatile("boot=overlay in /proc/cmdline".to_owned());
        let error = refusal(&overlaid);
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.message().contains("forgets changes at reboot"), "{error}");

        let mut without = facts(grub_with(DropIn::Absent), off());
        without.live.as_mut().unwrap().built = Some(Built::Without);
        assert_eq!(refusal(&without).exit(), Exit::Failed);

        let blocked = |live| facts(Layout::Blocked(Error::refused("cannot find it")), live);
        assert_eq!(refusal(&blocked(off())).message(), "cannot find it");
        assert_eq!(refusal(&blocked(None)).message(), "cannot find it");
        assert_eq!(planned(&blocked(Some(live(Memory::On, "")))), (vec![], Reboot::No), "it works now");
        assert_eq!(refusal(&facts(Layout::Unknown, off())).exit(), Exit::Refused);

        let step = "rpm-ostree kargs --append-if-missing=cgroup_enable=memory".to_owned();
        let by_hand = ManualStep { name: "rpm-ostree", shown: None, said: Said::Nothing, step: step.clone() };
        let error = refusal(&facts(Layout::ManualStep(by_hand), off()));
        assert_eq!((error.exit(), error.hint_text()), (Exit::Refused, Some(step.as_str())));
    }
}
