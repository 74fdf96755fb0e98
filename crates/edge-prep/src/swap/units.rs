//! What systemd's files say: swap units, what enables a unit, what masks it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use edge_host::{FileSnapshot, Result, Root, State};

use super::device::device_path;

/// Where an administrator's units and the enabling links are.
pub(super) const ETC: &str = "/etc/systemd/system";
/// Where units that outlast a reboot stand, the strongest first.
pub(super) const PERSISTENT: [&str; 4] =
    [ETC, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Where generators put units at each boot and reload, and what stands there until the next reboot.
const VOLATILE: [&str; 5] = [
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    GENERATOR_LATE,
];
/// Where systemd-gpt-auto-generator writes.
pub(super) const GENERATOR_LATE: &str = "/run/systemd/generator.late";
/// What a mask points to.
pub(super) const NULL: &str = "/dev/null";
/// Directories beside a unit whose links make it start with that unit.
const PULLING: [&str; 3] = [".wants", ".requires", ".upholds"];

/// The file that stands for a unit.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) standing: FileSnapshot,
}

impl Unit {
    /// Whether it is masked: a link to /dev/null, or an empty file.
    pub(super) fn is_mask(&self) -> bool {
        is_mask(&self.standing)
    }

    /// Whether it is the administrator's own file.
    pub(super) fn is_admins(&self) -> bool {
        self.file.starts_with(ETC)
    }
}

pub(super) fn is_mask(standing: &FileSnapshot) -> bool {
    match &standing.state {
        State::Link { target } => target == NULL,
        State::File { .. } => standing.bytes.is_empty(),
        _ => false,
    }
}

/// The strongest file of a unit among those that outlast a reboot.
pub(super) fn find(root: &Root, name: &str) -> Result<Option<Unit>> {
    for dir in PERSISTENT {
        let file = Path::new(dir).join(name);
        let standing = root.find_link(&file)?;
        if standing.exists() {
            return Ok(Some(Unit { name: name.to_owned(), file, standing }));
        }
    }
    Ok(None)
}

/// The directories whose links make units start at boot. They are looked for once: a directory may
/// hold any number of units.
#[derive(Debug)]
pub(super) struct Pulling {
    /// Each with the place that it is, links resolved.
    dirs: Vec<(PathBuf, PathBuf)>,
}

impl Pulling {
    pub(super) fn find(root: &Root) -> Result<Pulling> {
        let mut dirs = Vec::new();
        for dir in PERSISTENT.map(Path::new) {
            for name in root.list(dir)? {
                if name.to_str().is_some_and(|text| PULLING.iter().any(|end| text.ends_with(end))) {
                    let dir = dir.join(&name);
                    let place = root.canonical(&dir)?;
                    dirs.push((dir, place));
                }
            }
        }
        Ok(Pulling { dirs })
    }

    /// The links that make a unit start at boot, each with what stands there.
    pub(super) fn enabling(&self, root: &Root, name: &str) -> Result<Vec<(PathBuf, FileSnapshot)>> {
        let mut links: Vec<(PathBuf, FileSnapshot)> = Vec::new();
        let mut seen: HashSet<&Path> = HashSet::new();
        for (dir, place) in &self.dirs {
            let link = dir.join(name);
            let standing = root.find_link(&link)?;
            // /lib is a link to /usr/lib on most hosts: the same place must not count twice.
            if standing.exists() && seen.insert(place) {
                links.push((link, standing));
            }
        }
        Ok(links)
    }
}

/// The links that make one unit start at boot.
pub(super) fn enabling(root: &Root, name: &str) -> Result<Vec<(PathBuf, FileSnapshot)>> {
    Pulling::find(root)?.enabling(root, name)
}

/// Names of the swap units that outlast a reboot.
pub(super) fn swap_names(root: &Root, dirs: &[&str]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for dir in dirs {
        let all = root.list(Path::new(dir))?;
        names.extend(all.into_iter().filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".swap")));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// A swap unit of the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SwapUnit {
    pub(super) name: String,
    /// The path it turns on, links resolved.
    pub(super) path: PathBuf,
}

/// Every swap unit that has a file now, generated ones first: those are what systemd started.
pub(super) fn running_swap_units(root: &Root) -> Result<Vec<SwapUnit>> {
    let mut units = Vec::new();
    for dir in VOLATILE.iter().chain(&PERSISTENT) {
        for name in swap_names(root, &[dir])? {
            let file = Path::new(dir).join(&name);
            let Some(text) = read_unit(root, &file)? else { continue };
            if let Some(what) = what(&text) {
                units.push(SwapUnit { name, path: resolved(root, &device_path(&what)) });
            }
        }
    }
    Ok(units)
}

/// The text of a unit; none where it is masked, dangling or no file.
pub(super) fn read_unit(root: &Root, file: &Path) -> Result<Option<String>> {
    if is_mask(&root.find_link(file)?) {
        return Ok(None);
    }
    let standing = root.find(file)?;
    let is_file = matches!(standing.state, State::File { .. });
    Ok(is_file.then(|| String::from_utf8_lossy(&standing.bytes).into_owned()))
}

/// The path with its links resolved, as the kernel lists it.
pub(super) fn resolved(root: &Root, path: &Path) -> PathBuf {
    // What cannot be resolved (a loop, a component that is no directory) is not what is active.
    root.canonical(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What a swap unit turns on.
pub(super) fn what(text: &str) -> Option<String> {
    value(text, "Swap", "What")
}

/// The last value of a key in a section of a file in systemd's syntax.
pub(super) fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = name == section;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            if name.trim() == key {
                last = Some(value.trim().to_owned());
            }
        }
    }
    last.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_values_are_found_in_their_section() {
        let text = "[Unit]\nWhat=/no\n[Swap]\n# What=/no\nWhat = /dev/sda2\n Priority=5\n[Install]\nWhat=/no\n";
        assert_eq!(what(text).as_deref(), Some("/dev/sda2"));
        assert_eq!(what("[Swap]\nWhat=/a\nWhat=\n"), None, "an empty value takes it back");
        assert_eq!(what("What=/a\n"), None);
    }
}
