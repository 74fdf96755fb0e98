//! dphys-swapfile (Raspberry Pi OS up to Bookworm): a service that makes a swap file at each boot.
//!
//! The service is disabled; its configuration and the file itself stay.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{Brings, SwapSource, text};
use crate::swap::units::resolved;

const UNIT: &str = "dphys-swapfile.service";
const CONFIG: &str = "/etc/dphys-swapfile";
const KEY: &str = "CONF_SWAPFILE=";
const DEFAULT: &str = "/var/swap";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let config = text(root, CONFIG)?.unwrap_or_default();
    let file = std::path::PathBuf::from(swap_file(&config));
    let file = if root.is_live() { resolved(root, &file) } else { file };
    let service = Service { source: "dphys-swapfile", unit: UNIT, brings: Brings::Path(file) };
    Ok(service::detect(root, service)?.into_iter().collect())
}

/// The file it swaps to: the configuration is shell, of which assignments alone are used.
fn swap_file(config: &str) -> &str {
    let values = config.lines().filter_map(|line| line.trim().strip_prefix(KEY));
    values.map(|value| value.trim().trim_matches(['"', '\''])).rfind(|value| value.starts_with('/')).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::swap_file;

    #[test]
    fn the_configured_file_counts() {
        assert_eq!(swap_file("#CONF_SWAPFILE=/no\nCONF_SWAPSIZE=100\n"), "/var/swap");
        assert_eq!(swap_file("CONF_SWAPFILE=/a\nCONF_SWAPFILE=\"/data/swap\"\n"), "/data/swap");
        assert_eq!(swap_file(""), "/var/swap");
    }
}
