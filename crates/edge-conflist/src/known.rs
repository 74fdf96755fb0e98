//! What releases of the plugins and of libcni read: data/reads.toml.

use edge_host::{Error, Result};
use toml_edit::{DocumentMut, Table};

use crate::version::{Cni, Release};

const TABLE: &str = include_str!("../data/reads.toml");

/// The table, parsed.
#[derive(Debug)]
pub struct Known {
    plugins: Vec<(Release, Cni)>,
    libcni: Vec<(Release, Cni)>,
}

impl Known {
    /// Reads the table that is built in.
    pub fn read() -> Result<Known> {
        parse(TABLE).ok_or_else(|| Error::failed("cannot read the built-in table of what releases read"))
    }

    /// The newest CNI version that a release's plugins read, as far as is known.
    pub fn plugins(&self, release: &Release) -> Option<Cni> {
        newest(&self.plugins, release)
    }

    /// The newest CNI version that a runtime with this libcni reads, as far as is known.
    pub fn libcni(&self, release: &Release) -> Option<Cni> {
        newest(&self.libcni, release)
    }
}

fn newest(table: &[(Release, Cni)], release: &Release) -> Option<Cni> {
    table.iter().rev().find(|(from, _)| from <= release).map(|(_, reads)| *reads)
}

fn parse(text: &str) -> Option<Known> {
    let table = text.parse::<DocumentMut>().ok()?;
    let row = |row: &Table| -> Option<(Release, Cni)> {
        Some((row.get("from")?.as_str()?.parse().ok()?, row.get("reads")?.as_str()?.parse().ok()?))
    };
    let rows = |name: &str| -> Option<Vec<(Release, Cni)>> {
        table.get(name)?.as_array_of_tables()?.iter().map(row).collect()
    };
    Some(Known { plugins: rows("plugins")?, libcni: rows("libcni")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_in_order() {
        let known = Known::read().unwrap();
        for table in [&known.plugins, &known.libcni] {
            assert!(table.len() == 3 && table.is_sorted());
        }
        for (release, reads) in [("v0.8.7", "0.4.0"), ("v1.5.1", "1.0.0"), ("v1.9.1", "1.1.0")] {
            assert_eq!(known.plugins(&release.parse().unwrap()), reads.parse().ok(), "{release}");
        }
        assert_eq!(known.libcni(&"v1.1.2".parse().unwrap()), "1.0.0".parse().ok());
        assert_eq!(known.libcni(&"v0.6.0".parse().unwrap()), None);
    }
}
