//! Finds, adds and removes the iptables rules of one owner, without moving or changing the rules of other programs.
//!
//! From the bottom up: [`Save`] is the output of iptables-save, parsed without loss; [`Owner`] and [`Owned`] are the
//! chains and rules of one owner; [`script()`] makes the `--noflush` input for iptables-restore, which names only these;
//! [`Backend`] is nft or legacy; [`Firewall`] has the rules of a host; [`transaction()`] makes a change an action of
//! edge-host, and [`Rules`] reverts it.
//!
//! iptables-nft cannot show native nft rules: [`Save::hidden`] lists the tables that it leaves out, and a [`Scope`] the
//! chains in them that must still be readable. Each of them is then read alone, with iptables or else with nft; if
//! neither can show it, nothing is reported or changed.
//!
//! Facts from iptables(8), iptables-save(8), iptables-restore(8) and xtables-nft(8).

mod backend;
mod fuzz;
mod hidden;
mod host;
#[cfg(test)]
mod linear_tests;
mod listing;
mod nft;
mod owned;
mod owner;
mod read;
mod save;
mod scope;
mod script;
mod transaction;
mod words;

pub use backend::{Backend, Choice, Family, choose};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use hidden::{Hidden, HiddenPart};
pub use host::{Firewall, View};
pub use owned::{Owned, OwnedChain, Placed};
pub use owner::{Name, Owner};
pub use read::Seen;
pub use save::{Chain, Line, Malformed, Rule, Save, Table};
pub use scope::Scope;
pub use script::script;
pub use transaction::{Rules, transaction};
pub use words::{quote, same_rule, words};
