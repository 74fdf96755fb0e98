//! Plans to install an unpacked bundle, and to remove what a manifest lists. Files of others are never overwritten.

use std::fs::File;
use std::path::{Path, PathBuf};

use edge_conflist::record::Record;
use edge_host::action::ContentWriter;
use edge_host::{Error, FileSnapshot, Host, Inverse, Node, Plan, Result, ResultExt, State};

use super::{Kind, Manifest, PlacedFile, Row};

/// A file of the bundle and the current file at its path.
#[derive(Debug)]
pub struct Target {
    /// The file of the bundle.
    pub placed: PlacedFile,
    /// The current file.
    pub found: FileSnapshot,
    /// The new content.
    pub content: Content,
}

/// The content of a file.
#[derive(Debug)]
pub enum Content {
    /// A file of the unpacked bundle.
    File(File),
    /// A text.
    Text(String),
    /// Unknown, as a dry run unpacks nothing.
    Unknown,
}

/// Reads the current file at each path. Refuses a path that a file or a broken link obstructs.
pub fn read_targets(host: &Host, placed: Vec<PlacedFile>, stage: Option<&Path>) -> Result<Vec<Target>> {
    let mut all = Vec::new();
    for placed in placed {
        host.check_interrupt()?;
        if let Some(obstacle) = host.root.obstacle(placed.path.parent().unwrap_or(&placed.path))? {
            return Err(Error::refused(format!("cannot install {}: {obstacle}", placed.path.display()))
                .hint("mount the target of the link, or move the file away"));
        }
        let found = host.root.find_large(&placed.path)?;
        let content = match (&placed.text, stage) {
            (Some(text), _) => Content::Text(text.clone()),
            (None, Some(stage)) => host.root.open(&stage.join(&placed.inner))?.map_or(Content::Unknown, Content::File),
            (None, None) => Content::Unknown,
        };
        all.push(Target { placed, found, content });
    }
    Ok(all)
}

/// Plans the files that differ. Returns the rows of the new manifest. Refuses to overwrite programs of others, and keeps
/// the plugins that edge-cni has installed since.
pub fn plan_install(
    plan: &mut Plan,
    all: Vec<Target>,
    old: Option<&Manifest>,
    cni: &Record,
    release: &str,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut kept = Vec::new();
    let mut of_cni = 0;
    for Target { placed, found, content } in all {
        let PlacedFile { path, kind, size, sha256, mode, .. } = placed;
        if cni.owns(&path) && found.exists() {
            of_cni += 1;
            continue;
        }
        let before = old.and_then(|old| old.row(&path));
        let is_new = match (&found.state, before) {
            (State::File { sha256: now, .. }, _) if *now == sha256 => false,
            (State::Absent, _) => true,
            // Installed by edge-crio and unchanged; a program that was damaged is repaired.
            (State::File { sha256: now, .. }, _) if old.is_some_and(|old| old.contains(&path, now)) => true,
            (State::File { .. }, Some(_)) if !kind.is_editable() => true,
            // Changed by the administrator, and unchanged in the bundle.
            (State::File { .. }, Some(before)) if before.sha256 == sha256 => false,
            (State::Directory { .. } | State::Other, _) => return Err(foreign(&path, found.state.describe())),
            (State::File { .. } | State::Link { .. }, None) if kind == Kind::Program || kind == Kind::Unit => {
                return Err(foreign(&path, "a file that edge-crio did not install"));
            }
            _ => {
                kept.push(path.clone());
                continue;
            }
        };
        if is_new || (!found.state.is_installed(&sha256, mode) && before.is_some() && !kind.is_editable()) {
            let content = writer(&path, content);
            let node = Node::Large { content, sha256: sha256.clone(), mode };
            plan.write(&path, found, node, Inverse::Whole, why(kind, release));
        }
        rows.push(Row { path, kind, size, sha256 });
    }
    for row in old.iter().flat_map(|old| &old.files).filter(|row| kept.contains(&row.path)) {
        // Changed by the administrator; removed later only if the change is reverted.
        rows.push(row.clone());
    }
    if of_cni > 0 {
        plan.note(format!(
            "{of_cni} plugins are kept, as edge-cni installed them: to use the bundle's, run edge-cni remove"
        ));
    }
    if !kept.is_empty() {
        let names: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
        plan.note(format!("kept, as they were changed or installed by someone else: {}", names.join(", ")));
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rows)
}

/// Plans the removal of a manifest's files, except for those in `keep` and the plugins of edge-cni. Returns the paths of
/// changed files, which are kept as well.
pub fn plan_removal(
    host: &Host,
    plan: &mut Plan,
    manifest: &Manifest,
    keep: &[Row],
    cni: &Record,
) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    let is_kept = |path: &Path| cni.owns(path) || keep.iter().any(|row| row.path == path);
    for path in manifest.paths().into_iter().filter(|path| !is_kept(path)) {
        let found = host.root.find_large(path)?;
        match &found.state {
            State::Absent => {}
            State::File { sha256, .. } if manifest.contains(path, sha256) => {
                plan.remove_large(path, found, "installed by edge-crio");
            }
            _ => changed.push(path.to_path_buf()),
        }
    }
    Ok(changed)
}

fn why(kind: Kind, release: &str) -> String {
    match kind {
        Kind::Program => format!("CRI-O {release}"),
        Kind::Plugin => format!("a CNI plugin, from CRI-O {release}"),
        Kind::Document => "documentation".to_owned(),
        Kind::Config => "configuration of the bundle".to_owned(),
        Kind::Unit => "the unit, with this distribution's environment file".to_owned(),
        Kind::Environment => "options for the unit".to_owned(),
    }
}

fn writer(path: &Path, content: Content) -> ContentWriter {
    let shown = path.display().to_string();
    match content {
        Content::File(mut file) => Box::new(move |to| std::io::copy(&mut file, to).map(|_| ()).on("write", &shown)),
        Content::Text(text) => Box::new(move |to| to.write_all(text.as_bytes()).on("write", &shown)),
        Content::Unknown => Box::new(move |_| Err(Error::cannot("write", &shown, "it was not unpacked"))),
    }
}

fn foreign(path: &Path, what: &str) -> Error {
    Error::refused(format!("cannot install the bundle: {} already exists and is {what}", path.display())).hint(
        "if a package owns it, use --source apt; if the install script of a bundle wrote it, uninstall that first (get -u)",
    )
}
