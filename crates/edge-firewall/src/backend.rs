//! The two backends of iptables, their programs, and which of them a host uses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A backend. Both can have rules at the same time, and then packets pass through both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// nf_tables: iptables-nft.
    Nft,
    /// x_tables: iptables-legacy.
    Legacy,
}

/// An address family; each has its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Backend {
    /// Both, the newer first.
    pub const ALL: [Backend; 2] = [Backend::Nft, Backend::Legacy];
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The prefix of the names of its programs.
    pub fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Nft => "nft",
            Backend::Legacy => "legacy",
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// What is known about a backend when one is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The backend.
    pub backend: Backend,
    /// The owner has rules in it.
    pub has_own: bool,
    /// Any program has rules in it.
    pub is_populated: bool,
    /// The kubelet has made its chains in it.
    pub has_kubelet: bool,
}

/// The backend for new rules; `None` if there is none.
///
/// The one with rules of the owner; else the only one with rules; if both have rules, the one that the kubelet uses; else
/// the one that plain `iptables` uses.
pub fn choose(choices: &[Choice], default: Option<Backend>) -> Option<Backend> {
    let only = |test: fn(&Choice) -> bool| {
        let mut found = choices.iter().filter(|choice| test(choice));
        found.next().filter(|_| found.next().is_none()).map(|choice| choice.backend)
    };
    let exists = |backend: &Backend| choices.iter().any(|choice| choice.backend == *backend);
    only(|choice| choice.has_own)
        .or_else(|| only(|choice| choice.is_populated))
        .or_else(|| only(|choice| choice.has_kubelet))
        .or_else(|| default.filter(exists))
        .or_else(|| choices.first().map(|choice| choice.backend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choose_takes_the_first_criterion_that_decides() {
        use Backend::{Legacy, Nft};
        // Own rules, anybody's rules, the kubelet's marks: for nft, then for legacy.
        let choice = |backend, [own, populated, kubelet]: [u8; 3]| Choice {
            backend,
            has_own: own == 1,
            is_populated: populated == 1,
            has_kubelet: kubelet == 1,
        };
        for (nft, legacy, default, want) in [
            ([0, 0, 0], [0, 0, 0], Some(Legacy), Legacy),
            ([0, 0, 0], [0, 0, 0], Some(Nft), Nft),
            ([0, 0, 0], [0, 0, 0], None, Nft),
            ([0, 1, 0], [0, 0, 0], Some(Legacy), Nft),
            ([0, 0, 0], [0, 1, 0], Some(Nft), Legacy),
            ([0, 1, 0], [0, 1, 0], Some(Legacy), Legacy),
            ([0, 1, 0], [0, 1, 1], Some(Nft), Legacy),
            ([0, 1, 1], [0, 1, 1], Some(Legacy), Legacy),
            ([1, 1, 0], [0, 1, 1], Some(Legacy), Nft),
            ([1, 1, 0], [1, 1, 0], Some(Legacy), Legacy),
        ] {
            let choices = [choice(Nft, nft), choice(Legacy, legacy)];
            assert_eq!(choose(&choices, default), Some(want), "{nft:?} {legacy:?} {default:?}");
        }
        assert_eq!(choose(&[], Some(Nft)), None);
        assert_eq!(choose(&[choice(Legacy, [0, 0, 0])], Some(Nft)), Some(Legacy));
    }
}
