//! What is known about the releases of the CNI plugins: data/releases.toml.

use edge_host::{Arch, Error, Result};
use toml_edit::{DocumentMut, Table};

use crate::version::{Go, Release};

const TABLE: &str = include_str!("../data/releases.toml");

/// The parsed table.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// The Go module of the plugins.
    pub(crate) module: String,
    /// The Go variable with a plugin's version.
    pub(crate) version_variable: String,
    /// The newest known release.
    pub(crate) newest: Release,
    /// Plugins that need only the kernel of a host.
    pub(crate) standalone: Vec<String>,
    go: Vec<GoRequirement>,
    archives: Vec<Archive>,
}

/// The Go that releases need, from one release on.
#[derive(Debug)]
struct GoRequirement {
    from: Release,
    go: Go,
}

/// A release archive with a known checksum.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) release: Release,
    pub(crate) arch: Arch,
    pub(crate) sha256: String,
}

impl Catalog {
    /// Reads the built-in table.
    pub(crate) fn read() -> Result<Catalog> {
        parse(TABLE).ok_or_else(|| Error::failed("cannot read the built-in table of releases"))
    }

    /// The Go that a release's go.mod requires; none of a release before the table's first.
    pub(crate) fn go(&self, release: &Release) -> Option<Go> {
        self.go.iter().rev().find(|row| row.from <= *release).map(|row| row.go)
    }

    /// The newest release that this Go can build.
    pub(crate) fn newest_for(&self, go: Go) -> Option<&Release> {
        self.go.iter().rev().find(|row| row.go <= go).map(|row| &row.from)
    }

    /// The archive with this checksum.
    pub(crate) fn archive(&self, sha256: &str) -> Option<&Archive> {
        self.archives.iter().find(|archive| archive.sha256 == sha256)
    }
}

fn parse(text: &str) -> Option<Catalog> {
    let table = text.parse::<DocumentMut>().ok()?;
    let text = |table: &Table, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let mut go = Vec::new();
    for row in table.get("go")?.as_array_of_tables()? {
        go.push(GoRequirement { from: text(row, "from")?.parse().ok()?, go: text(row, "go")?.parse().ok()? });
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
    let standalone = table.get("standalone")?.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
    let of = |key| text(table.as_table(), key);
    Some(Catalog {
        module: of("module")?,
        version_variable: of("version-variable")?,
        newest: of("newest")?.parse().ok()?,
        standalone: standalone.collect::<Option<_>>()?,
        go,
        archives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_is_complete_and_sorted() {
        let catalog = Catalog::read().unwrap();
        assert!(catalog.go.is_sorted_by_key(|row| (row.from.clone(), row.go)));
        assert_eq!((catalog.archives.len(), catalog.standalone.len()), (20, 13));
        let is_sum =
            |sum: &str| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        assert!(catalog.archives.iter().all(|archive| is_sum(&archive.sha256)));
        assert!(catalog.archives.iter().any(|archive| archive.release == catalog.newest));
    }

    #[test]
    fn go_is_that_of_the_newest_row_before_a_release() {
        let catalog = Catalog::read().unwrap();
        for (release, go) in [("v0.8.7", "1.14"), ("v1.5.1", "1.20"), ("v1.9.1", "1.24.2")] {
            assert_eq!(catalog.go(&release.parse().unwrap()), go.parse().ok());
        }
        assert_eq!(catalog.go(&"v0.7.0".parse().unwrap()), None);
        assert_eq!(catalog.newest_for("go1.22.1".parse().unwrap()).unwrap().to_string(), "v1.3.0");
    }
}
