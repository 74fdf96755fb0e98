//! The key table: the rows in `data/*.keys`.
//!
//! Only the paths are read in advance, for an index: a check looks up every key of a file.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::path::index;
use super::types::KeyType;
use crate::Kind;
use crate::Minor;

const EDGECORE: &str = include_str!("../../data/edgecore.keys");
const CLOUDCORE: &str = include_str!("../../data/cloudcore.keys");

/// Path and unparsed rest of a row.
type Row = (&'static str, &'static str);
/// The rows of each path, in lower case: all of them for one path in the order of the table.
type Index = HashMap<String, Vec<Row>>;

static OF_EDGECORE: LazyLock<Index> = LazyLock::new(|| Table::of(Kind::EdgeCore).indexed());
static OF_CLOUDCORE: LazyLock<Index> = LazyLock::new(|| Table::of(Kind::CloudCore).indexed());

/// The keys of one kind of file.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    kind: Kind,
    text: &'static str,
}

/// One row: a key, in the versions in which it has one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its path in KubeEdge's spelling: `modules.edged.registerWithTaints[].key`.
    pub path: &'static str,
    /// The type of its value.
    pub ty: KeyType,
    /// The first version that has it.
    pub first: Minor,
    /// The last version that has it; none: the newest version still has it.
    pub last: Option<Minor>,
    defaults: &'static str,
}

/// The value of a key in the default configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Default {
    /// YAML on one line.
    pub yaml: &'static str,
    /// The host determines it (its name, its address), and this is an example.
    pub is_from_host: bool,
}

/// A key that is read without complaint and has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) path: &'static str,
    pub(super) first: Minor,
    pub(super) last: Option<Minor>,
    pub(super) by: &'static str,
}

impl Table {
    /// The oldest version that the table knows.
    pub const OLDEST: Minor = Minor::new(4);

    /// The table of this kind of file.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        let text = match kind {
            Kind::EdgeCore => EDGECORE,
            Kind::CloudCore => CLOUDCORE,
        };
        Self { kind, text }
    }

    /// The kind of file that it describes.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// The newest version that the table knows, which is also used for newer ones.
    #[must_use]
    pub fn newest(self) -> Minor {
        self.lines().find_map(|line| Minor::bare(line.strip_prefix("known ")?.trim())).unwrap_or(Self::OLDEST)
    }

    /// All rows.
    pub fn keys(self) -> impl Iterator<Item = Key> {
        self.rows().filter_map(|(path, rest)| Key::parse(path, rest))
    }

    /// The rows of a version.
    #[cfg(test)]
    pub(crate) fn keys_at(self, version: Minor) -> impl Iterator<Item = Key> {
        self.keys().filter(move |key| key.is_in(version))
    }

    /// The row of a path in canonical spelling.
    #[must_use]
    pub fn key(self, path: &str, version: Minor) -> Option<Key> {
        let rows = self.rows_of(&path.to_ascii_lowercase()).iter().filter(|(own, _)| *own == path);
        rows.filter_map(|(path, rest)| Key::parse(path, rest)).find(|key| key.is_in(version))
    }

    /// Path and unparsed rest of each row.
    pub(super) fn rows(self) -> impl Iterator<Item = Row> {
        self.lines().filter_map(row)
    }

    /// Pairs of paths that are the same setting in different versions.
    pub fn moves(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.lines().filter_map(|line| {
            let mut words = line.strip_prefix("moved ")?.split_ascii_whitespace();
            Some((words.next()?, words.next()?))
        })
    }

    /// The lines with rules for values.
    pub(super) fn rule_lines(self) -> impl Iterator<Item = &'static str> {
        self.lines().filter(|line| line.starts_with("rule "))
    }

    /// Keys without effect.
    pub(super) fn dead(self) -> impl Iterator<Item = Dead> {
        // They are the last lines, so the rows need not be scanned.
        self.text.trim_end().rsplit('\n').map_while(|line| {
            let mut words = line.strip_prefix("dead ")?.split_ascii_whitespace();
            let path = words.next()?;
            let (first, last) = range(words.next()?)?;
            Some(Dead { path, first, last, by: words.next()? })
        })
    }

    /// The rows of a path and, as it may be an entry of a list or map, of the path without its last step.
    pub(super) fn rows_like(self, path: &[&str]) -> impl Iterator<Item = Row> {
        let mut text = String::new();
        let mut owner = 0;
        for step in path {
            owner = text.len();
            match index(step) {
                Some(_) => text.push_str("[]"),
                None => {
                    text.push_str(if text.is_empty() { "" } else { "." });
                    text.push_str(&step.to_ascii_lowercase());
                }
            }
        }
        self.rows_of(&text[..owner]).iter().chain(self.rows_of(&text)).copied()
    }

    /// The rows of a path in lower case.
    fn rows_of(self, path: &str) -> &'static [Row] {
        let index = match self.kind {
            Kind::EdgeCore => &OF_EDGECORE,
            Kind::CloudCore => &OF_CLOUDCORE,
        };
        index.get(path).map_or(&[], Vec::as_slice)
    }

    fn indexed(self) -> Index {
        let mut index = Index::new();
        self.rows().for_each(|row| index.entry(row.0.to_ascii_lowercase()).or_default().push(row));
        index
    }

    /// Every key of every path, in lower case.
    pub fn names(self) -> impl Iterator<Item = String> {
        let of_path = |path: &'static str| path.split('.').map(|name| name.trim_end_matches("[]").to_ascii_lowercase());
        self.rows().flat_map(move |(path, _)| of_path(path))
    }

    fn lines(self) -> impl Iterator<Item = &'static str> {
        self.text.split('\n').filter(|line| !line.starts_with('#'))
    }
}

impl Key {
    pub(super) fn parse(path: &'static str, rest: &'static str) -> Option<Self> {
        let (ty, rest) = field(rest)?;
        let (versions, defaults) = field(rest)?;
        let (first, last) = range(versions)?;
        Some(Self { path, ty: KeyType::parse(ty)?, first, last, defaults })
    }

    /// Whether this row is for a version.
    #[must_use]
    pub fn is_in(&self, version: Minor) -> bool {
        within(version, self.first, self.last)
    }

    /// The versions of this row, for a message: `1.4 to 1.11`, `1.12 and newer`.
    #[must_use]
    pub fn versions(&self) -> String {
        match self.last {
            None => format!("{} and newer", self.first),
            Some(last) if last == self.first => format!("{last} only"),
            Some(last) => format!("{} to {last}", self.first),
        }
    }

    /// Its value in the default configuration of a version; none if it is not in it.
    #[must_use]
    pub fn default_in(&self, version: Minor) -> Option<Default> {
        let yaml = if self.is_ranged() {
            // Values have only single spaces, so two spaces separate the ranges.
            self.defaults.split("  ").find_map(|part| {
                let (versions, value) = part.split_once('=')?;
                let (first, last) = range(versions)?;
                within(version, first, last).then_some(value)
            })?
        } else {
            Some(self.defaults).filter(|value| *value != "-" && self.is_in(version))?
        };
        let example = yaml.strip_prefix('@');
        Some(Default { yaml: example.unwrap_or(yaml), is_from_host: example.is_some() })
    }

    fn is_ranged(&self) -> bool {
        self.defaults.split_once('=').is_some_and(|(versions, _)| range(versions).is_some())
    }
}

pub(super) fn within(version: Minor, first: Minor, last: Option<Minor>) -> bool {
    first <= version && last.is_none_or(|last| version <= last)
}

/// Path and unparsed rest of a line that is a row.
fn row(line: &'static str) -> Option<Row> {
    // Fields are separated by two spaces; after `moved` and `known` there is one, and `dead` and `rule` are never paths.
    let end = line.bytes().position(|byte| byte == b' ')?;
    let (path, rest) = line.split_at(end);
    (rest.starts_with("  ") && !matches!(path, "dead" | "rule")).then_some((path, rest))
}

/// The field at the start and what comes after it; fields are separated by two or more spaces.
fn field(text: &'static str) -> Option<(&'static str, &'static str)> {
    let text = text.trim_ascii_start();
    let (field, rest) = text.split_once("  ").unwrap_or((text, ""));
    (!field.is_empty()).then_some((field, rest.trim_ascii_start()))
}

/// Parses `1.4-1.11`, `1.12`, `1.13-`.
pub(super) fn range(text: &str) -> Option<(Minor, Option<Minor>)> {
    match text.split_once('-') {
        None => Minor::bare(text).map(|only| (only, Some(only))),
        Some((first, "")) => Some((Minor::bare(first)?, None)),
        Some((first, last)) => Some((Minor::bare(first)?, Some(Minor::bare(last)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Kind; 2] = [Kind::EdgeCore, Kind::CloudCore];

    #[test]
    fn every_line_is_understood() {
        for kind in BOTH {
            let table = Table::of(kind);
            for line in table.lines().filter(|line| !line.is_empty()) {
                let known = line.starts_with("known 1.")
                    || line.starts_with("moved ") && line.split_ascii_whitespace().count() == 3
                    || line.starts_with("rule  ")
                    || line.starts_with("dead ") && line.split_ascii_whitespace().count() == 4
                    || line.split_once("  ").is_some_and(|(path, rest)| Key::parse(path, rest).is_some());
                assert!(known, "{kind:?}: {line}");
            }
            assert_eq!(table.rows().count(), table.keys().count());
            assert_eq!(table.newest(), Table::of(Kind::EdgeCore).newest());
        }
    }

    #[test]
    fn rows_of_one_path_never_overlap_and_have_their_section() {
        for kind in BOTH {
            let table = Table::of(kind);
            for minor in Table::OLDEST.number()..=table.newest().number() {
                let version = Minor::new(minor);
                let paths: Vec<_> = table.keys_at(version).map(|key| key.path).collect();
                for path in &paths {
                    assert_eq!(paths.iter().filter(|p| p == &path).count(), 1, "{path} in {version}");
                    if let Some((section, _)) = path.rsplit_once('.') {
                        let section = section.strip_suffix("[]").unwrap_or(section);
                        assert!(paths.contains(&section), "{path} in {version}");
                    }
                }
            }
        }
    }

    #[test]
    fn moved_and_dead_lines_name_rows() {
        for kind in BOTH {
            let table = Table::of(kind);
            let has = |path: &str| table.keys().any(|key| key.path == path);
            for (from, to) in table.moves() {
                assert!(has(from) && has(to), "{from} {to}");
            }
            for dead in table.dead() {
                assert!(has(dead.path) && has(dead.by), "{dead:?}");
            }
        }
    }

    #[test]
    fn defaults_follow_the_version() {
        let table = Table::of(Kind::EdgeCore);
        let yaml = |path, minor| {
            table.key(path, Minor::new(minor)).and_then(|key| key.default_in(Minor::new(minor))).map(|d| d.yaml)
        };
        assert_eq!(yaml("modules.edged.podSandboxImage", 12), Some("kubeedge/pause:3.1"));
        assert_eq!(yaml("modules.edged.podSandboxImage", 13), Some("kubeedge/pause:3.6"));
        assert_eq!(yaml("modules.edgeHub.quic.enable", 6), None);
        assert_eq!(yaml("modules.edgeHub.quic.enable", 7), Some("false"));
        assert_eq!(yaml("modules.edgeMesh.enable", 8), None);
        let host = table.key("modules.edged.hostnameOverride", Minor::new(8));
        assert_eq!(host.and_then(|key| key.default_in(Minor::new(8))).map(|d| d.is_from_host), Some(true));
    }

    #[test]
    fn number_of_keys_by_version() {
        let count = |kind: Kind| {
            let table = Table::of(kind);
            (4..=23).map(|n| table.keys_at(Minor::new(n)).count()).collect::<Vec<_>>()
        };
        let edgecore =
            [99, 104, 115, 115, 109, 113, 117, 118, 245, 224, 216, 217, 223, 225, 216, 217, 223, 226, 227, 229];
        let cloudcore =
            [106, 107, 118, 116, 116, 120, 120, 110, 127, 124, 124, 126, 126, 128, 135, 137, 137, 137, 137, 137];
        assert_eq!(count(Kind::EdgeCore), edgecore);
        assert_eq!(count(Kind::CloudCore), cloudcore);
    }
}
