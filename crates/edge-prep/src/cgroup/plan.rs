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
