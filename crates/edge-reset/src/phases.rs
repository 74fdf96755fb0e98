//! The phases: each reads its facts, says what of them is removed, and plans that.

mod cgroups;
mod files;
mod firewall;
mod links;
mod mounts;
mod pods;
mod processes;
mod units;

use edge_host::{Host, Plan, Result};

pub(crate) use self::files::volumes::not_mounted;
pub(crate) use self::firewall::saves::{Keeper, all as saves};
pub(crate) use self::pods::remain as pods_remain;
pub(crate) use self::units::renamed::{Renamed, kubeedge_version};

use crate::context::Context;
use crate::groups;
use crate::item::Item;
use crate::phase::Phase;

/// Reads every entry of the ownership data.
///
/// Errors: one of an administrator is not valid, whichever phases are requested.
pub(crate) fn check(context: &Context) -> Result<()> {
    units::check(context)?;
    pods::check(context)?;
    processes::check(context)?;
    mounts::check(context)?;
    links::check(context)?;
    firewall::check(context)?;
    groups::check(context)?;
    files::check(context)
}

/// What a phase has read.
pub(crate) trait PhaseFacts {
    /// Everything that was seen: what is removed, what is kept and why, and what is refused.
    fn items(&self) -> &[Item];

    /// Adds the actions for the chosen items, all of which are of [`PhaseFacts::items`] with the fate to be removed, and
    /// tags each with its item.
    ///
    /// Errors: the actions cannot be planned; then none is added.
    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()>;
}

/// The context of a call with the phase files and without the phase pods: whether there are pods is asked anyway.
pub(crate) fn with_pods(host: &Host, context: Context) -> Context {
    let phases = &context.request.phases;
    if !host.root.is_live() || !phases.contains(&Phase::Files) || phases.contains(&Phase::Pods) {
        return context;
    }
    let pods_remain = match pods::read(host, &context) {
        Ok(facts) => facts.iter().any(|facts| pods_remain(facts.items().iter())),
        Err(_) => true,
    };
    Context { pods_remain, ..context }
}

/// Reads the facts of a phase; none if it has nothing to do with this host.
///
/// Errors: what cannot be read is unknown, not absent.
pub(crate) fn read(phase: Phase, host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    match phase {
        Phase::Units => units::read(host, context),
        Phase::Pods => pods::read(host, context),
        Phase::Processes => processes::read(host, context),
        Phase::Mounts => mounts::read(host, context),
        Phase::Links => links::read(host, context),
        Phase::Firewall => firewall::read(host, context),
        Phase::Cgroups => cgroups::read(host, context),
        Phase::Files => files::read(host, context),
    }
}
