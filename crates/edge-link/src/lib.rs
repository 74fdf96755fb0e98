//! The links, addresses and routes of the network namespace of the caller, read and deleted over netlink.
//!
//! A message that cannot be read is an error and not a missing link: a member of a bridge that is overlooked is one
//! that loses its network. A dump that was interrupted by a change is read again.
//!
//! The messages and the socket are rtnetlink's, but not the lists of its `Handle`, which leave out a message that they
//! cannot decode and do not say that a dump was interrupted. Of a link or an address only what is needed is decoded,
//! because its decoder takes a name or an alias that is not UTF-8, which the kernel allows, for an error.
//!
//! [`Snapshot::read`] reads everything; [`delete`] deletes many links by one message, [`Route::delete`] and
//! [`Address::delete`] one route or address each. An object that is gone already is success.

mod address;
mod delete;
mod link;
mod route;
mod snapshot;
mod socket;

pub use address::Address;
pub use delete::delete;
pub use link::{Identity, Link};
pub use route::{MAIN_TABLE, Route, RouteKind};
pub use snapshot::Snapshot;
