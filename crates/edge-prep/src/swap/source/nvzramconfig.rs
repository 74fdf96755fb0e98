//! nvzramconfig (NVIDIA Jetson): one zram device for each processor; its unit is a file in /etc.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{Devices, SwapSource};

const UNIT: &str = "nvzramconfig.service";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let found = service::detect(root, Service { source: "nvzramconfig", unit: UNIT, devices: Devices::AnyZram })?;
    Ok(found.into_iter().collect())
}
