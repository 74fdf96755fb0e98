//! The directories of units and configuration files, their precedence, and masks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use edge_host::{FileSnapshot, Result, Root, State};

/// The directory of the administrator's units, drop-ins and enabling links.
pub const ADMIN_UNITS: &str = "/etc/systemd/system";
/// The target of a mask.
pub const MASK: &str = "/dev/null";
const DEV: &str = "/dev";
pub(crate) const RUN: &str = "/run";
const TOP: &str = "/";
/// systemd's search path, the directory that takes precedence first (`systemd-analyze unit-paths`).
const SEARCH_PATH: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    ADMIN_UNITS,
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    LIB,
    USR_LIB,
    "/run/systemd/generator.late",
];
const LIB: &str = "/lib/systemd/system";
const USR_LIB: &str = "/usr/lib/systemd/system";

/// The time to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Now: including /run on a live host.
    Now,
    /// After the next boot, which empties /run.
    NextBoot,
}

/// The directories of units that exist, the one that takes precedence first.
///
/// An image has no live /run, and its files would be lost on its next boot.
pub(crate) fn unit_dirs(root: &Root, scope: Scope) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for dir in SEARCH_PATH.map(Path::new) {
        let is_known = !dir.starts_with(RUN) || (root.is_live() && scope == Scope::Now);
        if !is_known || !is_directory(root, dir)? {
            continue;
        }
        // On a merged system /lib is a link to /usr/lib, and both are one directory.
        if dir == Path::new(LIB) && root.canonical(dir)? == root.canonical(Path::new(USR_LIB))? {
            continue;
        }
        dirs.push(dir.to_path_buf());
    }
    Ok(dirs)
}

fn is_directory(root: &Root, dir: &Path) -> Result<bool> {
    Ok(matches!(root.find(dir)?.state, State::Directory { .. }))
}

/// Whether a directory is on systemd's search path.
pub(crate) fn is_unit_dir(dir: &Path) -> bool {
    SEARCH_PATH.iter().any(|own| Path::new(own) == dir)
}

/// Whether a link or file masks a unit or a configuration file: a link to /dev/null, or an empty file. `itself` was read
/// without following links.
pub fn is_mask(path: &Path, itself: &FileSnapshot) -> bool {
    match &itself.state {
        State::Link { target } => target_of(path, target) == Path::new(MASK),
        State::File { .. } => itself.bytes.is_empty(),
        _ => false,
    }
}

/// Like [`is_mask`], and also through links to an empty file or to any device.
pub(crate) fn masks(root: &Root, path: &Path, itself: &FileSnapshot) -> Result<bool> {
    let State::Link { target } = &itself.state else { return Ok(is_mask(path, itself)) };
    if is_mask(path, itself) {
        return Ok(true);
    }
    let target = target_of(path, target);
    // Devices of an image are not read.
    if !root.is_live() && (target.starts_with(DEV) || target.starts_with(RUN)) {
        return Ok(target.starts_with(DEV));
    }
    let found = root.find(path)?;
    Ok(match found.state {
        State::File { .. } => found.bytes.is_empty(),
        State::Other => true,
        _ => false,
    })
}

/// The target of a link by its text, without access to the file system.
pub(crate) fn target_of(link: &Path, text: &str) -> PathBuf {
    let mut path = PathBuf::from(TOP);
    let dir = link.parent().unwrap_or(link);
    for part in dir.join(text).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

/// The `*.conf` files of several directories in the order in which they apply: by name, in whichever directory. Of files
/// with the same name, the one in the first directory applies; an empty one or a link to /dev/null hides the others. This
/// is the rule of drop-ins, sysctl.d(5), modules-load.d(5) and similar directories.
pub fn effective_files<P: AsRef<Path>>(root: &Root, dirs: &[P]) -> Result<Vec<PathBuf>> {
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for dir in dirs.iter().map(AsRef::as_ref).filter(|dir| root.is_live() || !dir.starts_with(RUN)) {
        for name in root.list(dir)? {
            let bytes = name.as_bytes();
            if bytes.ends_with(b".conf") && !bytes.starts_with(b".") {
                files.entry(name.clone()).or_insert_with(|| dir.join(name));
            }
        }
    }
    Ok(files.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn target_of_resolves_the_text() {
        for (text, want) in [
            ("/dev/null", "/dev/null"),
            ("../../../dev/null", "/dev/null"),
            ("../../../../../dev//./null", "/dev/null"),
            ("other.service", "/etc/systemd/system/other.service"),
        ] {
            assert_eq!(target_of(Path::new("/etc/systemd/system/a.service"), text), Path::new(want));
        }
    }

    #[test]
    fn effective_files_are_sorted_by_name_and_the_first_directory_takes_precedence() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in
            [("etc/a/20.conf", "x"), ("etc/a/.h.conf", ""), ("usr/a/20.conf", ""), ("usr/a/10.conf", "")]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::image(dir.path()).unwrap();
        let files = effective_files(&root, &["/etc/a", "/run/a", "/usr/a", "/none"]).unwrap();
        assert_eq!(files, [Path::new("/usr/a/10.conf"), Path::new("/etc/a/20.conf")]);
    }

    #[test]
    fn unit_dirs_has_one_directory_for_a_merged_lib() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["usr/lib/systemd/system", "etc/systemd/system", "run/systemd/system"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();
        let root = Root::image(dir.path()).unwrap();
        assert_eq!(unit_dirs(&root, Scope::Now).unwrap(), [Path::new(ADMIN_UNITS), Path::new(USR_LIB)]);
        fs::remove_file(dir.path().join("lib")).unwrap();
        fs::create_dir_all(dir.path().join("lib/systemd/system")).unwrap();
        let split = [Path::new(ADMIN_UNITS), Path::new(LIB), Path::new(USR_LIB)];
        assert_eq!(unit_dirs(&root, Scope::Now).unwrap(), split);
    }
}
