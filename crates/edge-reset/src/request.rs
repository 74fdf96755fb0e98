//! What the user requested.

use clap::ValueEnum;
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
    pub(crate) fn of(args: &ChoiceArgs, to_trash: bool, is_live: bool) -> Request {
        let is_chosen =
            |phase: &Phase| (args.only.is_empty() || args.only.contains(phase)) && !args.skip.contains(phase);
        let phases = Phase::ALL.into_iter().filter(is_chosen).filter(|phase| is_live || phase.is_for_images());
        Request { profile: args.profile, phases: phases.collect(), also: args.also.clone(), to_trash }
    }

    /// Whether something is removed that has to be named.
    pub(crate) fn has_also(&self, what: Also) -> bool {
        self.also.contains(&what)
    }
}
