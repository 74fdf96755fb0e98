//! Armbian's zram: swap, /tmp and logs in one service, so that it cannot just be disabled.
//! Reported, not edited.

use std::path::Path;

use edge_host::{Result, Root};
use edge_systemd::{Scope, Units};

use super::manual_step::{ManualStep, is_yes, setting};
use super::{AfterReboot, Brings, SwapSource, text};

const FILE: &str = "/etc/default/armbian-zram-config";
const UNIT: &str = "armbian-zram-config.service";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    let units = Units::read(root, Scope::NextBoot)?;
    let unit = units.find(UNIT)?;
    let enabled = !unit.is_masked() && !units.links_to(&unit)?.is_empty();
    let (line, on) = on(&text);
    let after_reboot = if on && enabled { AfterReboot::Back } else { AfterReboot::Off };
    let why = match (on, enabled) {
        (true, true) => "made at each boot by armbian-zram-config.service",
        (true, false) => "armbian-zram-config.service is not enabled",
        (false, _) => "turned off",
    };
    let found = ManualStep {
        source: "Armbian zram",
        file: Path::new(FILE).to_path_buf(),
        line,
        what: UNIT.to_owned(),
        after_reboot,
        why: why.to_owned(),
        step: format!("set SWAP=false in {FILE}"),
    };
    Ok(vec![SwapSource { brings: Brings::Zram, ..found.found() }])
}

/// Whether swap is on: both switches are, unless the file says no.
fn on(text: &str) -> (Option<usize>, bool) {
    let switch = |key| setting(text, key);
    let (all, swap) = (switch("ENABLED"), switch("SWAP"));
    let yes = |switch: Option<(usize, &str)>| switch.is_none_or(|(_, value)| is_yes(value));
    (swap.or(all).map(|(line, _)| line), yes(all) && yes(swap))
}

#[cfg(test)]
mod tests {
    use super::on;

    #[test]
    fn swap_is_on_unless_the_file_says_no() {
        for (text, want) in [
            ("", (None, true)),
            ("# SWAP=false\nENABLED=true\n", (Some(2), true)),
            ("ENABLED=true\nSWAP=false\n", (Some(2), false)),
            ("ENABLED=false\n", (Some(1), false)),
            ("SWAP=\"true\"\n", (Some(1), true)),
        ] {
            assert_eq!(on(text), want, "{text:?}");
        }
    }
}
