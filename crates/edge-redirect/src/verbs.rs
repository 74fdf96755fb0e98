//! What each verb does.

pub(crate) mod add;
pub(crate) mod check;
pub(crate) mod remove;
pub(crate) mod render;
pub(crate) mod restore;
pub(crate) mod status;

use edge_firewall::{Firewall, View};
use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result};
use edge_kubeedge::stream::is_dialled;

use crate::facts::Facts;
use crate::persist::Stored;
use crate::plan::{self, Goal, Made, Planned};
use crate::redirect::Redirect;
use crate::rules::{TABLE, scope, unmanaged};
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

/// Warns of redirects that have no effect, because rules of others decide first; returns whether there are any.
fn warn_of_shadows(host: &mut Host, views: &[View<'_>], goal: &Goal, planned: &Planned, only: &[Redirect]) -> bool {
    let (shadows, unknown) = plan::shadows(views, goal, planned);
    let is_named = |redirect: &Redirect| only.contains(redirect);
    for (redirect, why) in unknown.iter().filter(|(redirect, _)| is_named(redirect)) {
        host.report.warning(&format!("it is unknown whether {redirect} is in effect: {why}"));
    }
    let mut has_shadows = false;
    for shadow in shadows.iter().filter(|shadow| is_named(&shadow.redirect)) {
        let table =
            views.iter().find(|view| (view.seen.backend, view.seen.family) == (shadow.by.backend, shadow.by.family));
        let found = unmanaged(table.and_then(|view| view.save.table(TABLE)), |port| {
            is_dialled(port) || port == shadow.redirect.port
        });
        host.report.warning(&format!("{} has no effect: shadowed by {}", shadow.redirect, shadow.by.shown()));
        host.report.hint(&plan::remedy(&shadow.redirect, &shadow.by, &found, &goal.redirects));
        has_shadows = true;
    }
    has_shadows
}

/// The outcome of a call after which a redirect still has no effect.
fn with_manual_step(host: &mut Host, mut outcome: Outcome) -> Outcome {
    host.report.manual_step();
    outcome.exit = outcome.exit.worst(Exit::Differs);
    outcome
}

fn stored<'f>(stored: Option<&'f Stored>, verb: &str) -> Result<&'f Stored> {
    stored.ok_or_else(|| {
        Error::failed(format!("cannot {verb}: {FILE} does not exist"))
            .hint("create it: edge-redirect add PORT=IP:PORT --persist")
    })
}
