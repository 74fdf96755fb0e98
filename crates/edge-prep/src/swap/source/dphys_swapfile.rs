//! dphys-swapfile (Raspberry Pi OS up to Bookworm): a service that creates a swap file at every boot.
//!
//! The service is disabled; its configuration and the file itself stay.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{Devices, SwapSource, text};
use crate::swap::units::resolved;

const UNIT: &str = "dphys-swapfile.service";
const CONFIG: &str = "/etc/dphys-swapfile";
const KEY: &str = "CONF_SWAPFILE=";
const DEFAULT: &str = "/var/swap";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let config = text(root, CONFIG)?.unwrap_or_default();
    let file = std::path::PathBuf::from(swap_file(&config));
    let file = if root.is_live() { resolved(root, &file) } else { file };
    let service = Service { source: "dphys-swapfile", unit: UNIT, devices: Devices::Path(file) };
    Ok(service::detect(root, service)?.into_iter().collect())
}

/// The swap file. The configuration is a shell script; only its assignments are used.
fn swap_file(config: &str) -> &str {
    let values = config.lines().filter_map(|line| line.trim().strip_prefix(KEY));
    values.map(|value| value.trim().trim_matches(['"', '\''])).rfind(|value| value.starts_with('/')).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::swap_file;

    #[test]
    fn swap_file_reads_the_configuration() {
        assert_eq!(swap_file("#CONF_SWAPFILE=/no\nCONF_SWAPSIZE=100\n"), "/var/swap");
        assert_eq!(swap_file("CONF_SWAPFILE=/a\nCONF_SWAPFILE=\"/data/swap\"\n"), "/data/swap");
        assert_eq!(swap_file(""), "/var/swap");
    }
}
