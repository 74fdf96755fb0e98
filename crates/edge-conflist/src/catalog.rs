//! Which versions of the CNI specification the releases of the plugins and of libcni support: data/spec-versions.toml.

use edge_host::{Error, Result};
use toml_edit::{DocumentMut, Table};

use crate::version::{Cni, Release};

const TABLE: &str = include_str!("../data/spec-versions.toml");

/// The parsed table.
#[derive(Debug)]
pub struct Catalog {
    plugins: Vec<(Release, Cni)>,
    libcni: Vec<(Release, Cni)>,
}

impl Catalog {
    /// Reads the built-in table.
    pub fn read() -> Result<Catalog> {
        parse(TABLE).ok_or_else(|| Error::failed("cannot read the built-in table of CNI versions"))
    }

    /// The newest CNI version that the plugins of a release support; none of a release before the table's first.
    pub fn plugins(&self, release: &Release) -> Option<Cni> {
        newest(&self.plugins, release)
    }

    /// The newest CNI version that a runtime with this release of libcni supports.
    pub fn libcni(&self, release: &Release) -> Option<Cni> {
        newest(&self.libcni, release)
    }
}

fn newest(table: &[(Release, Cni)], release: &Release) -> Option<Cni> {
    table.iter().rev().find(|(from, _)| from <= release).map(|(_, supports)| *supports)
}

fn parse(text: &str) -> Option<Catalog> {
    let table = text.parse::<DocumentMut>().ok()?;
    let row = |row: &Table| -> Option<(Release, Cni)> {
        Some((row.get("from")?.as_str()?.parse().ok()?, row.get("supports")?.as_str()?.parse().ok()?))
    };
    let rows = |name: &str| -> Option<Vec<(Release, Cni)>> {
        table.get(name)?.as_array_of_tables()?.iter().map(row).collect()
    };
    Some(Catalog { plugins: rows("plugins")?, libcni: rows("libcni")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_is_complete_and_sorted() {
        let catalog = Catalog::read().unwrap();
        for table in [&catalog.plugins, &catalog.libcni] {
            assert!(table.len() == 3 && table.is_sorted());
        }
        for (release, supports) in [("v0.8.7", "0.4.0"), ("v1.5.1", "1.0.0"), ("v1.9.1", "1.1.0")] {
            assert_eq!(catalog.plugins(&release.parse().unwrap()), supports.parse().ok(), "{release}");
        }
        assert_eq!(catalog.libcni(&"v1.1.2".parse().unwrap()), "1.0.0".parse().ok());
        assert_eq!(catalog.libcni(&"v0.6.0".parse().unwrap()), None);
    }
}
