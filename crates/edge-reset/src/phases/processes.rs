//! Processes that are left of pods and agents.

use edge_host::{Host, Result};

use super::PhaseFacts;
use crate::context::Context;

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let _ = (host, context);
    Ok(None)
}
