//! zram-config (Ubuntu): one zram device for each processor.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{Devices, SwapSource};

const UNIT: &str = "zram-config.service";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let found = service::detect(root, Service { source: "zram-config", unit: UNIT, devices: Devices::AnyZram })?;
    Ok(found.into_iter().collect())
}
