//! zswap: a compressed cache in front of swap. Mentioned only: without swap it has nothing to do.

use std::path::Path;

use edge_host::{Result, Root};

use super::{AfterReboot, Brings, Found, Remedy, text};

const SWITCH: &str = "/sys/module/zswap/parameters/enabled";

pub(super) fn detect(root: &Root) -> Result<Vec<Found>> {
    if !root.is_live() || text(root, SWITCH)?.is_none_or(|value| value.trim() != "Y") {
        return Ok(Vec::new());
    }
    Ok(vec![Found {
        source: "zswap",
        file: Path::new(SWITCH).to_path_buf(),
        line: None,
        what: "zswap".to_owned(),
        brings: Brings::Unknown,
        after_reboot: AfterReboot::Aside,
        why: "a compressed cache in front of swap, idle without it".to_owned(),
        remedy: Remedy::Nothing,
        service: None,
    }])
}
