//! Rules, chains, sets and virtual services.

use edge_host::{Host, Result};

use super::PhaseFacts;
use crate::context::Context;

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let _ = (host, context);
    Ok(None)
}
