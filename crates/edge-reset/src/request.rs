//! What the user requested.

use clap::ValueEnum;
use edge_host::{Error, Result};
use serde::Deserialize;

use crate::cli::ChoiceArgs;
use crate::creator::Profile;
use crate::phase::Phase;

/// What is removed only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Also {
    /// The data of a control plane, including etcd's
    ControlPlane,
    /// mosquitto, which is stopped and disabled
    Mosquitto,
}

impl Also {
    /// As it is written on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Also::ControlPlane => "control-plane",
            Also::Mosquitto => "mosquitto",
        }
    }
}

/// What is removed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Whose things.
    pub(crate) profile: Profile,
    /// The phases, in order.
    pub(crate) phases: Vec<Phase>,
    also: Vec<Also>,
    /// Whether directories are moved to the trash.
    pub(crate) to_trash: bool,
}

impl Request {
    /// The request of a call, for a live host or an image.
    ///
    /// Errors: no phase is left (usage): nothing would be looked at, which is not a host without changes.
    pub(crate) fn of(args: &ChoiceArgs, to_trash: bool, is_live: bool) -> Result<Request> {
        let is_chosen =
            |phase: &Phase| (args.only.is_empty() || args.only.contains(phase)) && !args.skip.contains(phase);
        let chosen: Vec<Phase> = Phase::ALL.into_iter().filter(is_chosen).collect();
        if chosen.is_empty() {
            return Err(
                Error::usage("no phase is left: --skip names all of them").hint("omit at least one from --skip")
            );
        }
        let phases: Vec<Phase> = chosen.into_iter().filter(|phase| is_live || phase.is_for_images()).collect();
        if phases.is_empty() {
            return Err(Error::usage("no phase is left: of an image, only units and files can be removed")
                .hint("choose one of them, or omit --root"));
        }
        Ok(Request { profile: args.profile, phases, also: args.also.clone(), to_trash })
    }

    /// Whether something is removed that has to be named.
    pub(crate) fn has_also(&self, what: Also) -> bool {
        self.also.contains(&what)
    }
}
