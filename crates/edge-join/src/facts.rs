//! Everything that is read: the token, cloudcore, this host. What cannot be read is kept as that, and is not absent.

pub mod cloud;
pub mod host;
pub mod runtime;
pub mod token;

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, in seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs());
    i64::try_from(since.unwrap_or(0)).unwrap_or(i64::MAX)
}
