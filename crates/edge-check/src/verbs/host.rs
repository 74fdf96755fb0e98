//! `host`.

use std::time::Duration;

use edge_host::{Common, Host, Outcome, Result};

use crate::catalog;
use crate::host::{answer, report, run};

pub(crate) fn run(host: &mut Host, common: &Common, timeout: Duration) -> Result<Outcome> {
    let utilities = catalog::utilities()?;
    let checks = run::select(host, common, &utilities)?;
    // The programs that run are ended, too.
    host.catch_signals()?;
    let ran = run::all(host, checks, timeout)?;
    let answers = ran.into_iter().map(answer::Answer::of).collect::<Vec<_>>();
    Ok(report::report(host, &answers))
}
