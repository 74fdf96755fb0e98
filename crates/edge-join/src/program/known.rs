//! The checksums that are known without a download.

use edge_host::Arch;

use super::Release;

/// Lines `VERSION ARCH SHA-512`.
const RELEASES: &str = include_str!("../../data/releases.txt");

/// The SHA-512 of a release archive, if it is known.
pub(super) fn sha512(release: &Release, arch: Arch) -> Option<&'static str> {
    rows().find(|(version, of, _)| *version == release.text() && *of == arch.goarch()).map(|(.., sum)| sum)
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    RELEASES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use edge_fetch::is_sha512;

    use super::*;

    #[test]
    fn every_row_is_a_release_an_architecture_and_a_checksum() {
        let lines = RELEASES.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines);
        let names: BTreeSet<String> = rows()
            .map(|(version, arch, sum)| {
                let release: Release = version.parse().unwrap();
                assert!(["amd64", "arm64", "arm"].contains(&arch) && is_sha512(sum), "{version} {arch}");
                assert!(sum.bytes().all(|byte| !byte.is_ascii_uppercase()));
                format!("{} {version} {arch}", release.minor)
            })
            .collect();
        assert_eq!(names.len(), lines, "a row is listed twice");
    }

    #[test]
    fn checksum_is_that_of_version_and_architecture() {
        let of = |version: &str, arch| sha512(&version.parse().unwrap(), arch);
        assert!(of("1.7.0", Arch::Amd64).is_some() && of("1.7.0", Arch::Arm) != of("1.7.0", Arch::Arm64));
        assert_eq!(of("1.8.0", Arch::Amd64), None);
    }
}
