//! zram-config (Ubuntu): one zram device a processor.

use edge_host::{Result, Root};

use super::service::{self, Service};
use super::{Brings, SwapSource};

const UNIT: &str = "zram-config.service";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let found = service::detect(root, Service { source: "zram-config", unit: UNIT, brings: Brings::Zram })?;
    Ok(found.into_iter().collect())
}
