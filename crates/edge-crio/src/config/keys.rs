//! The keys of CRI-O's configuration: the type of each, and the values that CRI-O starts with.

use std::collections::BTreeMap;

use edge_host::{Error, Result};
use serde::Deserialize;

const DATA: &str = include_str!("../../data/keys.toml");
/// Any name.
const ANY: &str = "*";

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A string.
    String,
    /// A list of strings.
    Strings,
    /// A boolean.
    Boolean,
    /// An integer.
    Integer,
    /// A duration: a string such as `5s`, or nanoseconds.
    Duration,
    /// A table of strings.
    Map,
}

/// What is known about a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    since: Option<u32>,
    until: Option<u32>,
    /// The only values that CRI-O starts with; any if it is empty.
    #[serde(default)]
    pub values: Vec<String>,
    /// The smallest positive integer that CRI-O starts with.
    pub minimum: Option<i64>,
    /// The string must be empty or a duration.
    #[serde(default)]
    pub is_duration: bool,
}

impl Key {
    /// Whether a minor version reads it; without a version the newest one.
    fn is_read_by(&self, minor: Option<u32>) -> bool {
        let minor = minor.unwrap_or(u32::MAX);
        self.since.is_none_or(|since| since <= minor) && self.until.is_none_or(|until| minor <= until)
    }
}

/// The keys that a version of CRI-O reads, by section and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(BTreeMap<String, BTreeMap<String, Key>>);

impl Table {
    /// The keys of a minor version; of the newest one where it is unknown.
    ///
    /// Errors: built-in data that is not valid.
    pub fn of(minor: Option<u32>) -> Result<Table> {
        let mut all: BTreeMap<String, BTreeMap<String, Key>> = toml_edit::de::from_str(DATA)
            .map_err(|error| Error::failed(format!("cannot read the built-in data keys: {error}")))?;
        for keys in all.values_mut() {
            keys.retain(|_, key| key.is_read_by(minor));
        }
        all.retain(|_, keys| !keys.is_empty());
        Ok(Table(all))
    }

    /// A key of a section, by its name in lower case.
    pub fn key(&self, section: &str, name: &str) -> Option<&Key> {
        self.0.get(section)?.get(name)
    }

    /// The section of a name in a section: a name that is known, or that of all names.
    pub fn section(&self, section: &str, name: &str) -> Option<String> {
        let of = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        [of(ANY), of(name)].into_iter().find(|one| {
            self.0.keys().any(|known| {
                known.strip_prefix(one.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        })
    }

    /// The keys that allow only some values, with their full names.
    pub fn limited(&self) -> impl Iterator<Item = (String, &Key)> {
        self.0.iter().flat_map(|(section, keys)| keys.iter().map(move |(name, key)| (format!("{section}.{name}"), key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_contains_the_keys_of_a_version() {
        let of = |minor| Table::of(minor).unwrap();
        let has = |minor, name| of(Some(minor)).key("crio.runtime", name).is_some();
        assert!(has(20, "manage_ns_lifecycle") && !has(21, "manage_ns_lifecycle"));
        assert!(!has(29, "timezone") && has(30, "timezone"));
        let newest = of(None);
        assert!(newest.key("crio.runtime", "timezone").is_some() && newest.key("crio.image", "registries").is_none());
        assert_eq!(newest.section("crio.runtime", "runtimes").as_deref(), Some("crio.runtime.runtimes"));
        assert_eq!(newest.section("crio.runtime.runtimes", "x").as_deref(), Some("crio.runtime.runtimes.*"));
        assert_eq!((newest.section("crio", "x"), of(Some(22)).section("crio", "tracing")), (None, None));
        assert_eq!(newest.section("", "crio").as_deref(), Some("crio"));
    }
}
