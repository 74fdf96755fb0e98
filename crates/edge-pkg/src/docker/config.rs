//! Reads daemon.json: its keys in their order, each with the place of its value.
//!
//! dockerd reads JSON without comments, and of two equal keys the last; a file that has both is not edited, as nobody
//! knows which one its author reads.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use edge_host::json::{describe, place};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The key of the options of containers' execution, with the cgroup driver.
pub const EXEC_OPTS: &str = "exec-opts";
/// The key of the mirrors of Docker Hub.
pub const MIRRORS: &str = "registry-mirrors";
/// The key of the registries without a trusted certificate.
pub const INSECURE: &str = "insecure-registries";
/// The option in `exec-opts`.
pub const DRIVER: &str = "native.cgroupdriver=";
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A key, its value, and the place of the value in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// The place of the value.
    pub at: Range<usize>,
}

/// What the file sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Its keys, in their order.
    pub entries: Vec<Entry>,
}

/// Why a file is not edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, if it is known.
    pub line: Option<usize>,
    /// What is wrong: `it is empty`.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Config {
    /// Reads a file that exists.
    pub fn parse(bytes: &[u8]) -> Result<(&str, Config), Problem> {
        let problem = |line: Option<usize>, text: &str| Problem { line, text: text.to_owned() };
        if bytes.starts_with(BOM) {
            return Err(problem(Some(1), "it begins with a byte order mark, which is not valid JSON"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| problem(None, "it is not UTF-8 text"))?;
        match text.trim_start().chars().next() {
            None => return Err(problem(None, "it is empty, and an object with settings is expected")),
            Some('<') => return Err(problem(Some(1), "it is an HTML or XML page, not JSON")),
            Some('{' | '/' | '#') => {}
            Some(_) => return Err(problem(Some(1), "it is not a JSON object, which begins with {")),
        }
        // First as a whole, so that the place of an error is its place in the file.
        let _: Value = serde_json::from_str(text).map_err(|error| of_json(text, &error))?;
        let Top(all) = serde_json::from_str(text).map_err(|error| of_json(text, &error))?;
        let (mut keys, mut entries) = (BTreeSet::new(), Vec::new());
        for (key, raw) in all {
            let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            let tree: Tree = serde_json::from_str(raw.get()).map_err(|error| of_json(text, &error))?;
            let nested = tree.duplicate.map(|inner| format!("{key}.{inner}"));
            if let Some(name) = nested.or_else(|| keys.contains(&key).then(|| key.clone())) {
                return Err(problem(Some(line_at(text, start)), &format!("the key {name} is set twice")));
            }
            let value = serde_json::from_str(raw.get()).map_err(|error| of_json(text, &error))?;
            keys.insert(key.clone());
            entries.push(Entry { key, value, at: start..start + raw.get().len() });
        }
        Ok((text, Config { entries }))
    }

    /// A key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A list of strings, empty if the key is not set or null; none if it is anything else.
    pub fn strings(&self, key: &str) -> Option<Vec<String>> {
        let Some(entry) = self.get(key).filter(|entry| !entry.value.is_null()) else { return Some(Vec::new()) };
        entry.value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// The cgroup driver, if it is set; of several, dockerd takes the first.
    pub fn driver(&self) -> Option<String> {
        self.strings(EXEC_OPTS)?.iter().find_map(|option| driver_of(option).map(str::to_owned))
    }
}

/// The cgroup driver that an option sets; dockerd ignores case and blanks (moby, `daemon/daemon_unix.go`).
pub fn driver_of(option: &str) -> Option<&str> {
    let (key, value) = option.split_once('=')?;
    key.trim().eq_ignore_ascii_case(DRIVER.trim_end_matches('=')).then(|| value.trim())
}

/// The line of a place, from 1.
pub fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn of_json(text: &str, error: &serde_json::Error) -> Problem {
    let (line, column) = place(text, error);
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let (before, at) = text.split_at_checked(start + column - 1).unwrap_or_default();
    if is_comment(before, at) {
        return Problem { line: Some(line), text: format!("line {line} has a comment, which is not valid JSON") };
    }
    Problem { line: Some(line), text: describe(text, error) }
}

/// Whether a comment begins here. A value without quotes may begin with the same characters, and an invalid string may
/// contain them.
fn is_comment(before: &str, at: &str) -> bool {
    let has_form = ["//", "/*", "#"].iter().any(|begin| at.starts_with(begin));
    let line = before.rsplit('\n').next().unwrap_or_default();
    has_form && !line.trim_end().ends_with([':', '[']) && !is_in_string(before)
}

/// Whether a text ends in a string.
fn is_in_string(text: &str) -> bool {
    let (mut is_inside, mut is_escaped) = (false, false);
    for char in text.chars() {
        is_inside ^= char == '"' && !is_escaped;
        is_escaped = is_inside && char == '\\' && !is_escaped;
    }
    is_inside
}

/// The keys of an object in their order.
struct Top<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Top<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Top<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Top(all))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A value of which only the first key that is set twice is of interest, as a path.
#[derive(Default)]
struct Tree {
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let (mut keys, mut first) = (BTreeSet::new(), Tree::default());
                while let Some((key, tree)) = map.next_entry::<String, Tree>()? {
                    let here = keys.contains(&key).then(|| key.clone());
                    let inner = here.or_else(|| tree.duplicate.map(|inner| format!("{key}.{inner}")));
                    first.duplicate = first.duplicate.or(inner);
                    keys.insert(key);
                }
                Ok(first)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut first = Tree::default();
                while let Some(tree) = seq.next_element::<Tree>()? {
                    first.duplicate = first.duplicate.or(tree.duplicate);
                }
                Ok(first)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::default())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::default())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::default())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
                Ok(Tree::default())
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
