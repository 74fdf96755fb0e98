//! Directories of one program: of a fixed place, or of the place that a configuration names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Pattern, Result, State, is_trash};
use edge_kubeedge::paths::CA_DIR;
use edge_yaml::Value;
use serde::Deserialize;

use super::content::{Content, Parted};
use super::finder::{Finder, Order, Removal};
use super::place::{JOURNAL, are_names, is_neutral, is_plain, is_system};
use super::proof::{self, Proof};
use super::volumes;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::{Entry, Row, Tier};
use crate::request::Also;
use crate::roots::{RootDir, is_default};

const KIND: &str = "directory";
const ETCD: &str = "/var/lib/etcd";
const MEMBER: &str = "member";
/// Where kubeadm describes etcd, and the volume in it.
const ETCD_MANIFEST: &str = "etcd.yaml";
const ETCD_VOLUME: &str = "etcd-data";
/// k3s' own database, in its data-dir.
const K3S_DATABASE: &str = "server/db";
const ROOT_CA_KEY: &str = "rootCA.key";
const OTHER_MEMBERS: &str = "if this cluster has other etcd members, run there: etcdctl member list, then etcdctl \
                             member remove ID";

/// A `[[directory]]` of the data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    path: Option<PathBuf>,
    of: Option<Of>,
    #[serde(default)]
    names: Vec<Pattern>,
    #[serde(default)]
    content: HashMap<Pattern, Content>,
    #[serde(default)]
    contains: Vec<String>,
    proof: Option<Proof>,
    also: Option<Also>,
    #[serde(default)]
    control_plane: bool,
    #[serde(default)]
    last: bool,
}

/// Which directories of the configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    Kubelet,
    K3s,
    Etcd,
    StaticPods,
}

/// Errors: an entry is not valid, or would take what others have in the same directory.
pub(super) fn check(context: &Context) -> Result<()> {
    let rows: Vec<Row<Directory>> = context.ownership.rows("directory")?;
    for (at, row) in rows.iter().enumerate() {
        let Some(place) = &row.added else { continue };
        let error = |why: &str| place.error(&format!("[[directory]]: {why}"));
        are_names(row.own.names.iter()).map_err(|why| error(&why))?;
        row.own.content.values().try_for_each(Content::check).map_err(|why| error(&why))?;
        let Some(path) = row.own.path.as_ref().filter(|_| row.own.of.is_none()) else {
            if row.own.of.is_some() && row.own.path.is_none() {
                continue;
            }
            return Err(error("expected either path or of"));
        };
        is_plain(path).map_err(|why| error(&why))?;
        let is_removed = row.entry.tier == Tier::Removed;
        let is_of_system = |path: &Path| is_system(path) || path.starts_with(JOURNAL);
        let named = row.own.names.iter().map(|name| path.join(name.front()));
        if is_removed && (path == Path::new("/") || named.clone().any(|path| is_of_system(&path))) {
            return Err(error("a directory of the system cannot be removed"));
        }
        if is_removed && row.own.names.is_empty() && is_of_system(path) {
            return Err(error(&format!("{} also contains files of other programs: add names = […]", path.display())));
        }
        let is_same =
            |other: &&Row<Directory>| other.own.path.as_deref() == Some(path) && (is_removed || other.added.is_some());
        if rows[..at].iter().any(|other| is_same(&other)) {
            return Err(error(&format!("{} already has an entry", path.display())));
        }
    }
    Ok(())
}

pub(super) fn read(finder: &mut Finder<'_>) -> Result<()> {
    let rows: Vec<Row<Directory>> = finder.context.ownership.rows("directory")?;
    for row in &rows {
        for root in roots(finder, row)? {
            one(finder, row, &rows, &root)?;
        }
    }
    Ok(())
}

fn roots(finder: &Finder<'_>, row: &Row<Directory>) -> Result<Vec<RootDir>> {
    let roots = &finder.context.roots;
    let fixed = |path: PathBuf| RootDir { path, source: String::new(), creators: row.entry.creators.clone() };
    Ok(match row.own.of {
        None => row.own.path.iter().cloned().map(fixed).collect(),
        Some(Of::Kubelet) => roots.kubelet.clone(),
        Some(Of::K3s) => roots.k3s.clone(),
        Some(Of::StaticPods) => roots.static_pods.clone(),
        Some(Of::Etcd) => etcd(finder)?.into_iter().map(fixed).collect(),
    })
}

/// The directories of etcd's data: the usual one, and those that kubeadm's manifests mount.
fn etcd(finder: &Finder<'_>) -> Result<Vec<PathBuf>> {
    let mut all = vec![PathBuf::from(ETCD)];
    for dir in &finder.context.roots.static_pods {
        let Some(bytes) = finder.host.root.read(&dir.path.join(ETCD_MANIFEST))? else { continue };
        let document = std::str::from_utf8(&bytes).ok().and_then(|text| edge_yaml::read(text).ok());
        let volumes = document.as_ref().and_then(|pod| pod.get("spec")?.get("volumes")?.as_sequence());
        let of_etcd = |volume: &&Value| volume.get("name").and_then(Value::as_str) == Some(ETCD_VOLUME);
        let path = volumes.into_iter().flatten().find(of_etcd).and_then(|volume| {
            volume.get("hostPath")?.get("path")?.as_str().map(PathBuf::from).filter(|path| path.is_absolute())
        });
        all.extend(path.filter(|path| !all.contains(path)));
    }
    Ok(all)
}

/// Whether this host is part of a control plane, as far as this directory goes.
fn is_control_plane(finder: &Finder<'_>, row: &Row<Directory>, root: &RootDir) -> Result<bool> {
    if row.own.of == Some(Of::K3s) {
        return Ok(finder.inode(&root.path.join(K3S_DATABASE))?.is_some());
    }
    for dir in finder.context.roots.static_pods.iter().chain([root]) {
        let is_meant = row.own.of.is_none() || dir == root;
        if is_meant && finder.inode(&dir.path.join(ETCD_MANIFEST))?.is_some() {
            return Ok(true);
        }
    }
    Ok(row.own.of.is_none() && finder.inode(&Path::new(ETCD).join(MEMBER))?.is_some())
}

fn one(finder: &mut Finder<'_>, row: &Row<Directory>, rows: &[Row<Directory>], root: &RootDir) -> Result<()> {
    let path = &root.path;
    let Some(inode) = finder.inode(path)? else { return Ok(()) };
    if !matches!(finder.host.root.find(path)?.state, State::Directory { .. }) {
        return Ok(());
    }
    let canonical = finder.host.root.canonical(path)?;
    let all = finder.host.root.list(path)?;
    let has_trash = all.iter().any(|name| is_trash(name));
    let names: Vec<OsString> = all.into_iter().filter(|name| !is_neutral(name)).collect();
    let entry = Entry { creators: root.creators.clone(), ..row.entry.clone() };
    if row.entry.tier == Tier::Kept {
        return keep(finder, row, &entry, path, &names);
    }
    if !names.is_empty()
        && !row.own.contains.is_empty()
        && !row.own.contains.iter().any(|one| names.iter().any(|name| name == one.as_str()))
    {
        return finder.keep_in(path, &names, &entry, "it contains nothing that its creators make");
    }
    let stays = match finder.places.stays(path)? {
        _ if is_system(&canonical) => Some("other programs use it too"),
        None if is_linked(finder, path)? => Some("a symbolic link points to it, so it stays"),
        stays => stays,
    };
    let is_usual = match row.own.of {
        None => true,
        Some(Of::Etcd) => path == Path::new(ETCD),
        Some(_) => is_default(root),
    };
    let is_own = is_usual && stays.is_none();
    let Parted { known, unknown } = parted(finder, row, path, &names, is_own)?;
    let is_kept = |name: &PathBuf| {
        rows.iter().any(|other| {
            other.entry.tier == Tier::Kept
                && other.own.of.is_some()
                && other.own.of == row.own.of
                && matches(&other.own.names, name.as_os_str())
        })
    };
    let is_whole = unknown.is_empty() && stays.is_none() && !has_trash && row.own.of != Some(Of::StaticPods);
    let rest: Vec<OsString> = unknown.into_iter().filter(|name| !is_kept(name)).map(PathBuf::into_os_string).collect();
    let is_named = row.own.of.is_some_and(|of| of != Of::StaticPods) || !known.is_empty() || !is_own;
    let paths = if is_whole { vec![path.clone()] } else { known.iter().map(|name| path.join(name)).collect() };
    if is_whole && row.own.proof == Some(Proof::EmptyDirectories) && !proof::is_empty_tree(finder.host, path)? {
        return Ok(());
    }
    if !paths.is_empty() {
        let item = finder.item(path, KIND, inode, &entry);
        let item = describe(finder, row, root, item, stays)?;
        let is_late = row.own.last || (row.own.of == Some(Of::Kubelet) && is_default(root));
        let order = if is_late { Order::Last } else { Order::First };
        let source = Some(root.source.clone()).filter(|source| !source.is_empty() && !is_default(root));
        finder.add(Removal { item, path: path.clone(), paths, order, source });
    }
    if is_named && row.own.of != Some(Of::StaticPods) {
        let why = match stays.filter(|_| known.is_empty() && is_usual) {
            Some(stays) => format!("its owner is unknown; {stays}"),
            None => "its owner is unknown".to_owned(),
        };
        finder.keep_in(path, &rest, &entry, &why)?;
    }
    Ok(())
}

/// Whether another root of a kubelet is a link to it: without it, that link would lead nowhere.
fn is_linked(finder: &Finder<'_>, path: &Path) -> Result<bool> {
    let root = &finder.host.root;
    for other in finder.context.roots.kubelet.iter().filter(|other| other.path != path) {
        if root.entry_kind(&other.path)? == Some(EntryKind::Link) && root.canonical(&other.path)? == path {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows what of a kept directory is there.
fn keep(finder: &mut Finder<'_>, row: &Row<Directory>, entry: &Entry, path: &Path, names: &[OsString]) -> Result<()> {
    let shown: Vec<PathBuf> = if row.own.names.is_empty() {
        vec![path.to_path_buf()]
    } else {
        names.iter().filter(|name| matches(&row.own.names, name)).map(|name| path.join(name)).collect()
    };
    for path in shown {
        let Some(inode) = finder.inode(&path)? else { continue };
        let item = finder.item(&path, KIND, inode, entry);
        finder.protect(&path)?;
        finder.add(Removal { item, path, paths: Vec::new(), order: Order::First, source: None });
    }
    Ok(())
}

/// The names that are known, and the others.
fn parted(finder: &Finder<'_>, row: &Row<Directory>, path: &Path, names: &[OsString], is_own: bool) -> Result<Parted> {
    let mut parted = Parted::default();
    for name in names {
        let is_named = row.own.names.is_empty() || matches(&row.own.names, name);
        // As in a PatternMap, the closest one counts.
        let pattern = name.to_str().and_then(|name| {
            let matching = row.own.content.iter().filter(|(pattern, _)| pattern.matches(name));
            matching.max_by_key(|(pattern, _)| (pattern.is_exact(), pattern.front().len()))
        });
        match (row.own.proof, pattern) {
            (Some(proof), _) => parted.add(name, proof.of_child(finder.host, &path.join(name))?),
            (None, Some((_, content))) if !is_own => content.part(finder, path, name, &mut parted)?,
            (None, _) => parted.add(name, is_named && (is_own || !row.own.names.is_empty())),
        }
    }
    Ok(parted)
}

fn matches(patterns: &[Pattern], name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
}

/// The item with its proof, what is worth saying, and what stands against it.
fn describe(
    finder: &Finder<'_>,
    row: &Row<Directory>,
    root: &RootDir,
    mut item: Item,
    stays: Option<&str>,
) -> Result<Item> {
    item.proofs.extend(Some(root.source.clone()).filter(|source| !source.is_empty()));
    if item.fate != Fate::Remove {
        return Ok(item);
    }
    let has_control_plane = row.own.control_plane && is_control_plane(finder, row, root)?;
    let needed = row.own.also.or(has_control_plane.then_some(Also::ControlPlane));
    if let Some(also) = needed.filter(|also| !finder.context.request.has_also(*also)) {
        return Ok(
            item.refused("it belongs to a control plane", format!("to remove it too, add --also {}", also.name()))
        );
    }
    let mut texts: Vec<String> = Some(item.text.clone()).into_iter().filter(|text| !text.is_empty()).collect();
    texts.extend(stays.map(str::to_owned));
    if Path::new(CA_DIR).starts_with(&root.path) && finder.inode(&Path::new(CA_DIR).join(ROOT_CA_KEY))?.is_some() {
        let then = if finder.context.request.to_trash { "which purge deletes" } else { "which cannot be restored" };
        texts.push(format!("it contains {ROOT_CA_KEY}, the key of KubeEdge's CA, {then}"));
    }
    if row.own.of == Some(Of::Etcd) {
        texts.push(OTHER_MEMBERS.to_owned());
    }
    if row.own.of == Some(Of::Kubelet) {
        let data = volumes::not_mounted(finder.host, &finder.context.ownership, finder.places.mounts(), &root.path)?;
        let volatile =
            finder.places.volatile(&root.path.join("pods"))?.map(|on| format!("it is on {on}, and its removal"));
        let no_trash = (!finder.context.request.to_trash).then(|| "--no-trash".to_owned());
        if let Some(what) = no_trash.or(volatile).filter(|_| !data.is_empty()) {
            let hint = "move that to another place, then run the command again";
            return Ok(item.refused(format!("{what} would delete data: {}", data.join("; ")), hint));
        }
        texts.extend(data);
    }
    Ok(Item { text: texts.join("; "), ..item })
}
