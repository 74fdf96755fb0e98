//! What an owner needs of a table.

use crate::limit::Limit;
use crate::owner::{Name, Owner};

/// The part of a table that must be readable before an owner's rules in it may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The table.
    pub table: String,
    /// The owner of the rules that are read and changed.
    pub owner: Owner,
    /// Chains of the kernel that are read or changed.
    pub chains: Vec<String>,
    /// Read also the chains to which rules in `chains` send new TCP connections to other hosts, but not these.
    pub follow_except: Option<Vec<Name>>,
    /// Rules that the owner may have in `chains`: chain and rule. nft does not show extensions of iptables completely,
    /// but iptables can check for a rule.
    pub placed: Vec<(String, String)>,
    /// How long reading may take.
    pub limit: Limit,
}
