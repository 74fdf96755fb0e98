//! The ownership data: what belongs to whom, from `data/ownership` and from the administrator's files.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result, ResultExt, Root};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml_edit::{Array, DocumentMut, Item, Table};

use crate::creator::Creator;
use crate::phase::Phase;

/// What administrators add.
const DIR: &str = "/etc/edgeutils/reset.d";
const SUFFIX: &str = "toml";

const DATA: [(Phase, &str); 8] = [
    (Phase::Units, include_str!("../data/ownership/units.toml")),
    (Phase::Pods, include_str!("../data/ownership/pods.toml")),
    (Phase::Processes, include_str!("../data/ownership/processes.toml")),
    (Phase::Mounts, include_str!("../data/ownership/mounts.toml")),
    (Phase::Links, include_str!("../data/ownership/links.toml")),
    (Phase::Firewall, include_str!("../data/ownership/firewall.toml")),
    (Phase::Cgroups, include_str!("../data/ownership/cgroups.toml")),
    (Phase::Files, include_str!("../data/ownership/files.toml")),
];

/// How far an entry is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// It is removed.
    #[default]
    Removed,
    /// It is shown, and left to its own cleaner.
    Named,
    /// It is kept.
    Kept,
}

/// What all entries have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// What makes it.
    #[serde(default)]
    pub(crate) creators: Vec<Creator>,
    /// How far it is removed.
    #[serde(default)]
    pub(crate) tier: Tier,
    /// Why it is kept, or what is said of it.
    #[serde(default)]
    pub(crate) text: String,
    /// The command that removes it, if it is named only.
    pub(crate) cleaner: Option<String>,
}

/// An entry with the fields of its section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<T> {
    pub(crate) entry: Entry,
    /// The fields of its section.
    pub(crate) own: T,
}

/// The keys of [`Entry`].
const COMMON: [&str; 4] = ["creators", "tier", "text", "cleaner"];

/// All entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership {
    documents: Vec<(Source, DocumentMut)>,
}

#[derive(Debug, Clone)]
enum Source {
    BuiltIn(Phase),
    File(PathBuf),
}

impl Ownership {
    /// Reads the built-in data and the administrator's.
    ///
    /// Errors: a file that is not valid TOML or has a section that is unknown.
    pub(crate) fn read(root: &Root) -> Result<Ownership> {
        let mut documents = Vec::new();
        for (phase, text) in DATA {
            documents.push((Source::BuiltIn(phase), parsed(text, &Source::BuiltIn(phase))?));
        }
        let known: Vec<String> =
            documents.iter().flat_map(|(_, one)| one.as_table().iter().map(|(key, _)| key.to_owned())).collect();
        for name in root.list(Path::new(DIR))? {
            let path = Path::new(DIR).join(&name);
            if path.extension().is_none_or(|suffix| suffix != SUFFIX) {
                continue;
            }
            let bytes = root.read(&path)?.unwrap_or_default();
            let source = Source::File(root.display(&path));
            let text = String::from_utf8(bytes).on("read", root.display(&path))?;
            let document = parsed(&text, &source)?;
            if let Some((odd, _)) = document.as_table().iter().find(|(key, _)| !known.iter().any(|known| known == key))
            {
                return Err(source.error(&format!("{odd} is not a section; expected {}", known.join(", "))));
            }
            documents.push((source, document));
        }
        Ok(Ownership { documents })
    }

    /// Whether an administrator has added entries.
    pub(crate) fn has_added(&self) -> bool {
        self.documents.iter().any(|(source, _)| matches!(source, Source::File(_)))
    }

    /// The entries of a section, such as `[[link]]`, in the order of the files.
    ///
    /// Errors: an entry that is not valid.
    pub(crate) fn rows<T: DeserializeOwned>(&self, section: &str) -> Result<Vec<Row<T>>> {
        let mut rows = Vec::new();
        for (source, document) in &self.documents {
            let Some(item) = document.get(section) else { continue };
            let tables =
                item.as_array_of_tables().ok_or_else(|| source.error(&format!("{section} is not [[{section}]]")))?;
            for table in tables {
                let (common, own) = split(table);
                let at = |error: toml_edit::de::Error| source.error(&format!("[[{section}]]: {}", error.message()));
                rows.push(Row {
                    entry: toml_edit::de::from_document(common).map_err(at)?,
                    own: toml_edit::de::from_document(own).map_err(at)?,
                });
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
impl Ownership {
    /// The built-in data alone.
    pub(crate) fn built_in() -> Ownership {
        let of = |(phase, text)| (Source::BuiltIn(phase), parsed(text, &Source::BuiltIn(phase)).unwrap());
        Ownership { documents: DATA.map(of).into_iter().collect() }
    }
}

impl Source {
    fn error(&self, cause: &str) -> Error {
        match self {
            Source::BuiltIn(phase) => Error::failed(format!("cannot read the built-in data {phase}: {cause}")),
            Source::File(path) => Error::cannot("read", path, cause),
        }
    }
}

fn parsed(text: &str, source: &Source) -> Result<DocumentMut> {
    text.parse().map_err(|error: toml_edit::TomlError| source.error(error.message()))
}

/// The common keys of an entry, and its own.
fn split(table: &Table) -> (DocumentMut, DocumentMut) {
    let (mut common, mut own) = (DocumentMut::new(), DocumentMut::new());
    for (key, item) in table {
        let to = if COMMON.contains(&key) { &mut common } else { &mut own };
        to.insert(key, item.clone());
    }
    if !common.contains_key("creators") {
        common.insert("creators", Item::Value(Array::new().into()));
    }
    (common, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Own {
        name: String,
    }

    fn of(text: &str) -> Result<Vec<Row<Own>>> {
        let source = Source::File("/etc/x.toml".into());
        Ownership { documents: vec![(source.clone(), parsed(text, &source)?)] }.rows("link")
    }

    #[test]
    fn entry_has_common_keys_and_those_of_its_section() {
        let rows = of("[[link]]\nname = 'a'\ncreators = ['cni']\n[[link]]\nname = 'b'\ntier = 'kept'\n").unwrap();
        assert_eq!(rows[0].own.name, "a");
        assert_eq!(rows[0].entry.creators, [Creator::from("cni")]);
        assert_eq!((rows[1].entry.tier, rows[1].entry.creators.len()), (Tier::Kept, 0));
        for bad in ["[[link]]\nname = 'a'\nodd = 1\n", "[link]\nname = 'a'\n", "[[link]]\n", "x"] {
            let error = of(bad).unwrap_err();
            assert!(error.message().starts_with("cannot read /etc/x.toml: "), "{}", error.message());
        }
    }

    #[test]
    fn section_of_built_in_data_belongs_to_one_phase() {
        let mut of = std::collections::BTreeMap::new();
        for (source, document) in Ownership::built_in().documents {
            let Source::BuiltIn(phase) = source else { panic!("not built in") };
            for (section, _) in document.as_table() {
                assert_eq!(*of.entry(section.to_owned()).or_insert(phase), phase, "{section}");
            }
        }
    }

    #[test]
    fn built_in_data_is_valid() {
        for (phase, text) in DATA {
            parsed(text, &Source::BuiltIn(phase)).unwrap();
        }
    }
}
