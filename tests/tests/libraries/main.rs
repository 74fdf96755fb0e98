//! The libraries that have no utility of their own.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fetch_bombs;
mod live;
mod systemd_judge;
