//! Finds a path in the key table, or the place where it belongs.
//!
//! A path is a list of steps: `["modules", "cloudHub", "advertiseAddress", "[0]"]`.

use super::near;
use super::path::{Fit, canonical, fit, format_path, index, tails};
use super::table::{Key, Table, within};
use super::types::{KeyType, TypeError, check_type, typed};
use crate::Kind;
use crate::Minor;
use serde_yaml::Value;

/// What the key table has for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// KubeEdge reads it.
    Known(Match),
    /// KubeEdge accepts it, but it has no effect.
    Dead {
        /// The key.
        found: Match,
        /// The path that takes effect instead.
        by: String,
    },
    /// A known key at another place of this file.
    WrongPlace {
        /// Its place.
        belongs: String,
    },
    /// A key of the other file.
    WrongKind {
        /// The kind of that file.
        kind: Kind,
        /// Its place there.
        path: String,
    },
    /// A key of newer versions.
    NotYet {
        /// The path in KubeEdge's spelling.
        path: String,
        /// The first version that has it (again).
        first: Minor,
        /// The path of the same setting in the requested version.
        instead: Option<String>,
    },
    /// A key of older versions.
    Gone {
        /// The path in KubeEdge's spelling.
        path: String,
        /// The last version that had it.
        last: Minor,
        /// The path of the same setting in the requested version.
        now: Option<String>,
    },
    /// No version has it.
    Unknown {
        /// The most similar known path.
        closest: Option<String>,
    },
}

/// A path that the table knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The steps as KubeEdge spells them; map keys and indexes as given.
    pub path: Vec<String>,
    /// The row of the requested version, else the newest one.
    pub key: Key,
    /// The type of the value at the path: for an element of a list or map, that of the element.
    pub ty: KeyType,
    /// All matching rows: one where the version is known, else one for each type that the key ever had.
    pub rows: Vec<Key>,
    place: Place,
}

/// Whether a path is that of a row, or of an element of its list or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Row,
    Element,
}

impl Place {
    fn ty(self, row: &Key) -> KeyType {
        match self {
            Self::Row => row.ty,
            Self::Element => row.ty.element().unwrap_or(KeyType::Any),
        }
    }
}

impl Match {
    /// The path as text.
    #[must_use]
    pub fn text(&self) -> String {
        format_path(&self.path)
    }

    /// Whether it is an entry of a list or map and not a key of KubeEdge.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.place == Place::Element
    }

    /// Checks a value: against the type of the version, or of any version where it is unknown.
    ///
    /// # Errors
    /// What the value must be.
    pub fn check(&self, value: &Value) -> Result<(), TypeError> {
        self.any_type(|ty| check_type(ty, value))
    }

    /// Converts text from the command line to a value.
    ///
    /// # Errors
    /// What the value must be.
    pub fn typed(&self, text: &str) -> Result<Value, TypeError> {
        self.any_type(|ty| typed(ty, text))
    }

    /// The versions that have it, for a message: `1.12 only, 1.15 and newer`.
    #[must_use]
    pub fn versions(&self) -> String {
        let parts: Vec<String> = self.rows.iter().map(Key::versions).collect();
        parts.join(", ")
    }

    /// The error is that of the newest type.
    fn any_type<T>(&self, attempt: impl Fn(KeyType) -> Result<T, TypeError>) -> Result<T, TypeError> {
        attempt(self.ty)
            .or_else(|error| self.rows.iter().rev().find_map(|row| attempt(self.place.ty(row)).ok()).ok_or(error))
    }
}

impl Table {
    /// Finds a path, ignoring letter case as KubeEdge does.
    ///
    /// Without a version the path must exist in at least one. For a version older than the table, its oldest
    /// is used.
    #[must_use]
    pub fn lookup(self, path: &[&str], version: Option<Minor>) -> Lookup {
        let version = version.map(|version| version.max(Self::OLDEST));
        let rows = self.fitting(path);
        if let Some((newest, place)) = rows.last() {
            return match version {
                None => Lookup::Known(match_of(path, newest, *place, &rows)),
                Some(version) => self.in_version(path, version, &rows),
            };
        }
        let other = Self::of(self.kind().other());
        if let Some((row, _)) = other.fitting(path).last() {
            return Lookup::WrongKind { kind: other.kind(), path: format_path(&canonical(path, row.path)) };
        }
        if let Some(belongs) = self.by_end(path, path.len(), version) {
            return Lookup::WrongPlace { belongs };
        }
        if let Some(path) = other.by_end(path, path.len(), None) {
            return Lookup::WrongKind { kind: other.kind(), path };
        }
        let closest = self.entry_meant(path).or_else(|| near::closest(path, self.paths_at(version)));
        if closest.is_none() {
            // The longest end of the path that is unique; the last step alone only where it is specific
            // (clusterDNS, not port).
            for length in (1..path.len()).rev() {
                if length == 1 && path.last().is_none_or(|leaf| leaf.len() < 8) {
                    break;
                }
                if let Some(belongs) = self.by_end(path, length, version) {
                    return Lookup::WrongPlace { belongs };
                }
            }
        }
        Lookup::Unknown { closest }
    }

    /// The path of a row's setting in a version that does not have the row.
    #[must_use]
    pub fn counterpart(self, path: &str, version: Minor) -> Option<&'static str> {
        let mut seen = vec![path];
        let mut next = 0;
        while let Some(&at) = seen.get(next) {
            next += 1;
            for (from, to) in self.moves() {
                let hop = if from == at {
                    to
                } else if to == at {
                    from
                } else {
                    continue;
                };
                if !seen.contains(&hop) {
                    if self.key(hop, version).is_some() {
                        return Some(hop);
                    }
                    seen.push(hop);
                }
            }
        }
        None
    }

    /// The path at which a version reads the setting that another version has at `path`.
    #[must_use]
    pub fn home(self, path: &str, version: Minor) -> Option<String> {
        let steps: Vec<&str> = path.split('.').collect();
        match self.lookup(&steps, Some(version)) {
            Lookup::Known(found) => Some(found.text()),
            Lookup::Dead { by, .. } => Some(by),
            Lookup::NotYet { instead: place, .. } | Lookup::Gone { now: place, .. } => place,
            Lookup::WrongPlace { .. } | Lookup::WrongKind { .. } | Lookup::Unknown { .. } => None,
        }
    }

    fn in_version(self, path: &[&str], version: Minor, rows: &[(Key, Place)]) -> Lookup {
        if let Some((row, place)) = rows.iter().find(|(row, _)| row.is_in(version)) {
            let found = match_of(path, row, *place, &[(*row, *place)]);
            let dead = self.dead().find(|dead| dead.path == row.path && within(version, dead.first, dead.last));
            return match dead {
                Some(dead) => Lookup::Dead { found, by: dead.by.to_owned() },
                None => Lookup::Known(found),
            };
        }
        let spelt = |row: &Key| format_path(&canonical(path, row.path));
        let twin = |row: &Key| self.counterpart(row.path, version).map(|to| format_path(&canonical(&[], to)));
        if let Some((row, _)) = rows.iter().find(|(row, _)| row.first > version) {
            return Lookup::NotYet { path: spelt(row), first: row.first, instead: twin(row) };
        }
        match rows.last() {
            Some((row, _)) => Lookup::Gone { path: spelt(row), last: row.last.unwrap_or(row.first), now: twin(row) },
            None => Lookup::Unknown { closest: None },
        }
    }

    /// The rows that match a path, oldest first.
    fn fitting(self, path: &[&str]) -> Vec<(Key, Place)> {
        let mut fitting: Vec<(Key, Place)> = self
            .rows_like(path)
            .filter_map(|(row, rest)| {
                let fit = fit(row, path)?;
                let key = Key::parse(row, rest)?;
                fit.place(key.ty).map(|place| (key, place))
            })
            .collect();
        fitting.sort_by_key(|(key, _)| key.first);
        fitting
    }

    /// The path that ends with the last `length` steps, if there is exactly one.
    fn by_end(self, path: &[&str], length: usize, version: Option<Minor>) -> Option<String> {
        let end = path.get(path.len().checked_sub(length)?..)?;
        if index(end.first()?).is_some() {
            return None;
        }
        let mut hit: Option<(&str, &str)> = None;
        for (row, rest) in self.rows() {
            let Some(tail) = tails(row).find(|tail| fit(tail, end).is_some()) else {
                continue;
            };
            let Some(key) = Key::parse(row, rest) else {
                continue;
            };
            let is_in_version = version.is_none_or(|version| key.is_in(version));
            if !is_in_version || fit(tail, end).and_then(|fit| fit.place(key.ty)).is_none() {
                continue;
            }
            match hit {
                Some((other, _)) if other != row => return None,
                _ => hit = Some((row, tail)),
            }
        }
        let (row, tail) = hit?;
        let mut steps = canonical(&[], row.strip_suffix(tail)?.trim_end_matches('.'));
        steps.extend(canonical(end, tail));
        Some(format_path(&steps))
    }

    /// The likely entry of a map or list, where its key lacks quotes or its index lacks brackets:
    /// `evictionHard.memory.available`, `clusterDNS.0`.
    fn entry_meant(self, path: &[&str]) -> Option<String> {
        (1..path.len()).rev().find_map(|length| {
            let (owner, rest) = path.split_at(length);
            let (row, place) = self.fitting(owner).pop()?;
            let entry = match row.ty {
                KeyType::Map(_) if rest.len() > 1 => rest.join("."),
                KeyType::List(_) if rest.len() == 1 && rest[0].bytes().all(|byte| byte.is_ascii_digit()) => {
                    format!("[{}]", rest[0])
                }
                _ => return None,
            };
            let mut steps = canonical(owner, row.path);
            steps.push(entry);
            (place == Place::Row).then(|| format_path(&steps))
        })
    }

    fn paths_at(self, version: Option<Minor>) -> impl Iterator<Item = &'static str> {
        self.rows().filter_map(move |(path, rest)| match version {
            None => Some(path),
            Some(version) => Key::parse(path, rest)?.is_in(version).then_some(path),
        })
    }
}

impl Fit<'_> {
    fn place(self, ty: KeyType) -> Option<Place> {
        match (self, ty) {
            (Self::Whole, _) => Some(Place::Row),
            (Self::AllBut(step), KeyType::List(_)) => index(step).map(|_| Place::Element),
            (Self::AllBut(step), KeyType::Map(_)) => index(step).is_none().then_some(Place::Element),
            _ => None,
        }
    }
}

fn match_of(path: &[&str], row: &Key, place: Place, rows: &[(Key, Place)]) -> Match {
    Match {
        path: canonical(path, row.path),
        key: *row,
        ty: place.ty(row),
        rows: rows.iter().map(|(row, _)| *row).collect(),
        place,
    }
}

#[cfg(test)]
mod tests;
