//! Versions: of releases, and of the CNI specification.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A release of the plugins or of libcni: `v1.9.1`, `v1.0.0-rc1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release(semver::Version);

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Release, String> {
        let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok();
        // A tag has no build metadata.
        let version = version.filter(|version| version.build.is_empty());
        version.map(Release).ok_or_else(|| format!("{text:?} is not a valid release: expected one such as v1.9.1"))
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
        write!(f, "v{}", self.0)
    }
}

/// A published version of the CNI specification: `1.0.0`. Runtimes and plugins compare it as text, so no other one works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cni([u32; 3]);

impl Cni {
    /// The version of a configuration that sets none.
    pub const DEFAULT: Cni = Cni([0, 1, 0]);
    /// The first with CHECK.
    pub const WITH_CHECK: Cni = Cni([0, 4, 0]);
    /// The newest that edge-cni writes.
    pub const NEWEST: Cni = Cni([1, 1, 0]);
    /// The first with lists of versions (`cniVersions`).
    pub const WITH_VERSIONS: Cni = Cni([1, 1, 0]);
    /// The first with lists of plugins.
    pub const WITH_LISTS: Cni = Cni([0, 3, 0]);

    /// All versions of the specification.
    pub const ALL: [Cni; 7] = [
        Cni([0, 1, 0]),
        Cni([0, 2, 0]),
        Cni([0, 3, 0]),
        Cni([0, 3, 1]),
        Cni([0, 4, 0]),
        Cni([1, 0, 0]),
        Cni([1, 1, 0]),
    ];

    /// The published versions with lists of plugins, up to `newest`.
    pub fn with_lists_up_to(newest: Cni) -> Vec<Cni> {
        Cni::ALL.into_iter().filter(|version| (Cni::WITH_LISTS..=newest).contains(version)).collect()
    }

    /// The version that is nearest to a text that is none: `0.4.0` for `0.5.0`, `1.0.0` for `v1.0`.
    pub fn nearest(text: &str) -> Cni {
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let mut numbers = [0_u32; 3];
        for (number, part) in numbers.iter_mut().zip(digits[..end].split('.')) {
            *number = part.parse().unwrap_or(if part.is_empty() { 0 } else { u32::MAX });
        }
        if digits.is_empty() || Cni(numbers) >= Cni::NEWEST {
            return Cni::NEWEST;
        }
        let distance = |one: &Cni| [0, 1, 2].map(|at| one.0[at].abs_diff(numbers[at]));
        Cni::ALL.into_iter().min_by_key(distance).unwrap_or(Cni::DEFAULT)
    }

    /// Whether libcni, which accepts one to three numbers here, considers a text newer than the newest version; none if
    /// it refuses the text.
    pub(crate) fn is_newer_than_all(text: &str) -> Option<bool> {
        triple(text).map(|(numbers, _)| numbers > Cni::NEWEST.0)
    }
}

impl FromStr for Cni {
    type Err = String;

    fn from_str(text: &str) -> Result<Cni, String> {
        Cni::ALL.into_iter().find(|version| version.to_string() == text).ok_or_else(|| {
            format!("{text:?} is not a CNI version: the nearest is {} (of {})", Cni::nearest(text), shown(&Cni::ALL))
        })
    }
}

impl fmt::Display for Cni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// `0.4.0, 1.0.0`.
pub(crate) fn shown(versions: &[Cni]) -> String {
    versions.iter().map(Cni::to_string).collect::<Vec<_>>().join(", ")
}

/// Parses up to three numbers separated by dots; returns them and how many there were.
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
    fn release_is_a_semantic_version_without_build_metadata() {
        for bad in [
            "",
            "v",
            "1.9",
            "v1.9.1.2",
            "v1.9.x",
            "v1.9.1-",
            "v1.9.1-a b",
            "v+1.9.1",
            "-o",
            "v1.9.1@latest",
            "main",
            "v1.9.1+incompatible",
        ] {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
        }
        let of = |text: &str| text.parse::<Release>().unwrap();
        assert_eq!(of("1.9.1").to_string(), "v1.9.1");
        assert_eq!(of("v1.0.0-rc.1").to_string(), "v1.0.0-rc.1");
        assert!(of("v1.10.0") > of("v1.9.1") && of("v1.0.0") > of("v1.0.0-rc1") && of("v1.0.0-rc1") > of("v0.9.1"));
        assert!(of("v1.0.0-rc.10") > of("v1.0.0-rc.9"));
    }

    #[test]
    fn cni_version_is_a_published_one() {
        for version in Cni::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert!(Cni::ALL.is_sorted() && "1.1.0".parse::<Cni>().unwrap() > "0.4.0".parse::<Cni>().unwrap());
        for (text, nearest) in [
            ("0.5.0", "0.4.0"),
            ("0.3.2", "0.3.1"),
            ("0.0.1", "0.1.0"),
            ("1.0", "1.0.0"),
            ("1", "1.0.0"),
            ("v1.0.0", "1.0.0"),
            ("1.0.0-rc1", "1.0.0"),
            (" 1.0.0", "1.0.0"),
            ("01.0.0", "1.0.0"),
            ("1.0.1", "1.0.0"),
            ("1.2.0", "1.1.0"),
            ("2.0.0", "1.1.0"),
            ("99999999999.0.0", "1.1.0"),
            ("latest", "1.1.0"),
            ("", "1.1.0"),
        ] {
            let error = text.parse::<Cni>().unwrap_err();
            assert!(error.contains(&format!("the nearest is {nearest} ")), "{error}");
        }
    }
}
