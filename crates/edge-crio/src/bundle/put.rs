//! From an unpacked bundle to the actions that put it in place, and from a manifest to those that
//! take it away. What is there and not ours is never overwritten.

use std::fs::File;
use std::path::{Path, PathBuf};

use edge_host::action::ContentWriter;
use edge_host::{Error, FileSnapshot, Host, Inverse, Node, Plan, Result, State};

use super::{Kind, Manifest, Placed, Row};

/// A file of the bundle and what stands in its place.
#[derive(Debug)]
pub struct Standing {
    /// The file.
    pub placed: Placed,
    /// What stands there.
    pub found: FileSnapshot,
    /// Its bytes; none in a dry run that has not unpacked anything.
    pub ready: Ready,
}

/// Where a file's bytes come from.
#[derive(Debug)]
pub enum Ready {
    /// From the unpacked bundle.
    File(File),
    /// From the plan itself.
    Text(String),
    /// From nowhere: a dry run.
    Not,
}

/// Reads what stands in each place.
pub fn standing(host: &Host, placed: Vec<Placed>, stage: Option<&Path>) -> Result<Vec<Standing>> {
    let mut all = Vec::new();
    for placed in placed {
        host.check_interrupt()?;
        if let Some(obstacle) = host.root.obstacle(placed.path.parent().unwrap_or(&placed.path))? {
            return Err(Error::refused(format!("cannot install {}: {obstacle}", placed.path.display()))
                .hint("mount what a link leads to, or move away what is in the way"));
        }
        let found = host.root.find_large(&placed.path)?;
        let ready = match (&placed.text, stage) {
            (Some(text), _) => Ready::Text(text.clone()),
            (None, Some(stage)) => host.root.open(&stage.join(&placed.inner))?.map_or(Ready::Not, Ready::File),
            (None, None) => Ready::Not,
        };
        all.push(Standing { placed, found, ready });
    }
    Ok(all)
}

/// Plans what is not so yet; the rows of the new manifest.
pub fn put(plan: &mut Plan, all: Vec<Standing>, old: Option<&Manifest>, release: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut kept = Vec::new();
    for Standing { placed, found, ready } in all {
        let Placed { path, kind, size, sha256, mode, .. } = placed;
        let before = old.and_then(|old| old.row(&path));
        let is_new = match (&found.state, before) {
            (State::File { sha256: now, .. }, _) if *now == sha256 => false,
            (State::Absent, _) => true,
            // Ours, as we left it; a program of ours that was damaged is mended.
            (State::File { sha256: now, .. }, _) if old.is_some_and(|old| old.is_ours(&path, now)) => true,
            (State::File { .. }, Some(_)) if !kind.is_theirs() => true,
            // Changed by the administrator, and nothing new in the bundle.
            (State::File { .. }, Some(before)) if before.sha256 == sha256 => false,
            (State::Directory { .. } | State::Other, _) => return Err(foreign(&path, found.state.describe())),
            (State::File { .. } | State::Link { .. }, None) if kind == Kind::Program || kind == Kind::Unit => {
                return Err(foreign(&path, "not of edge-crio's making"));
            }
            _ => {
                kept.push(path.clone());
                continue;
            }
        };
        if is_new || (!found.state.is_installed(&sha256, mode) && before.is_some() && !kind.is_theirs()) {
            let content: ContentWriter = pour(&path, ready);
            let node = Node::Large { content, sha256: sha256.clone(), mode };
            plan.write(&path, found, node, Inverse::Whole, why(kind, release));
        }
        rows.push(Row { path, kind, size, sha256 });
    }
    for row in old.iter().flat_map(|old| &old.files).filter(|row| kept.contains(&row.path)) {
        // Changed by the administrator, and still ours to take away should it be as it was.
        rows.push(row.clone());
    }
    if !kept.is_empty() {
        let names: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
        plan.note(format!("left as they are, changed or brought by someone else: {}", names.join(", ")));
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rows)
}

/// Plans the removal of what a manifest lists and stands there as it was put, but for what stays; the paths that
/// were changed since.
pub fn take_away(host: &Host, plan: &mut Plan, manifest: &Manifest, stay: &[Row]) -> Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for path in manifest.paths().into_iter().filter(|path| !stay.iter().any(|row| row.path == *path)) {
        let found = host.root.find_large(path)?;
        match &found.state {
            State::Absent => {}
            State::File { sha256, .. } if manifest.is_ours(path, sha256) => {
                plan.remove_large(path, found, "put there by edge-crio");
            }
            _ => left.push(path.to_path_buf()),
        }
    }
    Ok(left)
}

fn why(kind: Kind, release: &str) -> String {
    match kind {
        Kind::Program => format!("CRI-O {release}"),
        Kind::Plugin => format!("a CNI plugin, as CRI-O {release} brings it"),
        Kind::Document => "for people".to_owned(),
        Kind::Config => "the bundle's own configuration".to_owned(),
        Kind::Unit => "the unit, with this distribution's environment file".to_owned(),
        Kind::Environment => "options for the unit".to_owned(),
    }
}

fn pour(path: &Path, ready: Ready) -> ContentWriter {
    let shown = path.display().to_string();
    match ready {
        Ready::File(mut file) => Box::new(move |to| {
            std::io::copy(&mut file, to)
                .map(|_| ())
                .map_err(|cause| Error::failed(format!("cannot write {shown}: {cause}")))
        }),
        Ready::Text(text) => Box::new(move |to| {
            to.write_all(text.as_bytes()).map_err(|cause| Error::failed(format!("cannot write {shown}: {cause}")))
        }),
        Ready::Not => Box::new(move |_| Err(Error::failed(format!("cannot write {shown}: it was not unpacked")))),
    }
}

fn foreign(path: &Path, what: &str) -> Error {
    Error::refused(format!("cannot install the bundle: {} is there already, {what}", path.display())).hint(
        "if a bundle's own install script put it there, take that one away first (its `get -u`, then what it leaves); \
         if a package did, use --source apt",
    )
}
