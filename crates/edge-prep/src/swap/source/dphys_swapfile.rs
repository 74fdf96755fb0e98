//! dphys-swapfile (Raspberry Pi OS up to Bookworm): a service that creates a swap file at every boot.
//!
//! The service is disabled; its configuration and the file itself stay.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{AtBoot, Devices, SwapSource, show, text};
use crate::swap::units::resolved;

const UNIT: &str = "dphys-swapfile.service";
const CONFIG: &str = "/etc/dphys-swapfile";
const KEY: &str = "CONF_SWAPFILE=";
const SIZE_KEY: &str = "CONF_SWAPSIZE=";
const DEFAULT: &str = "/var/swap";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let config = text(root, CONFIG)?.unwrap_or_default();
    let file = std::path::PathBuf::from(swap_file(&config));
    let file = if root.is_live() { resolved(root, &file) } else { file };
    let service = Service { source: "dphys-swapfile", unit: UNIT, devices: Devices::Path(file) };
    let found = service::detect(root, service)?;
    // The script then creates a file of 0 bytes, which swapon refuses.
    let found = found.map(|found| match is_off(&config) && found.at_boot == AtBoot::Enabled {
        true => SwapSource { at_boot: AtBoot::Disabled, actions: Vec::new(), manual_step: None, ..found }
            .because(format!("{SIZE_KEY}0 in {}", show(root, CONFIG))),
        false => found,
    });
    Ok(found.into_iter().collect())
}

/// Whether the size is 0. An empty one is computed from the memory.
fn is_off(config: &str) -> bool {
    let value = config.lines().filter_map(|line| line.trim().strip_prefix(SIZE_KEY)).next_back().unwrap_or_default();
    let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    !value.is_empty() && value.bytes().all(|byte| byte == b'0')
}

/// The swap file. The configuration is a shell script; only its assignments are used.
fn swap_file(config: &str) -> &str {
    let values = config.lines().filter_map(|line| line.trim().strip_prefix(KEY));
    values.map(|value| value.trim().trim_matches(['"', '\''])).rfind(|value| value.starts_with('/')).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::{is_off, swap_file};

    #[test]
    fn is_off_reads_the_last_size() {
        for (config, expected) in [
            ("CONF_SWAPSIZE=0\n", true),
            ("CONF_SWAPSIZE=100\nCONF_SWAPSIZE=\"0\" # off\n", true),
            ("CONF_SWAPSIZE=0\nCONF_SWAPSIZE=100\n", false),
            ("#CONF_SWAPSIZE=0\n", false),
            ("CONF_SWAPSIZE=\n", false),
            ("", false),
        ] {
            assert_eq!(is_off(config), expected, "{config}");
        }
    }

    #[test]
    fn swap_file_reads_the_configuration() {
        assert_eq!(swap_file("#CONF_SWAPFILE=/no\nCONF_SWAPSIZE=100\n"), "/var/swap");
        assert_eq!(swap_file("CONF_SWAPFILE=/a\nCONF_SWAPFILE=\"/data/swap\"\n"), "/data/swap");
        assert_eq!(swap_file(""), "/var/swap");
    }
}
