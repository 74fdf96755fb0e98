//! Moments as seconds since 1970, and the oldest clock that is believed.

use edge_host::{Error, Result};
use time::OffsetDateTime;

/// So many days before its end a certificate is renewed, unless it is a short one.
const RENEW_BEFORE: u32 = 30;
/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A clock that stands before this is wrong: this program did not exist then (2026-11-01).
/// A test keeps it to the version, so that each release moves it.
pub const RELEASED: Release = Release { version: "0.1.0", seconds: 1_793_491_200 };

/// When a version was released.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// Of which version this is the date.
    pub version: &'static str,
    /// Seconds since 1970.
    pub seconds: i64,
}

/// Refuses a clock that cannot be right: a certificate made with it would not be valid yet, or no
/// longer, once the clock is.
pub fn believed(now: i64) -> Result<()> {
    if now >= RELEASED.seconds {
        return Ok(());
    }
    Err(Error::failed(format!(
        "cannot make a certificate: the clock says {}, before this program was made ({})",
        date(now),
        date(RELEASED.seconds)
    ))
    .hint("set the clock (timedatectl set-ntp true; a board without a battery has none of its own) and run again"))
}

/// A moment as a date for people: `2029-02-24`.
pub fn date(seconds: i64) -> String {
    of(seconds).map_or_else(|| format!("{seconds} s"), |time| time.date().to_string())
}

/// A moment for records: `2029-02-24T04:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    of(seconds).map_or_else(
        || format!("{seconds}"),
        |time| format!("{}T{:02}:{:02}:{:02}Z", time.date(), time.hour(), time.minute(), time.second()),
    )
}

/// The moment as the certificate builder takes it; none outside the years 0 to 9999.
pub fn of(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|time| (0..=9999).contains(&time.year()))
}

/// Whole days until `then`, negative once it is past.
pub fn days_left(now: i64, then: i64) -> i64 {
    (then - now).div_euclid(DAY)
}

/// How many days before its end a certificate of `days` is renewed where nobody says: 30, or a third
/// of it where that is less, so that what was just made stays.
pub fn renew_before(days: i64) -> u32 {
    u32::try_from(days / 3).unwrap_or(0).min(RENEW_BEFORE)
}

/// `1 day`, `30 days`.
pub fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_moves_the_date() {
        assert_eq!(RELEASED.version, env!("CARGO_PKG_VERSION"), "give RELEASED the new version's date");
        assert_eq!(date(RELEASED.seconds), "2026-11-01");
    }

    #[test]
    fn a_clock_before_the_release_is_not_believed() {
        assert!(believed(RELEASED.seconds).is_ok());
        let error = believed(RELEASED.seconds - 1).unwrap_err();
        assert!(error.message().contains("the clock says 2026-10-31"), "{error}");
        assert!(believed(0).unwrap_err().message().contains("1970-01-01"));
    }

    #[test]
    fn moments_are_shown_and_days_counted() {
        assert_eq!((date(0).as_str(), rfc3339(3661).as_str()), ("1970-01-01", "1970-01-01T01:01:01Z"));
        assert_eq!((days_left(0, DAY), days_left(0, DAY - 1), days_left(1, 0)), (1, 0, -1));
        assert_eq!([825, 90, 89, 20, 1, -5].map(renew_before), [30, 30, 29, 6, 0, 0]);
        assert_eq!((days(1), days(-3)), ("1 day".into(), "-3 days".into()));
    }
}
