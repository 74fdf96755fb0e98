//! What proves whose a name is by its content, where the place proves nothing: in a directory that a configuration names,
//! behind a symbolic link, on a disk of its own, or in a directory of the system. Users have a `config`, a `pods` and a
//! `data` there too.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use edge_host::{EntryKind, Pattern, Result};
use serde::Deserialize;

use super::finder::Finder;
use super::place::is_neutral;
use super::proof::is_empty_tree;
use crate::configuration::Configuration;

/// Where CSI drivers have their sockets and volumes, of kubelet itself.
const OF_KUBELET: &str = "kubernetes.io";
/// The name of a node's user in a kubeconfig, and the key that kubelet renews for it.
const NODE: [&str; 2] = ["system:node:", "kubelet-client-current.pem"];

/// A value of `content` of a `[[directory]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    /// What in it has one of these names is known; without names, its own name is proof enough.
    Names(Vec<Pattern>),
    /// All of it is known if it contains one of these paths.
    Has {
        has: Vec<PathBuf>,
    },
    Proof(Proof),
}

/// A proof that needs code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Proof {
    /// Nothing but directories: what administrators put there is theirs.
    EmptyDirectories,
    /// A file of kind KubeletConfiguration.
    KubeletConfiguration,
    /// A kubeconfig of a node.
    NodeKubeconfig,
    /// Directories of CSI drivers, which have a socket or nothing in them, and kubelet's own.
    Plugins,
}

/// Names relative to a directory: those that are known, and the others.
#[derive(Debug, Default)]
pub(super) struct Parted {
    pub(super) known: Vec<PathBuf>,
    pub(super) unknown: Vec<PathBuf>,
}

impl Parted {
    pub(super) fn add(&mut self, name: impl Into<PathBuf>, is_known: bool) {
        if is_known { self.known.push(name.into()) } else { self.unknown.push(name.into()) }
    }
}

impl Content {
    /// Errors: why it is not valid.
    pub(super) fn check(&self) -> Result<(), String> {
        let Content::Has { has } = self else { return Ok(()) };
        let is_below = |path: &&PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
        match has.iter().find(|path| !is_below(path)) {
            Some(path) => Err(format!("{path:?} is not a path below that directory")),
            None => Ok(()),
        }
    }

    /// Adds a name in a directory, or what is in it if only a part of that is known.
    pub(super) fn part(&self, finder: &Finder<'_>, dir: &Path, name: &OsStr, parted: &mut Parted) -> Result<()> {
        let path = dir.join(name);
        let root = &finder.host.root;
        let kind = root.entry_kind(&path)?;
        let is_dir = kind == Some(EntryKind::Directory);
        match self {
            Content::Names(names) if names.is_empty() => parted.add(name, true),
            Content::Has { has } => {
                let mut has_one = false;
                for inner in has {
                    has_one |= is_dir && root.entry_kind(&path.join(inner))?.is_some();
                }
                parted.add(name, has_one);
            }
            Content::Proof(Proof::KubeletConfiguration | Proof::NodeKubeconfig) => {
                parted.add(name, kind == Some(EntryKind::File) && self.is_of_node(finder, &path)?);
            }
            _ if !is_dir => parted.add(name, false),
            Content::Proof(Proof::EmptyDirectories) => parted.add(name, is_empty(finder, &path)?),
            Content::Names(_) | Content::Proof(Proof::Plugins) => self.each(finder, &path, name, parted)?,
        }
        Ok(())
    }

    /// The whole directory if all of it is known, else what is.
    fn each(&self, finder: &Finder<'_>, path: &Path, name: &OsStr, parted: &mut Parted) -> Result<()> {
        let all = finder.host.root.list(path)?;
        let mut inner = Parted::default();
        for child in all.iter().filter(|child| !is_neutral(child)) {
            let is_known = match self {
                Content::Names(names) => child.to_str().is_some_and(|own| names.iter().any(|one| one.matches(own))),
                _ => child == OF_KUBELET || is_of_driver(finder, &path.join(child))?,
            };
            inner.add(Path::new(name).join(child), is_known);
        }
        let has_others = all.iter().any(|child| is_neutral(child));
        if inner.unknown.is_empty() && !has_others {
            parted.add(name, true);
        } else {
            parted.known.extend(inner.known);
            parted.unknown.extend(inner.unknown);
        }
        Ok(())
    }

    /// A file that cannot be read as such proves nothing.
    fn is_of_node(&self, finder: &Finder<'_>, path: &Path) -> Result<bool> {
        if matches!(self, Content::Proof(Proof::NodeKubeconfig)) {
            let bytes = finder.host.root.read(path).ok().flatten().unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            return Ok(NODE.iter().any(|mark| text.contains(mark)));
        }
        let found = Configuration::read(finder.host, path).ok().flatten();
        Ok(found.is_some_and(|found| found.text("kind").is_ok_and(|kind| kind == Some("KubeletConfiguration"))))
    }
}

/// Whether a directory has a socket in it, or nothing but directories.
fn is_of_driver(finder: &Finder<'_>, path: &Path) -> Result<bool> {
    let root = &finder.host.root;
    if root.entry_kind(path)? != Some(EntryKind::Directory) || finder.places.has_mounts(path)? {
        return Ok(false);
    }
    for name in root.list(path)? {
        if root.entry_kind(&path.join(name))? == Some(EntryKind::Socket) {
            return Ok(true);
        }
    }
    is_empty(finder, path)
}

/// What is mounted is not touched: its server may be dead.
fn is_empty(finder: &Finder<'_>, path: &Path) -> Result<bool> {
    Ok(!finder.places.has_mounts(path)? && is_empty_tree(finder.host, path)?)
}
