//! Times as seconds since 1970, and the earliest time that the system clock may have.

use edge_host::{Error, Result};
use time::{Date, Month, OffsetDateTime, Time};

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A clock before this is wrong, as this version did not exist then (2026-11-01). A test binds it to the version,
/// so that each release updates it.
pub const RELEASED: Release = Release { version: "0.1.0", seconds: 1_793_491_200 };

/// When a version was released.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// The version.
    pub version: &'static str,
    /// Seconds since 1970.
    pub seconds: i64,
}

/// Refuses a clock that cannot be right: a certificate made with it would not be valid once it is corrected.
pub fn check_clock(now: i64) -> Result<()> {
    if now >= RELEASED.seconds {
        return Ok(());
    }
    Err(Error::failed(format!(
        "cannot make a certificate: the system clock is at {}, before this version was released ({})",
        date(now),
        date(RELEASED.seconds)
    ))
    .hint("set the clock and run again: timedatectl set-ntp true"))
}

/// A time as a date: `2029-02-24`.
pub fn date(seconds: i64) -> String {
    of(seconds).map_or_else(|| format!("{seconds} s"), |time| time.date().to_string())
}

/// A time in records: `2029-02-24T04:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    of(seconds).map_or_else(
        || format!("{seconds}"),
        |time| format!("{}T{:02}:{:02}:{:02}Z", time.date(), time.hour(), time.minute(), time.second()),
    )
}

/// A time as a calendar has it; none outside the years 0 to 9999.
pub fn of(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|time| (0..=9999).contains(&time.year()))
}

/// The time of a text as in RFC 3339, such as `2029-02-24T04:00:00Z`; fractions of a second are left out.
pub fn from_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let numbers = |text: &str, separator: char| -> Option<[u32; 3]> {
        let parts: Vec<&str> = text.split(separator).collect();
        let is_number = |part: &&str| part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() != 3 || !parts.iter().all(is_number) {
            return None;
        }
        Some([parts[0].parse().ok()?, parts[1].parse().ok()?, parts[2].parse().ok()?])
    };
    let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let [year, month, day] = numbers(date, '-').filter(|_| date.len() == 10)?;
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let [hours, minutes, _] = numbers(&format!("{}:00", zone.get(1..)?), ':')?;
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let byte = |number: u32| u8::try_from(number).ok();
    let date = Date::from_calendar_date(year.try_into().ok()?, Month::try_from(byte(month)?).ok()?, byte(day)?).ok()?;
    // A leap second counts as the one before it.
    let time = Time::from_hms(byte(hour)?, byte(minute)?, byte(second)?.min(59)).ok()?;
    Some(OffsetDateTime::new_utc(date, time).unix_timestamp() - offset)
}

/// Whole days until `then`, negative if it is in the past.
pub fn days_left(now: i64, then: i64) -> i64 {
    (then - now).div_euclid(DAY)
}

/// `1 day`, `30 days`.
pub fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_is_of_this_version() {
        assert_eq!(RELEASED.version, env!("CARGO_PKG_VERSION"), "give RELEASED the new version's date");
        assert_eq!(date(RELEASED.seconds), "2026-11-01");
    }

    #[test]
    fn check_clock_refuses_a_time_before_the_release() {
        assert!(check_clock(RELEASED.seconds).is_ok());
        let error = check_clock(RELEASED.seconds - 1).unwrap_err();
        assert!(error.message().contains("the system clock is at 2026-10-31"), "{error}");
        assert!(check_clock(0).unwrap_err().message().contains("1970-01-01"));
    }

    #[test]
    fn times_are_shown_and_days_counted() {
        assert_eq!((date(0).as_str(), rfc3339(3661).as_str()), ("1970-01-01", "1970-01-01T01:01:01Z"));
        for (text, seconds) in [
            ("1970-01-01T01:01:01Z", Some(3661)),
            ("1970-01-01T01:01:01.999z", Some(3661)),
            ("1970-01-01T03:01:01+02:00", Some(3661)),
            ("1969-12-31T20:01:01-05:00", Some(3661)),
            ("2026-13-01T00:00:00Z", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-01-01", None),
            ("2026-01-01T00:00:00", None),
            ("", None),
        ] {
            assert_eq!(from_rfc3339(text), seconds, "{text}");
        }
        assert_eq!((days_left(0, DAY), days_left(0, DAY - 1), days_left(1, 0)), (1, 0, -1));
        assert_eq!((days(1), days(-3)), ("1 day".into(), "-3 days".into()));
    }
}
