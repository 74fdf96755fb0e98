//! The phases of a reset, in their order: what holds something is removed before it.

use std::fmt;

use clap::ValueEnum;
use serde::Deserialize;

/// A phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Stops units and disables them
    Units,
    /// Stops and removes pods and containers
    Pods,
    /// Ends what is left of them
    Processes,
    /// Unmounts volumes and network namespaces
    Mounts,
    /// Deletes links and routes
    Links,
    /// Removes rules, chains, sets and virtual services
    Firewall,
    /// Removes control groups
    Cgroups,
    /// Removes directories, files and units
    Files,
}

impl Phase {
    /// All of them, in order.
    pub(crate) const ALL: [Phase; 8] = [
        Phase::Units,
        Phase::Pods,
        Phase::Processes,
        Phase::Mounts,
        Phase::Links,
        Phase::Firewall,
        Phase::Cgroups,
        Phase::Files,
    ];

    /// As it is written on the command line and in records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Phase::Units => "units",
            Phase::Pods => "pods",
            Phase::Processes => "processes",
            Phase::Mounts => "mounts",
            Phase::Links => "links",
            Phase::Firewall => "firewall",
            Phase::Cgroups => "cgroups",
            Phase::Files => "files",
        }
    }

    /// Whether an image has something for it.
    pub(crate) const fn is_for_images(self) -> bool {
        matches!(self, Phase::Units | Phase::Files)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
