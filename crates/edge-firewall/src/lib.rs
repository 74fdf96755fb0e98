//! Rules of one owner in a firewall that belongs to others: found, added and removed, and nothing else moved.
//!
//! From the ground up: [`Save`], the output of iptables-save without loss; [`Owner`] and [`Owned`],
//! whose chains and rules are whose; [`script`], the `--noflush` input for iptables-restore that
//! names only what is owned; [`Backend`], which of the kernel's two rule engines; [`Firewall`], what a
//! host has; [`Rules`], the change as a transaction of edge-host and its way back.
//!
//! Facts from iptables(8), iptables-save(8), iptables-restore(8) and xtables-nft(8).

mod backend;
mod hidden;
mod host;
#[cfg(test)]
mod linear_tests;
mod listing;
mod matcher;
mod nft;
mod owned;
mod save;
mod scope;
mod script;
mod transaction;
mod words;

pub use backend::{Backend, Choice, Family, choose};
pub use hidden::{Hidden, HiddenPart};
pub use host::{Firewall, Seen, View};
pub use owned::{Name, Owned, OwnedChain, Owner, Placed};
pub use save::{Chain, Line, Malformed, Rule, Save, Table};
pub use scope::Scope;
pub use script::script;
pub use transaction::{Rules, transaction};
pub use words::{quote, same_rule, words};
