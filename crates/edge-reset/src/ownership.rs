//! The ownership data: what belongs to whom, from `data/ownership` and from the administrator's files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use edge_conflist::crio::line_at;
use edge_host::{Error, Exit, Result, Root};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use toml_edit::{Array, Document, DocumentMut, Item, Table};

use crate::creator::{Creator, Creators};
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
    /// Where an administrator has added it; none if it is built in.
    pub(crate) added: Option<Place>,
    /// The fields of its section.
    pub(crate) own: T,
}

/// Any fields.
#[derive(Debug, Deserialize)]
struct Any(BTreeMap<String, IgnoredAny>);

/// Sections whose entries say something about others, and nothing is removed for them.
const WITHOUT_CREATORS: [&str; 2] = ["network", "volume_kind"];

/// The keys of [`Entry`].
const COMMON: [&str; 4] = ["creators", "tier", "text", "cleaner"];

/// A line of a file of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
    line: usize,
}

impl Place {
    /// An entry that would not do what it was written for is refused, and nothing is changed.
    pub(crate) fn error(&self, cause: &str) -> Error {
        let place = format!("{}:{}", self.path.display(), self.line);
        let error = Error::cannot("read", &self.path, format!("line {}: {cause}", self.line));
        error.with_exit(Exit::Refused).hint(format!("correct {place}; nothing was changed"))
    }
}

/// All entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership {
    documents: Vec<(Source, Document<String>)>,
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
        let known: Vec<String> = sections(&documents).into_iter().collect();
        for name in root.list(Path::new(DIR))? {
            let path = Path::new(DIR).join(&name);
            if path.extension().is_none_or(|suffix| suffix != SUFFIX) {
                continue;
            }
            let source = Source::File(root.display(&path));
            let bytes = root.read(&path).map_err(|error| error.with_exit(Exit::Refused))?;
            let Some(bytes) = bytes else { return Err(source.error(1, "it is a dangling symbolic link")) };
            let text = String::from_utf8(bytes).map_err(|error| {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                source.error(line_at(&String::from_utf8_lossy(valid), usize::MAX), "it is not UTF-8 text")
            })?;
            let document = parsed(&text, &source)?;
            let odd = document.as_table().iter().find(|(key, _)| !known.iter().any(|known| known == key));
            if let Some((odd, item)) = odd {
                let line =
                    line_at(&text, start(document.as_table(), odd).or(item.span().map(|span| span.start)).unwrap_or(0));
                return Err(source.error(line, &format!("{odd} is not a section; expected {}", known.join(", "))));
            }
            documents.push((source, document));
        }
        Ok(Ownership { documents })
    }

    /// Errors: an administrator's entry names a program that is unknown, or none for what is removed.
    pub(crate) fn check(&self, known: &Creators) -> Result<()> {
        let is_added = |(source, _): &&(Source, _)| matches!(source, Source::File(_));
        let added = Ownership { documents: self.documents.iter().filter(is_added).cloned().collect() };
        for section in sections(&added.documents) {
            for row in added.rows::<Any>(&section)? {
                let Some(place) = row.added else { continue };
                let odd = row.entry.creators.iter().find(|creator| !known.names().any(|name| name == *creator));
                if let Some(odd) = odd {
                    let names: Vec<&str> = known.names().map(Creator::name).collect();
                    let cause = format!("{:?} is not a creator; expected {}", odd.name(), names.join(", "));
                    return Err(place.error(&format!("[[{section}]]: {cause}")));
                }
                let needs = row.entry.tier == Tier::Removed && !WITHOUT_CREATORS.contains(&section.as_str());
                // Of directories that configurations name, these say who uses them.
                if needs && row.entry.creators.is_empty() && !row.own.0.contains_key("of") {
                    return Err(place.error(&format!("[[{section}]]: creators is missing: it would never be removed")));
                }
            }
        }
        Ok(())
    }

    /// The entries of a section, such as `[[link]]`, in the order of the files.
    ///
    /// Errors: an entry that is not valid.
    pub(crate) fn rows<T: DeserializeOwned>(&self, section: &str) -> Result<Vec<Row<T>>> {
        let mut rows = Vec::new();
        for (source, document) in &self.documents {
            let Some(item) = document.get(section) else { continue };
            let line = |byte: Option<usize>| line_at(document.raw(), byte.unwrap_or(0));
            let tables = item.as_array_of_tables().ok_or_else(|| {
                let line = line(start(document.as_table(), section));
                source.error(line, &format!("{section} is not [[{section}]]"))
            })?;
            for table in tables {
                let (common, own) = split(table);
                let begin = table.span().map(|span| span.start);
                let at = |error: toml_edit::de::Error| {
                    // The names of keys have lost their places.
                    let key = error.message().split('`').nth(1).and_then(|key| start(table, key));
                    let place = key.or(error.span().map(|span| span.start).filter(|at| *at > 0)).or(begin);
                    source.error(line(place), &format!("[[{section}]]: {}", error.message()))
                };
                rows.push(Row {
                    entry: toml_edit::de::from_document(common).map_err(at)?,
                    added: source.place(|| line(begin)),
                    own: toml_edit::de::from_document(own).map_err(at)?,
                });
            }
        }
        Ok(rows)
    }
}

/// The names of the sections of all files.
fn sections(documents: &[(Source, Document<String>)]) -> BTreeSet<String> {
    documents.iter().flat_map(|(_, one)| one.as_table().iter().map(|(key, _)| key.to_owned())).collect()
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
    fn error(&self, line: usize, cause: &str) -> Error {
        match self {
            Source::BuiltIn(phase) => Error::failed(format!("cannot read the built-in data {phase}: {cause}")),
            Source::File(path) => Place { path: path.clone(), line }.error(cause),
        }
    }

    fn place(&self, line: impl FnOnce() -> usize) -> Option<Place> {
        match self {
            Source::BuiltIn(_) => None,
            Source::File(path) => Some(Place { path: path.clone(), line: line() }),
        }
    }
}

fn parsed(text: &str, source: &Source) -> Result<Document<String>> {
    Document::parse(text.to_owned()).map_err(|error: toml_edit::TomlError| {
        source.error(line_at(text, error.span().map_or(0, |span| span.start)), error.message())
    })
}

/// Where a key begins.
fn start(table: &Table, key: &str) -> Option<usize> {
    Some(table.get_key_value(key)?.0.span()?.start)
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
