//! Rules of one owner in a firewall that belongs to others: found, added and removed, and nothing else moved.
//!
//! From the ground up: [`Save`], the output of iptables-save without loss; [`Owner`] and [`Owned`],
//! whose chains and rules are whose; [`script`], the `--noflush` input for iptables-restore that
//! names only what is owned; [`Backend`], which of the kernel's two rule engines; [`Firewall`], what a
//! host has; [`Rules`], the change as a transaction of edge-host and its way back.
//!
//! iptables-nft cannot show native nft rules: [`Save::hidden`] are the tables that it leaves out, and
//! a [`Scope`] says which chains of one must be readable all the same. Each is then asked for by
//! itself, of iptables and else of nft; where neither can show it, nothing is said of it or done to it.
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
