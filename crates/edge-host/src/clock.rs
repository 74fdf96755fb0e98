//! The clock of the host, as certificates and tokens count time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, in seconds since 1970; 0 by a clock that was set to an earlier time.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs());
    i64::try_from(since.unwrap_or(0)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_time_of_a_file_that_is_made() {
        let made = tempfile::NamedTempFile::new().unwrap();
        let time = made.as_file().metadata().unwrap().modified().unwrap();
        let time = i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        assert!((now() - time).abs() < 60, "{} {time}", now());
    }
}
