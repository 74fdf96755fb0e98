//! Versions of releases and of the CNI specification.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A release of the plugins: `v1.9.1`, `v1.0.0-rc1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    numbers: [u32; 3],
    /// What follows a dash: a release before the release.
    pre: Option<String>,
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Release, String> {
        let wrong = || format!("{text:?} is no release, such as v1.9.1");
        let plain = text.strip_prefix('v').unwrap_or(text);
        let (numbers, pre) = plain.split_once('-').map_or((plain, None), |(numbers, pre)| (numbers, Some(pre)));
        let is_plain = |pre: &str| !pre.is_empty() && pre.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if !pre.is_none_or(is_plain) {
            return Err(wrong());
        }
        let numbers = triple(numbers).filter(|(_, given)| *given == 3).ok_or_else(wrong)?.0;
        Ok(Release { numbers, pre: pre.map(str::to_owned) })
    }
}

impl TryFrom<String> for Release {
    type Error = String;

    fn try_from(text: String) -> Result<Release, String> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(release: Release) -> String {
        release.to_string()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "v{major}.{minor}.{patch}")?;
        self.pre.as_ref().map_or(Ok(()), |pre| write!(f, "-{pre}"))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Release) -> std::cmp::Ordering {
        let key = |release: &Release| (release.numbers, release.pre.is_none(), release.pre.clone());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Release) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A version of the CNI specification: `1.0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cni([u32; 3]);

impl Cni {
    /// What a configuration without a version stands for.
    pub const UNSAID: Cni = Cni([0, 1, 0]);
    /// From here on there is CHECK.
    pub const WITH_CHECK: Cni = Cni([0, 4, 0]);
    /// The newest that our configuration is written for.
    pub const NEWEST: Cni = Cni([1, 1, 0]);
    /// The first whose libcni reads a list of versions.
    pub const WITH_VERSIONS: Cni = Cni([1, 1, 0]);
    /// The first with lists of plugins.
    pub const WITH_LISTS: Cni = Cni([0, 3, 0]);
}

impl FromStr for Cni {
    type Err = String;

    fn from_str(text: &str) -> Result<Cni, String> {
        match triple(text) {
            Some((numbers, 3)) => Ok(Cni(numbers)),
            _ => Err(format!("{text:?} is no version of CNI, such as 1.0.0")),
        }
    }
}

impl fmt::Display for Cni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Up to three numbers with dots between, and how many there are.
pub fn triple(text: &str) -> Option<([u32; 3], usize)> {
    let mut numbers = [0; 3];
    let mut given = 0;
    for part in text.split('.') {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *numbers.get_mut(given)? = part.parse().ok().filter(|_| is_number)?;
        given += 1;
    }
    Some((numbers, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_typed_and_ordered() {
        for bad in
            ["", "v", "1.9", "v1.9.1.2", "v1.9.x", "v1.9.1-", "v1.9.1-a b", "v+1.9.1", "-o", "v1.9.1@latest", "main"]
        {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
        }
        let of = |text: &str| text.parse::<Release>().unwrap();
        assert_eq!(of("1.9.1").to_string(), "v1.9.1");
        assert_eq!(of("v1.0.0-rc.1").to_string(), "v1.0.0-rc.1");
        assert!(of("v1.10.0") > of("v1.9.1") && of("v1.0.0") > of("v1.0.0-rc1") && of("v1.0.0-rc1") > of("v0.9.1"));
    }

    #[test]
    fn cni_versions_have_three_numbers() {
        assert!("1.0".parse::<Cni>().is_err() && "1.0.0-x".parse::<Cni>().is_err());
        assert!("1.1.0".parse::<Cni>().unwrap() > "0.4.0".parse::<Cni>().unwrap());
    }
}
