//! Entries of apt's sources that must go when a source is added: those of a repository that no longer exists, which make
//! every `apt-get update` fail, and older entries of the same repository.
//!
//! A line is commented out, and a stanza of deb822 is disabled. Everything else in the file stays as it is.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Result, Root};

use crate::source::{files, uri_and_suite};

const FIELDS: &str = "sources";
const DISABLED: &[u8] = b"Enabled: no\n";
const COMMENT: &[u8] = b"# ";

/// Which entries are obsolete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obsolete {
    /// The beginning of the address, without a scheme and ending in a slash: `apt.kubernetes.io/`.
    pub uri: String,
    /// The beginning of the suite; empty for every suite.
    pub suite: String,
    /// Why, for messages: `removed in March 2024`.
    pub why: String,
}

/// An obsolete entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObsoleteEntry {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The address.
    pub uri: String,
    /// Why it is obsolete.
    pub why: String,
}

/// A file with obsolete entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObsoleteFile {
    pub(crate) path: PathBuf,
    pub(crate) was: FileSnapshot,
    /// The file without them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<ObsoleteEntry>,
}

/// The obsolete entries in apt's sources, but for the file `own`. Errors: exit 4 for one that cannot be disabled alone.
pub(crate) fn find(root: &Root, obsolete: &[Obsolete], own: Option<&Path>) -> Result<Vec<ObsoleteFile>> {
    find_with(root, obsolete, own, true)
}

fn find_with(root: &Root, obsolete: &[Obsolete], own: Option<&Path>, refuses: bool) -> Result<Vec<ObsoleteFile>> {
    let mut all = Vec::new();
    if obsolete.is_empty() {
        return Ok(all);
    }
    for path in files(root)?.into_iter().filter(|path| Some(path.as_path()) != own) {
        let was = root.find(&path)?;
        let is_fields = path.extension().is_some_and(|extension| extension == FIELDS);
        let (bytes, entries) = if is_fields {
            without_stanzas(&path, &was.bytes, obsolete, refuses)?
        } else {
            without_lines(&path, &was.bytes, obsolete)
        };
        if !entries.is_empty() {
            all.push(ObsoleteFile { path, was, bytes, entries });
        }
    }
    Ok(all)
}

/// The obsolete entries, for a check.
pub fn obsolete_entries(root: &Root, obsolete: &[Obsolete]) -> Result<Vec<ObsoleteEntry>> {
    Ok(find_with(root, obsolete, None, false)?.into_iter().flat_map(|file| file.entries).collect())
}

impl Obsolete {
    fn is(&self, uri: &str, suite: &str) -> bool {
        let address = uri.split_once("://").map_or(uri, |(_, address)| address).trim_end_matches('/');
        format!("{address}/").starts_with(&self.uri) && suite.starts_with(&self.suite)
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn text(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(line)
}

fn without_lines(path: &Path, bytes: &[u8], obsolete: &[Obsolete]) -> (Vec<u8>, Vec<ObsoleteEntry>) {
    let (mut edited, mut entries) = (Vec::new(), Vec::new());
    for (index, line) in lines(bytes).enumerate() {
        let text = text(line);
        let found = uri_and_suite(&text)
            .and_then(|(uri, suite)| Some((uri, obsolete.iter().find(|obsolete| obsolete.is(uri, suite))?)));
        if let Some((uri, Obsolete { why, .. })) = found {
            edited.extend(COMMENT);
            entries.push(ObsoleteEntry {
                path: path.to_path_buf(),
                line: index + 1,
                uri: uri.to_owned(),
                why: why.clone(),
            });
        }
        edited.extend(line);
    }
    (edited, entries)
}

/// A stanza that also names other repositories is refused (exit 4), or is an entry that stays as it is.
fn without_stanzas(
    path: &Path,
    bytes: &[u8],
    obsolete: &[Obsolete],
    refuses: bool,
) -> Result<(Vec<u8>, Vec<ObsoleteEntry>)> {
    let (mut edited, mut entries) = (Vec::new(), Vec::new());
    let all: Vec<&[u8]> = lines(bytes).collect();
    let mut number = 1;
    for stanza in all.split_inclusive(|line| text(line).trim().is_empty()) {
        match Stanza::read(stanza).obsolete(obsolete) {
            Some((line, uri, why, true)) => {
                entries.push(ObsoleteEntry { path: path.to_path_buf(), line: number + line, uri, why });
                // Before its first field, in place of any field of that name.
                let first = stanza.iter().position(|line| !line.starts_with(b"#")).unwrap_or_default();
                for (index, line) in stanza.iter().enumerate() {
                    if index == first {
                        edited.extend(DISABLED);
                    }
                    if field(&text(line)).is_none_or(|(name, _)| !name.eq_ignore_ascii_case("Enabled")) {
                        edited.extend(*line);
                    }
                }
            }
            Some((line, uri, why, false)) if !refuses => {
                entries.push(ObsoleteEntry { path: path.to_path_buf(), line: number + line, uri, why });
                edited.extend(stanza.concat());
            }
            Some((line, uri, why, false)) => {
                return Err(Error::refused(format!(
                    "cannot disable the repository {uri} ({why}): {}:{} also names other repositories or suites",
                    path.display(),
                    number + line
                ))
                .hint("remove it from that entry, and run again"));
            }
            None => edited.extend(stanza.concat()),
        }
        number += stanza.len();
    }
    Ok((edited, entries))
}

/// The fields of a stanza that matter here.
#[derive(Default)]
struct Stanza {
    is_disabled: bool,
    /// Each address with its line, from 0.
    uris: Vec<(usize, String)>,
    suites: Vec<String>,
}

impl Stanza {
    fn read(stanza: &[&[u8]]) -> Stanza {
        let mut all = Stanza::default();
        let mut last = String::new();
        for (index, line) in stanza.iter().enumerate() {
            let line = text(line);
            if line.starts_with('#') {
                continue;
            }
            let value = match field(&line) {
                Some((name, value)) => {
                    last = name.to_ascii_lowercase();
                    value
                }
                None => line.as_ref(),
            };
            let words = value.split_whitespace().map(str::to_owned);
            match last.as_str() {
                "enabled" => all.is_disabled = ["no", "false"].contains(&value.trim()),
                "uris" => all.uris.extend(words.map(|uri| (index, uri))),
                "suites" => all.suites.extend(words),
                _ => {}
            }
        }
        all
    }

    /// The line and address of the first obsolete repository, why it is obsolete, and whether all of the stanza is.
    fn obsolete(&self, obsolete: &[Obsolete]) -> Option<(usize, String, String, bool)> {
        if self.is_disabled {
            return None;
        }
        let pairs = self.uris.iter().flat_map(|uri| self.suites.iter().map(move |suite| (uri, suite)));
        let judged: Vec<_> =
            pairs.map(|((line, uri), suite)| (line, uri, obsolete.iter().find(|one| one.is(uri, suite)))).collect();
        let (line, uri, found) = judged.iter().find_map(|(line, uri, found)| Some((**line, *uri, (*found)?)))?;
        Some((line, uri.clone(), found.why.clone(), judged.iter().all(|(.., found)| found.is_some())))
    }
}

/// The name and value of a field; none for a continuation.
fn field(line: &str) -> Option<(&str, &str)> {
    line.split_once(':').filter(|_| !line.starts_with([' ', '\t', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<Obsolete> {
        let rule =
            |uri: &str, suite: &str| Obsolete { uri: uri.to_owned(), suite: suite.to_owned(), why: "x".to_owned() };
        vec![rule("apt.kubernetes.io/", ""), rule("packages.cloud.google.com/apt/", "kubernetes-")]
    }

    fn of_lines(text: &str) -> (String, Vec<usize>) {
        let (bytes, entries) = without_lines(Path::new("/x"), text.as_bytes(), &rules());
        (String::from_utf8(bytes).unwrap(), entries.iter().map(|entry| entry.line).collect())
    }

    fn of_stanzas(text: &str) -> Result<(String, Vec<usize>)> {
        let (bytes, entries) = without_stanzas(Path::new("/x"), text.as_bytes(), &rules(), true)?;
        Ok((String::from_utf8(bytes).unwrap(), entries.iter().map(|entry| entry.line).collect()))
    }

    #[test]
    fn lines_of_dead_repositories_are_commented_out() {
        let text = "# deb http://apt.kubernetes.io/ a b\ndeb http://deb.debian.org/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/k] https://apt.kubernetes.io kubernetes-xenial main\n\
                    deb https://packages.cloud.google.com/apt cloud-sdk main\n\
                    deb-src http://packages.cloud.google.com/apt/ kubernetes-jammy main";
        let (edited, lines) = of_lines(text);
        assert_eq!(lines, [3, 5]);
        assert_eq!(edited, text.replace("deb [arch", "# deb [arch").replace("deb-src", "# deb-src"));
        assert_eq!(of_lines(&edited), (edited.clone(), vec![]));
        assert_eq!(of_lines("deb https://apt.kubernetes.io.example/ a b\n").1, Vec::<usize>::new());
    }

    #[test]
    fn stanzas_of_dead_repositories_are_disabled() {
        let live = "Types: deb\nURIs: https://deb.debian.org/debian\nSuites: bookworm\n\n";
        let dead = "# mine\nTypes: deb\nEnabled: yes\nURIs:\n https://apt.kubernetes.io/\nSuites: kubernetes-xenial\nComponents: main\n";
        let (edited, lines) = of_stanzas(&format!("{live}{dead}")).unwrap();
        assert_eq!(lines, [9]);
        let disabled = dead.replace("Enabled: yes\n", "").replace("Types", "Enabled: no\nTypes");
        assert_eq!(edited, format!("{live}{disabled}"));
        assert_eq!(of_stanzas(&edited).unwrap(), (edited.clone(), vec![]));
        let mixed = "Types: deb\nURIs: https://packages.cloud.google.com/apt\nSuites: cloud-sdk kubernetes-xenial\n";
        let error = of_stanzas(mixed).unwrap_err();
        assert!(error.message().contains("/x:2 also names other repositories or suites"), "{error}");
        let (same, found) = without_stanzas(Path::new("/x"), mixed.as_bytes(), &rules(), false).unwrap();
        assert_eq!((same.as_slice(), found[0].line), (mixed.as_bytes(), 2), "a check names it");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept() {
        let text = b"# \xff\ndeb https://apt.kubernetes.io/ x main\n";
        let (edited, entries) = without_lines(Path::new("/x"), text, &rules());
        assert_eq!(
            (edited.as_slice(), entries.len()),
            (b"# \xff\n# deb https://apt.kubernetes.io/ x main\n".as_slice(), 1)
        );
    }
}
