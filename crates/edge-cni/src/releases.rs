//! What is known of the plugins' releases: data/releases.toml.

use edge_host::{Arch, Error, Result};
use toml_edit::{DocumentMut, Table};

use crate::version::{Go, Release};

const TABLE: &str = include_str!("../data/releases.toml");

/// The table, parsed.
#[derive(Debug)]
pub(crate) struct Releases {
    /// The Go module of the plugins.
    pub(crate) module: String,
    /// The variable that holds a plugin's version.
    pub(crate) stamp: String,
    /// The newest release that is known.
    pub(crate) newest: Release,
    /// Plugins that need nothing of a host but its kernel.
    pub(crate) alone: Vec<String>,
    eras: Vec<Era>,
    archives: Vec<Archive>,
}

/// What holds from one release on.
#[derive(Debug)]
struct Era {
    from: Release,
    go: Go,
}

/// A release archive whose checksum is known.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) release: Release,
    pub(crate) arch: Arch,
    pub(crate) sha256: String,
}

impl Releases {
    /// Reads the table that is built in.
    pub(crate) fn known() -> Result<Releases> {
        parse(TABLE).ok_or_else(|| Error::failed("cannot read the built-in table of releases"))
    }

    /// The Go that a release's go.mod asks for, as far as is known.
    pub(crate) fn go(&self, release: &Release) -> Option<Go> {
        self.era(release).map(|era| era.go)
    }

    /// The newest release that this Go can build.
    pub(crate) fn newest_for(&self, go: Go) -> Option<&Release> {
        self.eras.iter().rev().find(|era| era.go <= go).map(|era| &era.from)
    }

    /// The archive with this checksum.
    pub(crate) fn archive(&self, sha256: &str) -> Option<&Archive> {
        self.archives.iter().find(|archive| archive.sha256 == sha256)
    }

    fn era(&self, release: &Release) -> Option<&Era> {
        self.eras.iter().rev().find(|era| era.from <= *release)
    }
}

fn parse(text: &str) -> Option<Releases> {
    let table = text.parse::<DocumentMut>().ok()?;
    let text = |table: &Table, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let mut eras = Vec::new();
    for era in table.get("era")?.as_array_of_tables()? {
        let of = |key| text(era, key);
        eras.push(Era { from: of("from")?.parse().ok()?, go: of("go")?.parse().ok()? });
    }
    let mut archives = Vec::new();
    for row in table.get("archives")?.as_array_of_tables()? {
        let release: Release = text(row, "release")?.parse().ok()?;
        for arch in Arch::ALL {
            if let Some(sha256) = text(row, arch.name()) {
                archives.push(Archive { release: release.clone(), arch, sha256 });
            }
        }
    }
    let alone = table.get("alone")?.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
    let of = |key| text(table.as_table(), key);
    Some(Releases {
        module: of("module")?,
        stamp: of("stamp")?,
        newest: of("newest")?.parse().ok()?,
        alone: alone.collect::<Option<_>>()?,
        eras,
        archives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_in_order() {
        let known = Releases::known().unwrap();
        assert!(known.eras.is_sorted_by_key(|era| (era.from.clone(), era.go)));
        assert_eq!((known.archives.len(), known.alone.len()), (20, 13));
        let is_sum =
            |sum: &str| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        assert!(known.archives.iter().all(|archive| is_sum(&archive.sha256)));
        assert!(known.archives.iter().any(|archive| archive.release == known.newest));
    }

    #[test]
    fn a_release_has_what_its_era_has() {
        let known = Releases::known().unwrap();
        for (release, go) in [("v0.8.7", "1.14"), ("v1.5.1", "1.20"), ("v1.9.1", "1.24.2")] {
            assert_eq!(known.go(&release.parse().unwrap()), go.parse().ok());
        }
        assert_eq!(known.go(&"v0.7.0".parse().unwrap()), None);
        assert_eq!(known.newest_for("go1.22.1".parse().unwrap()).unwrap().to_string(), "v1.3.0");
    }
}
