//! A release of KubeEdge, and the names of its archives.

use std::fmt;
use std::str::FromStr;

use edge_host::{Arch, Error, Result};
use edge_kubeedge::Minor;

/// The architectures that KubeEdge releases programs for, by Go's names.
const ARCHES: [&str; 3] = ["amd64", "arm64", "arm"];
/// Longer than the text of any release.
const LONGEST: usize = 40;

/// A release: 1.23.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Without the v.
    text: String,
    /// Its minor version.
    pub minor: Minor,
}

impl Release {
    /// As the program has it: v1.23.1.
    pub fn tag(&self) -> String {
        format!("v{}", self.text)
    }

    /// The name of the archive with its programs.
    pub fn archive(&self, arch: Arch) -> String {
        format!("kubeedge-v{}-linux-{}.tar.gz", self.text, arch.goarch())
    }

    /// The text without the v.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Release {
    type Err = String;

    /// Parses `1.23.1`, `v1.23.1`, `1.24.0-beta.0`.
    fn from_str(text: &str) -> std::result::Result<Release, String> {
        let bad = || {
            let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
            format!("\"{shown}\" is not a release of KubeEdge: expected three numbers, such as 1.23.1")
        };
        let minor: Minor = text.parse().map_err(|_| bad())?;
        let text = text.strip_prefix('v').unwrap_or(text);
        // Minor has checked the characters; a release also has its third number.
        let (_, rest) = text.split_once('.').and_then(|(_, rest)| rest.split_once('.')).ok_or_else(bad)?;
        let patch = rest.split('-').next().unwrap_or_default();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_leading_zero = patch.len() > 1 && patch.starts_with('0');
        if !is_number(patch) || is_leading_zero || text.len() > LONGEST || rest.contains('+') || rest.ends_with('-') {
            return Err(bad());
        }
        Ok(Release { text: text.to_owned(), minor })
    }
}

/// Refuses (exit 1) an architecture that KubeEdge has no programs for.
pub fn archives_exist(arch: Arch) -> Result<()> {
    if ARCHES.contains(&arch.goarch()) {
        return Ok(());
    }
    let all = ARCHES.join(", ");
    Err(Error::failed(format!("cannot get edgecore for {arch}: KubeEdge releases programs for {all} only"))
        .hint("build it from the source, and use it with --archive FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_read_with_and_without_its_v() {
        for (text, tag, minor) in
            [("1.8.2", "v1.8.2", 8), ("v1.23.1", "v1.23.1", 23), ("1.24.0-beta.0", "v1.24.0-beta.0", 24)]
        {
            let release: Release = text.parse().unwrap();
            assert_eq!((release.tag().as_str(), release.minor), (tag, Minor::new(minor)));
        }
        let release: Release = "v1.23.1".parse().unwrap();
        assert_eq!(release.archive(Arch::Arm64), "kubeedge-v1.23.1-linux-arm64.tar.gz");
        assert_eq!(release.archive(Arch::Armv6), "kubeedge-v1.23.1-linux-arm.tar.gz");
    }

    #[test]
    fn release_must_be_complete() {
        for bad in [
            "",
            "1",
            "1.23",
            "v1.23",
            "1.23.",
            "1.23.x",
            "1.23.01",
            "2.0.0",
            "1.23.1+x",
            "1.23.1-",
            "1.23.1/../x",
            "1.23.1 ",
        ] {
            assert!(bad.parse::<Release>().unwrap_err().contains("expected three numbers"), "{bad}");
        }
    }

    #[test]
    fn archives_exist_for_three_architectures() {
        assert!(archives_exist(Arch::Armv6).is_ok() && archives_exist(Arch::Amd64).is_ok());
        assert!(archives_exist(Arch::Riscv64).unwrap_err().message().contains("riscv64"));
    }
}
