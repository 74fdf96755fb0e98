//! The entries of the data about mounts.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use edge_host::{EntryKind, Host, Mount, Pattern, Result};
use serde::Deserialize;

use super::is_below;
use crate::context::Context;
use crate::creator::Creator;
use crate::ownership::Row;
use crate::roots::{RootDir, is_default};

/// Matches any one name.
const ANY: &str = "*";
/// Matches a UUID in lowercase.
const UUID: &str = "{uuid}";
/// Digits between its dashes.
const UUID_DIGITS: [usize; 5] = [8, 4, 4, 4, 12];

/// A `[[mount]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MountRow {
    #[serde(rename = "in")]
    within: Within,
    path: Shape,
    at: Option<At>,
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(super) proof: Option<Proof>,
}

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum At {
    DefaultPlace,
}

/// What must be seen besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proof {
    Network,
    Container,
    Storage,
}

/// Below which directories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Within {
    Kubelet,
    ContainerdState,
    Crio,
    CrioRun,
    CrioNamespaces,
    Dir(PathBuf),
}

impl TryFrom<String> for Within {
    type Error = String;

    fn try_from(text: String) -> Result<Within, String> {
        Ok(match text.as_str() {
            "kubelet" => Within::Kubelet,
            "containerd-state" => Within::ContainerdState,
            "crio" => Within::Crio,
            "crio-run" => Within::CrioRun,
            "crio-namespaces" => Within::CrioNamespaces,
            path if path.starts_with('/') => Within::Dir(PathBuf::from(path)),
            _ => return Err(format!("in = \"{text}\" is not an absolute path or the name of a setting")),
        })
    }
}

/// The shape of a path below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Shape {
    parts: Vec<Name>,
    /// Anything strictly below.
    below: bool,
}

/// The shape of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Any,
    Uuid,
    Like(Pattern),
}

impl Name {
    pub(super) fn matches(&self, name: &OsStr) -> bool {
        match (self, name.to_str()) {
            (Name::Any, _) => true,
            (Name::Uuid, Some(name)) => is_uuid(name),
            (Name::Like(pattern), Some(name)) => pattern.matches(name),
            (_, None) => false,
        }
    }
}

impl TryFrom<String> for Shape {
    type Error = String;

    fn try_from(text: String) -> Result<Shape, String> {
        let (path, below) = text.strip_suffix('/').map_or((text.as_str(), false), |path| (path, true));
        let part = |part: &str| match part {
            ANY => Ok(Name::Any),
            UUID => Ok(Name::Uuid),
            _ => Pattern::from_str(part).map(Name::Like),
        };
        let parts = path.split('/').filter(|part| !part.is_empty()).map(part).collect::<Result<_, _>>()?;
        Ok(Shape { parts, below })
    }
}

impl Shape {
    /// Whether a path below the directory has it.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let mut names = path.components();
        let is_shaped = self.parts.iter().all(|part| match names.next() {
            Some(Component::Normal(name)) => part.matches(name),
            _ => false,
        });
        is_shaped && names.next().is_some() == self.below
    }
}

impl MountRow {
    /// Whether it is about a mount, for one of its directories.
    pub(super) fn matches(&self, mount: &Mount, place: &Place) -> bool {
        let dir = &place.dir;
        (self.at.is_none() || place.is_default)
            && self.kind.as_ref().is_none_or(|kind| *kind == mount.kind)
            && is_below(&mount.point, dir)
            && mount.point.strip_prefix(dir).is_ok_and(|path| self.path.matches(path))
    }

    /// What the first `*` of the path is.
    pub(super) fn named(&self, mount: &Mount, dir: &Path) -> Option<String> {
        let at = self.path.parts.iter().position(|part| *part == Name::Any)?;
        let name = mount.point.strip_prefix(dir).ok()?.components().nth(at)?;
        Some(name.as_os_str().to_str()?.to_owned())
    }

    /// Whether everything below its directories is of a node agent, so that what is mounted there and not known stays.
    pub(super) fn is_of_root(&self) -> bool {
        self.within == Within::Kubelet
    }

    /// Whether it is of a container that is named by the path.
    pub(super) fn is_of_container(&self) -> bool {
        self.proof == Some(Proof::Container)
    }
}

fn is_uuid(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    parts.iter().all(is_hex) && parts.iter().map(|part| part.len()).eq(UUID_DIGITS)
}

/// A directory of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Links resolved.
    pub(super) dir: PathBuf,
    /// What names it; none if it is always this one.
    source: Option<String>,
    /// Whether it is where it is without a configuration, and no link is there.
    is_default: bool,
    /// The programs that use it, if it is known.
    pub(super) creators: Vec<Creator>,
}

impl Place {
    /// As a proof.
    pub(super) fn proof(&self, row: &MountRow) -> String {
        let kind = row.kind.as_ref().map(|kind| format!("{kind} ")).unwrap_or_default();
        match &self.source {
            Some(source) => format!("{kind}below {} ({source})", self.dir.display()),
            None => format!("{kind}below {}", self.dir.display()),
        }
    }
}

/// The directories of each row.
pub(super) fn places(host: &Host, context: &Context, rows: &[Row<MountRow>]) -> Result<Vec<Vec<Place>>> {
    let roots = &context.roots;
    let of = |row: &Row<MountRow>| {
        let configured: &[RootDir] = match &row.own.within {
            Within::Kubelet => &roots.kubelet,
            Within::ContainerdState => &roots.containerd_state,
            Within::Crio => &roots.crio,
            Within::CrioRun => &roots.crio_run,
            Within::CrioNamespaces => &roots.crio_namespaces,
            Within::Dir(dir) => {
                return Ok(vec![Place {
                    dir: host.root.canonical(dir)?,
                    source: None,
                    is_default: true,
                    creators: Vec::new(),
                }]);
            }
        };
        let place = |root: &RootDir| {
            let creators = if row.own.is_of_root() { root.creators.clone() } else { Vec::new() };
            let dir = host.root.canonical(&root.path)?;
            let is_default = is_default(root) && host.root.entry_kind(&root.path)? != Some(EntryKind::Link);
            Ok(Place { dir, source: Some(root.source.clone()), is_default, creators })
        };
        configured.iter().map(place).collect()
    };
    rows.iter().map(of).collect()
}
