//! The directories that programs on this host are configured to use.
//!
//! What a configuration names is known only as long as that configuration exists, so the phase files removes those last.
//! A configuration that exists and cannot be read is a problem, and not an absent setting: see [`Roots::complete`].

mod kubeedge;
mod kubelet;
mod runtime;

pub(crate) use self::kubeedge::configs;

use std::path::{Component, Path, PathBuf};

use edge_host::{Error, Exit, Host, Result};
use edge_systemd::{Units, Word};

use crate::creator::Creator;
use crate::phases::Renamed;

const TOP: &str = "/";
/// A link to /run on every distribution of today.
const VAR_RUN: &str = "/var/run";
const RUN: &str = "/run";
const DEFAULT: &str = "its default place";

/// A directory that contains what a program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootDir {
    /// Its path, links not resolved.
    pub(crate) path: PathBuf,
    /// What names it: a file and setting, or that it is the default.
    pub(crate) source: String,
    /// The programs that use it.
    pub(crate) creators: Vec<Creator>,
}

/// A file that a program of KubeEdge is configured to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootFile {
    pub(crate) path: PathBuf,
    /// What names it.
    pub(crate) source: String,
    pub(crate) creator: Creator,
    pub(crate) kind: FileKind,
}

/// What proves such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// It is read as the configuration of that program.
    Configuration,
    /// It begins as a database of SQLite.
    Database,
    /// Nothing: it may be the user's, and is only named.
    PrivateKey,
}

/// All of them. None is empty: what no configuration names is at its default place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    /// The roots of kubelets: pods, volumes and plugins are below them.
    pub(crate) kubelet: Vec<RootDir>,
    /// The directories of static pods.
    pub(crate) static_pods: Vec<RootDir>,
    /// k3s' `data-dir`.
    pub(crate) k3s: Vec<RootDir>,
    /// CRI-O's `root`: images, and the read-write layers of containers.
    pub(crate) crio: Vec<RootDir>,
    /// CRI-O's `runroot`.
    pub(crate) crio_run: Vec<RootDir>,
    /// CRI-O's `container_exits_dir` and `container_attach_socket_dir`, which it passes to its monitors. The default ones
    /// are always among them: a monitor keeps those that it was started with.
    pub(crate) crio_exits: Vec<RootDir>,
    pub(crate) crio_sockets: Vec<RootDir>,
    /// CRI-O's `namespaces_dir`: the directories netns, ipcns, utsns, userns and pidns are in it.
    pub(crate) crio_namespaces: Vec<RootDir>,
    /// containerd's `root`.
    pub(crate) containerd: Vec<RootDir>,
    /// containerd's `state`.
    pub(crate) containerd_state: Vec<RootDir>,
    /// Single files of node agents that are not at their default places: databases and configurations.
    pub(crate) files: Vec<RootFile>,
    /// Configurations that exist and could not be read.
    pub(crate) problems: Vec<Error>,
}

impl Roots {
    pub(crate) fn read(host: &Host, units: &Units<'_>, renamed: &[Renamed]) -> Roots {
        let mut roots = Roots::default();
        kubelet::read(host, units, renamed, &mut roots);
        kubeedge::read(host, units, renamed, &mut roots);
        runtime::read(host, units, &mut roots);
        roots
    }

    /// Errors: a configuration that exists could not be read (exit 4). A phase that depends on what it names calls this.
    pub(crate) fn complete(&self) -> Result<()> {
        let Some(problem) = self.problems.first() else { return Ok(()) };
        let problem = problem.clone().with_exit(Exit::Refused);
        match problem.hint_text() {
            Some(_) => Err(problem),
            None => Err(problem.hint("repair that file or move it away, then run the command again")),
        }
    }

    /// What a reader found; its error is a problem.
    fn found<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|error| self.problems.push(error)).ok()
    }
}

/// Whether it is at its default place, which no configuration has to name.
pub(crate) fn is_default(root: &RootDir) -> bool {
    root.source == DEFAULT
}

/// Adds a directory, or to one that is there its creators. The first source is kept.
fn add(all: &mut Vec<RootDir>, path: &str, source: impl Into<String>, creators: &[&str]) {
    let path = absolute(path);
    let creators = creators.iter().map(|name| Creator::from(*name));
    match all.iter_mut().find(|root| root.path == path) {
        Some(root) => {
            let more: Vec<Creator> = creators.filter(|creator| !root.creators.contains(creator)).collect();
            root.creators.extend(more);
        }
        None => all.push(RootDir { path, source: source.into(), creators: creators.collect() }),
    }
}

/// The path without `.` and `..`. systemd starts programs in /, below which relative paths are then.
pub(crate) fn absolute(path: &str) -> PathBuf {
    let mut whole = PathBuf::from(TOP);
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(name) => whole.push(name),
            _ => {}
        }
    }
    match whole.strip_prefix(VAR_RUN) {
        Ok(rest) => Path::new(RUN).join(rest).components().collect(),
        Err(_) => whole,
    }
}

/// The words that a unit is started with, variables replaced; none without the unit.
fn words(host: &Host, units: &Units<'_>, unit: &str) -> Result<Vec<Word>> {
    let unit = units.find(unit)?;
    if !unit.exists() {
        return Ok(Vec::new());
    }
    let settings = units.settings(&unit)?;
    if let Some(path) = settings.unread().first() {
        return Err(Error::cannot("read", host.root.display(path), "it is a drop-in of a unit that has settings"));
    }
    Ok(settings.exec_start_words(&settings.whole_environment(&host.root)?))
}

/// The last value of an option with one of these names (`--root-dir`), and the word that sets it.
fn option<'w>(words: &'w [Word], names: &[&str]) -> Option<(&'w Word, &'w str)> {
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        for name in names {
            let value = match word.text.strip_prefix(name) {
                Some("") => words.get(at + 1).map(|next| (next, next.text.as_str())),
                Some(value) => value.strip_prefix('=').map(|value| (word, value)),
                None => None,
            };
            found = value.filter(|(_, value)| !value.is_empty()).or(found);
        }
    }
    found
}

/// `FILE:LINE (--root-dir)`
fn at_word(host: &Host, word: &Word, name: &str) -> String {
    format!("{}:{} ({name})", host.root.display(&word.file).display(), word.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_path_has_no_dots_and_is_below_run() {
        for (path, want) in [
            ("/var/lib/kubelet/", "/var/lib/kubelet"),
            ("var/../data//x/./y", "/data/x/y"),
            ("/var/run/netns", "/run/netns"),
            ("/var/run", "/run"),
            ("/../..", "/"),
        ] {
            assert_eq!(absolute(path), Path::new(want), "{path}");
        }
    }

    #[test]
    fn option_is_the_last_one_in_either_form() {
        let word = |text: &str| Word { text: text.to_owned(), file: "/u".into(), line: 1 };
        let of = |line: &str| {
            let words: Vec<Word> = line.split(' ').map(word).collect();
            option(&words, &["--data-dir", "-d"]).map(|(_, value)| value.to_owned())
        };
        assert_eq!(of("k3s server --data-dir /a -d=/b").as_deref(), Some("/b"));
        assert_eq!(of("k3s -d /a --data-dirs /b").as_deref(), Some("/a"));
        assert_eq!(of("k3s --data-dir"), None);
        assert_eq!(of("k3s --data-dir="), None);
    }
}
