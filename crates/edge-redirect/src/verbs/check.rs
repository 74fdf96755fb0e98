//! `edge-redirect check`: reports problems of the redirects, now and after the next boot.

use std::time::Duration;

use edge_host::{Host, Outcome, Result};

use crate::diagnose::findings;
use crate::facts;

pub(crate) fn run(host: &mut Host, lock_wait: Duration) -> Result<Outcome> {
    let facts = facts::all(host, true)?;
    facts.notes().chain(facts.why_not_live()).for_each(|note| host.report.note(note));
    let findings = findings(host, &facts, lock_wait)?;
    Ok(host.report.findings(&findings))
}
