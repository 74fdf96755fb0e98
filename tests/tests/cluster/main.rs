//! What is sent to a real API server: a test program of its own, as all of it shares one cluster.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod live;
