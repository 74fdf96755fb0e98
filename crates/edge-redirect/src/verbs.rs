//! What each verb does.

pub(crate) mod add;
pub(crate) mod check;
pub(crate) mod remove;
pub(crate) mod render;
pub(crate) mod restore;
pub(crate) mod status;

use edge_firewall::{Firewall, View};
use edge_host::{Error, Host, Mode, Outcome, Plan, Result};

use crate::facts::Facts;
use crate::persist::Stored;
use crate::plan::{self, Made};
use crate::rules::scope;
use crate::unit::FILE;

/// The rules, parsed once; none with --root.
fn views(facts: &Facts) -> Result<Vec<View<'_>>> {
    facts.firewall.as_ref().map_or_else(|| Ok(Vec::new()), Firewall::views)
}

/// Carries out a plan and verifies that the rules exist afterwards.
fn carry_out(
    host: &mut Host,
    apply: fn(&mut Host, Plan) -> Result<Outcome>,
    facts: &Facts,
    made: &[Made],
    plan: Plan,
) -> Result<Outcome> {
    let outcome = apply(host, plan)?;
    if let (Mode::Apply, Some(firewall)) = (host.mode, &facts.firewall) {
        let scope = scope();
        for made in made {
            if let Some(seen) = firewall.get(made.backend, made.family) {
                plan::verify(&seen.again(&host.root, &scope)?, made)?;
            }
        }
    }
    Ok(outcome)
}

fn stored<'f>(stored: Option<&'f Stored>, verb: &str) -> Result<&'f Stored> {
    stored.ok_or_else(|| {
        Error::failed(format!("cannot {verb}: {FILE} does not exist"))
            .hint("create it: edge-redirect add PORT=IP:PORT --persist")
    })
}
