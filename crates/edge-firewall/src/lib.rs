//! Finds, adds and removes the iptables rules of one owner, without moving or changing the rules of other programs.
//!
//! From the bottom up: [`Save`] is the output of iptables-save, parsed without loss; [`Owner`] and [`Owned`] are the
//! chains and rules of one owner; [`script()`] makes the `--noflush` input for iptables-restore, which names only these;
//! [`Backend`] is nft or legacy; [`Firewall`] has the rules of a host; [`transaction()`] makes a change an action of
//! edge-host, and [`Rules`] reverts it.
//!
//! Of nf_tables only the chains of a [`Scope`] are read, each alone: with iptables or else, if it contains native nft
//! rules, with nft; if neither can show it, nothing is reported or changed. [`Path`] finds the rule that decides about
//! connections.
//!
//! Facts from iptables(8), iptables-save(8), iptables-restore(8) and xtables-nft(8).

mod backend;
mod connection;
mod decision;
mod dnat;
mod earlier;
mod fuzz;
mod hidden;
mod host;
mod limit;
#[cfg(test)]
mod linear_tests;
mod listing;
mod missing;
mod nft;
mod outgoing;
mod owned;
mod owner;
mod read;
mod reader;
mod removal;
mod save;
mod scope;
mod script;
mod tables;
mod taken;
mod transaction;
mod whole;
mod words;

pub use backend::{Backend, Choice, Family, choose};
pub use decision::{Chains, Deciding, Decision, Known, Path, Redirecting, Verdict};
pub use dnat::Dnat;
pub use earlier::Earlier;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use hidden::{Hidden, HiddenPart};
pub use host::{Firewall, View};
pub use limit::Limit;
pub use missing::missing;
pub use outgoing::{Outgoing, by_address, outgoing, outgoing_scope};
pub use owned::{Owned, OwnedChain, Placed};
pub use owner::{Name, Owner, Shared};
pub use read::Seen;
pub use removal::{Removal, remove};
pub use save::{Chain, Line, Malformed, Rule, Save, Table};
pub use scope::Scope;
pub use script::script;
pub use tables::{NftRemoval, NftTable, TableRule, has_nft, nft_script, nft_tables};
pub use taken::{few, shown, taken};
pub use transaction::{Rules, transaction};
pub use words::{quote, same_rule, words};
