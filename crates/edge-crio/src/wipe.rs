//! Predicts whether CRI-O removes all containers when it starts.
//!
//! It records its version in version_file, and at the next start as another minor version, newer or older, it stops and
//! removes every pod. With version_file_persist it removes the images as well (cri-o `server/server.go`,
//! wipeIfAppropriate; `internal/version/version.go`, ShouldCrioWipe).

use std::path::{Path, PathBuf};

use edge_host::Host;

use crate::config::Merged;
use crate::version::Version;

const FILE: &str = "/var/run/crio/version";
/// The default up to CRI-O 1.24; since then there is none.
const FILE_PERSIST: &str = "/var/lib/crio/version";
const LAST_PERSIST: u32 = 24;
/// From this minor version on internal_wipe is the default, and covers containers.
const FIRST_INTERNAL: u32 = 22;

/// What is removed at the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wipe {
    /// Nothing.
    Nothing,
    /// All pods with their containers.
    Containers,
    /// And their images.
    Images,
}

/// The version in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// CRI-O does not use such a file.
    Unused,
    /// The file does not exist, or contains no version.
    Missing,
    /// This one.
    Version(Version),
}

/// What CRI-O decides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WipeFacts {
    is_on: bool,
    file: Recorded,
    persist: Recorded,
}

impl WipeFacts {
    /// Reads it for the start of a release.
    pub(crate) fn read(host: &Host, merged: &Merged, next: Version) -> WipeFacts {
        let path = |key: &str, default: &str| {
            let text = merged.text_or_empty(key).map_or_else(|| default.to_owned(), |setting| setting.value);
            (!text.is_empty()).then(|| Path::new("/").join(text))
        };
        let persist = if next.minor <= LAST_PERSIST { FILE_PERSIST } else { "" };
        WipeFacts {
            is_on: merged.flag("crio.internal_wipe").unwrap_or(true) && next.minor >= FIRST_INTERNAL,
            file: recorded(host, path("crio.version_file", FILE)),
            persist: recorded(host, path("crio.version_file_persist", persist)),
        }
    }

    /// What `next` removes when it starts. Where version_file does not exist, `now` is compared: the running or
    /// installed release, if it is known.
    pub(crate) fn wipe(&self, next: Version, now: Option<Version>) -> Wipe {
        let differs = |recorded: &Recorded| match recorded {
            Recorded::Unused => false,
            Recorded::Missing => now.is_none_or(|now| now.minor != next.minor),
            Recorded::Version(version) => version.minor != next.minor,
        };
        match self.is_on {
            true if differs(&self.persist) => Wipe::Images,
            true if differs(&self.file) => Wipe::Containers,
            _ => Wipe::Nothing,
        }
    }
}

/// What cannot be read is taken for missing, as CRI-O does; in an image nothing runs.
fn recorded(host: &Host, path: Option<PathBuf>) -> Recorded {
    let Some(path) = path.filter(|_| host.root.is_live()) else { return Recorded::Unused };
    let text = host.root.read(&path).ok().flatten().unwrap_or_default();
    parse(&String::from_utf8_lossy(&text)).map_or(Recorded::Missing, Recorded::Version)
}

/// The version in a version file: `"1.30.4"` or `"1.30.4+0123abc"`.
fn parse(text: &str) -> Option<Version> {
    text.trim().trim_matches('"').split(['-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wipe_depends_on_the_recorded_minor_version() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let of = |file: &str, persist: &str, next: &str, now: &str| {
            let recorded = |text: &str| match text {
                "-" => Recorded::Unused,
                text => parse(text).map_or(Recorded::Missing, Recorded::Version),
            };
            let facts = WipeFacts { is_on: true, file: recorded(file), persist: recorded(persist) };
            facts.wipe(version(next), now.parse().ok())
        };
        assert_eq!(of("\"1.30.4\"\n", "-", "1.30.9", "1.30.4"), Wipe::Nothing);
        assert_eq!(of("\"1.30.4+ab12\"", "-", "1.31.0", "1.30.4"), Wipe::Containers);
        assert_eq!(of("\"1.30.4\"", "-", "1.29", "1.30.4"), Wipe::Containers, "an older one");
        // What runs counts, not what is installed.
        assert_eq!(of("\"1.30.4\"", "-", "1.31.0", "1.31.0"), Wipe::Containers);
        assert_eq!(of("\"1.30.4\"", "\"1.29.0\"", "1.30.5", "1.30.4"), Wipe::Images);
        assert_eq!(of("", "-", "1.30.5", "1.30.4"), Wipe::Nothing);
        assert_eq!(of("", "-", "1.31.0", "1.30.4"), Wipe::Containers);
        assert_eq!(of("junk", "-", "1.31.0", ""), Wipe::Containers);
        assert_eq!(of("-", "-", "1.31.0", "1.30.4"), Wipe::Nothing);
        let off = WipeFacts { is_on: false, file: Recorded::Missing, persist: Recorded::Missing };
        assert_eq!(off.wipe(version("1.31"), None), Wipe::Nothing);
    }
}
