//! A release as users of Kubernetes write it: a minor version (1.34) or one release of it (1.34.2).

use std::fmt;
use std::str::FromStr;

/// One release, or the newest release of a minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// 34 of 1.34.2.
    pub minor: u32,
    /// 2 of 1.34.2; `None` stands for any release of the minor version.
    pub patch: Option<u32>,
}

impl Release {
    /// 1.34.
    pub fn minor(minor: u32) -> Release {
        Release { minor, patch: None }
    }

    /// `1.34`, whatever the patch.
    pub fn minor_text(self) -> String {
        format!("1.{}", self.minor)
    }

    /// The release in the version of a package: 1.34.2 for `1.34.2-1.1` or `100:1.34.2-1`.
    pub fn of_package(version: &str) -> Option<Release> {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        upstream.split(['-', '~', '+']).next()?.parse().ok()
    }

    /// The pin of apt for its packages.
    pub fn pin(self) -> String {
        format!("version {self}{}", if self.patch.is_some() { "-*" } else { ".*" })
    }

    /// Whether `other` is this release, or a release of this minor version.
    pub fn matches(self, other: Release) -> bool {
        self.minor == other.minor && (self.patch.is_none() || self.patch == other.patch)
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Release, String> {
        let bad = || format!("{text:?} is not a valid version: expected a minor version (1.34) or a release (1.34.2)");
        let digits = |text: &str| -> Option<u32> {
            let plain = !text.is_empty() && text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit());
            // Releases have no leading zeros.
            let plain = plain && (text == "0" || !text.starts_with('0'));
            plain.then(|| text.parse().ok()).flatten()
        };
        let parts: Vec<&str> = text.strip_prefix('v').unwrap_or(text).split('.').collect();
        match parts.as_slice() {
            ["1", minor] => Ok(Release::minor(digits(minor).ok_or_else(bad)?)),
            ["1", minor, patch] => {
                Ok(Release { minor: digits(minor).ok_or_else(bad)?, patch: Some(digits(patch).ok_or_else(bad)?) })
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => write!(f, "1.{}.{patch}", self.minor),
            None => write!(f, "1.{}", self.minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_parsed_with_and_without_a_release() {
        assert_eq!("v1.34.2".parse(), Ok(Release { minor: 34, patch: Some(2) }));
        assert_eq!("1.34".parse::<Release>().unwrap().to_string(), "1.34");
        for bad in ["", "1", "2.1", "1.x", "1.34.2.1", "1.34-rc1", "1..2", "1.34 ", "-1.34", "1.034", "1.9999999"] {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
        }
        assert!(Release::minor(34).matches(Release { minor: 34, patch: Some(9) }));
        assert!(!Release { minor: 34, patch: Some(1) }.matches(Release { minor: 34, patch: Some(9) }));
    }

    #[test]
    fn of_package_reads_a_package_version() {
        let of = |text: &str| Release::of_package(text).map(|release| release.to_string());
        for text in ["1.34.2-1.1", "100:1.34.2-1", "1.34.2", "1.34.2~rc1-1", "1.34.2+ds1-3"] {
            assert_eq!(of(text).as_deref(), Some("1.34.2"), "{text}");
        }
        assert_eq!(of("nightly"), None);
    }

    #[test]
    fn pin_is_of_the_minor_version_or_the_release() {
        let pin = |text: &str| text.parse::<Release>().unwrap().pin();
        assert_eq!((pin("1.34").as_str(), pin("1.34.2").as_str()), ("version 1.34.*", "version 1.34.2-*"));
    }
}
