//! edge-host, by its fixture.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attributes;
mod changed;
mod chroot;
mod contract;
mod crash;
mod damage;
mod delete;
mod errors;
mod journal;
mod kept;
mod keys;
mod large;
mod large_inputs;
mod live;
mod lock;
mod refusals;
mod root;
mod signals;
mod staged;
mod trash;
mod unclear;
mod undo;
mod unmounted;
mod user;
mod visible;
