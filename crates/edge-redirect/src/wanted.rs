//! What is wanted: redirects, whose connections, in which rule engine, kept or not.

use std::time::Duration;

use clap::ValueEnum;
use edge_firewall::Backend;

use crate::pair::Pair;

/// Whose connections are redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Reach {
    /// Those of this host's own programs.
    Output,
    /// Those too that it forwards.
    Forward,
}

/// Which rule engine is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The one that the host uses.
    Auto,
    /// `nf_tables`.
    Nft,
    /// `x_tables`.
    Legacy,
}

impl Engine {
    /// The one that is named, if one is.
    pub(crate) fn backend(self) -> Option<Backend> {
        match self {
            Engine::Auto => None,
            Engine::Nft => Some(Backend::Nft),
            Engine::Legacy => Some(Backend::Legacy),
        }
    }
}

/// What becomes of rules that were made by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandMadeRules {
    /// They are told of.
    Leave,
    /// Those for the same ports are replaced.
    Adopt,
}

/// What is done where cloudcore keeps its own chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing.
    Yield,
    /// Rules are added all the same.
    Add,
}

/// Whether the redirect shall outlive a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persist {
    /// Only where it does already.
    AsItIs,
    /// It shall.
    Yes,
}

/// All that an `add` wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The redirects, each port once in a family.
    pub(crate) pairs: Vec<Pair>,
    /// Whose connections; as it is where not said.
    pub(crate) reach: Option<Reach>,
    pub(crate) engine: Engine,
    pub(crate) persist: Persist,
    pub(crate) by_hand: HandMadeRules,
    pub(crate) kept: Kept,
    /// How long to wait for the lock of `x_tables`.
    pub(crate) lock_wait: Duration,
}
