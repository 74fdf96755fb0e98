//! A tree of files held in memory, to compare with another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use similar::TextDiff;

use crate::workspace::read;

/// Everything below some directories, by path relative to the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// Kind, mode and owner, as shown.
    header: String,
    content: Vec<u8>,
}

impl Tree {
    /// Reads `parts` of `root`; paths at or below `without` are left out.
    pub(crate) fn read(root: &Path, parts: &[&str], without: &[&str]) -> Result<Tree> {
        let mut entries = BTreeMap::new();
        let mut todo: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        while let Some(name) = todo.pop() {
            let path = root.join(&name);
            let cannot = || format!("cannot read {}", path.display());
            let meta = std::fs::symlink_metadata(&path).with_context(cannot)?;
            let kind = meta.file_type();
            let mut content = Vec::new();
            if kind.is_dir() {
                for entry in std::fs::read_dir(&path).with_context(cannot)? {
                    let child = entry.with_context(cannot)?.file_name();
                    let child = child.to_string_lossy();
                    let child = format!("{name}/{child}").trim_start_matches('/').to_owned();
                    if !without.contains(&child.as_str()) {
                        todo.push(child);
                    }
                }
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).with_context(cannot)?;
                content = target.into_os_string().into_encoded_bytes();
            } else {
                content = read(&path)?;
            }
            let mode = meta.permissions().mode();
            let header = format!("{mode:o} {}:{}", meta.uid(), meta.gid());
            entries.insert(name, Entry { header, content });
        }
        Ok(Tree { entries })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries of this tree and that differ.
    pub(crate) fn changes(&self, after: &Tree) -> usize {
        let names: BTreeSet<&String> = self.entries.keys().chain(after.entries.keys()).collect();
        names.into_iter().filter(|name| self.entries.get(*name) != after.entries.get(*name)).count()
    }

    /// The changes of this tree, as a unified diff; empty without changes.
    pub(crate) fn diff(&self, after: &Tree) -> String {
        let mut diff = String::new();
        let names: BTreeSet<&String> = self.entries.keys().chain(after.entries.keys()).collect();
        for name in names {
            let (old, new) = (self.entries.get(name), after.entries.get(name));
            if old == new {
                continue;
            }
            let header = |entry: Option<&Entry>| entry.map(|entry| entry.header.clone());
            match (header(old), header(new)) {
                (None, Some(mode)) => _ = writeln!(diff, "    new {name} {mode}"),
                (Some(_), None) => _ = writeln!(diff, "    gone {name}"),
                (old, new) if old != new => {
                    let [old, new] = [old, new].map(Option::unwrap_or_default);
                    _ = writeln!(diff, "    {name}: {old} -> {new}");
                }
                _ => {}
            }
            let text = |entry: Option<&Entry>| entry.map_or_else(String::new, |entry| shown(&entry.content));
            let (old, new) = (text(old), text(new));
            let unified = TextDiff::from_lines(&old, &new)
                .unified_diff()
                .context_radius(1)
                .header(&format!("a/{name}"), &format!("b/{name}"))
                .to_string();
            for line in unified.lines() {
                _ = writeln!(diff, "    {line}");
            }
        }
        diff
    }
}

/// A file's text; of a private key only the start of its digest.
fn shown(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    if !text.contains("PRIVATE KEY-----") {
        return text.into_owned();
    }
    let digest = Sha256::digest(content);
    format!("(a private key, its SHA-256 begins with {:02x}{:02x}{:02x})\n", digest[0], digest[1], digest[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{remove_tree, write};

    #[test]
    fn difference_shows_every_kind_of_change() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        let tree = || Tree::read(&root, &[""], &["own"]).unwrap();
        write(&root.join("a"), "one\ntwo\n").unwrap();
        write(&root.join("b"), "b\n").unwrap();
        let before = tree();
        assert_eq!(before.diff(&tree()), "");

        write(&root.join("own/journal"), "left out").unwrap();
        assert_eq!(before.diff(&tree()), "");

        write(&root.join("a"), "one\n2\n").unwrap();
        std::fs::remove_file(root.join("b")).unwrap();
        std::os::unix::fs::symlink("a", root.join("c")).unwrap();
        write(&root.join("d/e"), "e\n").unwrap();
        let diff = before.diff(&tree());
        assert_eq!(before.changes(&tree()), diff.matches("@@").count() / 2 + 1, "{diff}");
        for expected in ["    -two\n    +2\n", "    gone b\n", "    new c 120777", "    new d 40", "    +e\n"] {
            assert!(diff.contains(expected), "no {expected:?} in:\n{diff}");
        }

        let before = tree();
        write(&root.join("a"), "-----BEGIN PRIVATE KEY-----\nSECRET\n").unwrap();
        let diff = before.diff(&tree());
        assert!(diff.contains("+(a private key, its SHA-256 begins with ") && !diff.contains("SECRET"), "{diff}");

        let before = tree();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(root.join("a"), mode).unwrap();
        assert!(before.diff(&tree()).contains(" -> 100600 "), "{}", before.diff(&tree()));
        remove_tree(&root).unwrap();
    }
}
