//! Armbian's zram: swap, /tmp and logs in one service, which therefore cannot be disabled as a whole.
//! Reported, not edited.

use edge_host::{Result, Root};
use edge_systemd::{Scope, Units};

use super::key_value::{is_yes, last_value};
use super::{AtBoot, Devices, SwapSource, show, text};

const FILE: &str = "/etc/default/armbian-zram-config";
const UNIT: &str = "armbian-zram-config.service";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    let units = Units::read(root, Scope::NextBoot)?;
    let unit = units.find(UNIT)?;
    let is_enabled = !unit.is_masked() && !units.links_to(&unit)?.is_empty();
    let (line, is_on) = swap_setting(&text);
    let (at_boot, why) = match (is_on, is_enabled) {
        (true, true) => (AtBoot::Enabled, "armbian-zram-config.service creates it at every boot"),
        (true, false) => (AtBoot::Disabled, "armbian-zram-config.service is not enabled"),
        (false, _) => (AtBoot::Disabled, "turned off in this file"),
    };
    let found = SwapSource::new("Armbian zram", FILE, UNIT, at_boot).because(why);
    let found = found.manual_step(format!("set SWAP=false in {}", show(root, FILE)));
    Ok(vec![SwapSource { line, devices: Devices::AnyZram, ..found }])
}

/// Whether the file turns swap on, and its line; both settings are on by default.
fn swap_setting(text: &str) -> (Option<usize>, bool) {
    let switch = |key| last_value(text, key);
    let (all, swap) = (switch("ENABLED"), switch("SWAP"));
    let yes = |switch: Option<(usize, &str)>| switch.is_none_or(|(_, value)| is_yes(value));
    (swap.or(all).map(|(line, _)| line), yes(all) && yes(swap))
}

#[cfg(test)]
mod tests {
    use super::swap_setting;

    #[test]
    fn swap_setting_is_on_by_default() {
        for (text, expected) in [
            ("", (None, true)),
            ("# SWAP=false\nENABLED=true\n", (Some(2), true)),
            ("ENABLED=true\nSWAP=false\n", (Some(2), false)),
            ("ENABLED=false\n", (Some(1), false)),
            ("SWAP=\"true\"\n", (Some(1), true)),
        ] {
            assert_eq!(swap_setting(text), expected, "{text:?}");
        }
    }
}
