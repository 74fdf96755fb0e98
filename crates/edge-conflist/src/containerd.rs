//! Where containerd looks for networks and plugins (containerd `internal/cri/config/config.go`, CniConfig).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use toml_edit::{Document, Item};

use crate::conflist::CONF_DIR;
use crate::crio::{Setting, line_at};
use crate::plugin::BIN_DIR;

/// containerd's main file.
pub const MAIN: &str = "/etc/containerd/config.toml";
const PROGRAMS: [&str; 2] = ["/usr/bin/containerd", "/usr/local/bin/containerd"];
/// The plugin of the CRI: its names in a list of disabled plugins, and its key by version of the format, from 1.
const CRI: [&str; 3] = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"];
/// More files are not read; containerd has no limit.
const MAX_FILES: usize = 100;

/// The places of containerd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Containerd {
    conf_dir: Option<Setting<PathBuf>>,
    bin_dirs: Option<Setting<Vec<PathBuf>>>,
    /// Where it keeps images and containers, if a file sets it.
    pub root: Option<Setting<PathBuf>>,
    /// Where it keeps what a reboot discards, if a file sets it.
    pub state: Option<Setting<PathBuf>>,
    /// Files that are not valid TOML, with the line: containerd does not start.
    pub invalid: Vec<(PathBuf, usize)>,
    is_disabled: bool,
}

impl Containerd {
    /// Reads its files. None where it is not installed, or does not serve the CRI: Docker's packages turn that off.
    pub fn read(host: &Host) -> Result<Option<Containerd>> {
        let mut is_installed = false;
        for path in PROGRAMS {
            is_installed |= host.root.find_large(Path::new(path))?.exists();
        }
        if !is_installed {
            return Ok(None);
        }
        let mut found = Containerd::default();
        let mut waiting = vec![PathBuf::from(MAIN)];
        let mut seen = BTreeSet::new();
        while !waiting.is_empty() && seen.len() < MAX_FILES {
            let path = waiting.remove(0);
            if !seen.insert(path.clone()) {
                continue;
            }
            // Of what the user cannot read nothing is known.
            let Ok(Some(bytes)) = host.root.read(&path) else { continue };
            for pattern in found.add(&path, &String::from_utf8_lossy(&bytes)) {
                waiting.extend(matching(host, &path.parent().unwrap_or(Path::new("/")).join(pattern)));
            }
        }
        Ok(Some(found).filter(|found| !found.is_disabled))
    }

    /// The directory of the networks, and the place that sets it.
    pub fn conf_dir(&self) -> Setting<PathBuf> {
        self.conf_dir.clone().unwrap_or_else(|| unset(CONF_DIR.into()))
    }

    /// The directories of the plugins, in search order, and the place that sets them.
    pub fn bin_dirs(&self) -> Setting<Vec<PathBuf>> {
        self.bin_dirs.clone().unwrap_or_else(|| unset(vec![BIN_DIR.into()]))
    }

    /// Adds a file, whose values replace earlier ones; returns its imports.
    fn add(&mut self, path: &Path, text: &str) -> Vec<String> {
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                self.invalid.push((path.to_path_buf(), line_at(text, error.span().map_or(0, |span| span.start))));
                return Vec::new();
            }
        };
        let strings = |item: &Item| -> Vec<String> {
            item.as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
        };
        let disabled = document.get("disabled_plugins").map(strings).unwrap_or_default();
        self.is_disabled |= disabled.iter().any(|name| CRI.contains(&name.as_str()));
        let version = document.get("version").and_then(Item::as_integer).unwrap_or(1);
        let key = usize::try_from(version - 1).ok().and_then(|at| CRI.get(at));
        let cni = key.and_then(|key| document.get("plugins")?.get(key)?.get("cni"));
        let item = |key: &str| cni.and_then(|cni| cni.get(key));
        let line = |item: &Item| line_at(text, item.span().map_or(0, |span| span.start));
        for (key, found) in [("root", &mut self.root), ("state", &mut self.state)] {
            let set = document.get(key).and_then(|item| Some((item, item.as_str().filter(|dir| !dir.is_empty())?)));
            if let Some((item, dir)) = set {
                *found = Some(Setting { value: clean(dir), file: path.to_path_buf(), line: line(item) });
            }
        }
        // An empty value is containerd's default.
        if let Some((item, dir)) = item("conf_dir").and_then(|item| Some((item, item.as_str()?))) {
            let set = Setting { value: clean(dir), file: path.to_path_buf(), line: line(item) };
            self.conf_dir = Some(set).filter(|_| !dir.is_empty());
        }
        // The list takes the place of the older key.
        let of = |item: &Item| item.as_str().map_or_else(|| strings(item), |dir| vec![dir.to_owned()]);
        for item in ["bin_dir", "bin_dirs"].into_iter().filter_map(item) {
            let dirs: Vec<PathBuf> = of(item).iter().filter(|dir| !dir.is_empty()).map(|dir| clean(dir)).collect();
            if !dirs.is_empty() {
                self.bin_dirs = Some(Setting { value: dirs, file: path.to_path_buf(), line: line(item) });
            }
        }
        document.get("imports").map(strings).unwrap_or_default()
    }
}

fn unset<T>(value: T) -> Setting<T> {
    Setting { value, file: MAIN.into(), line: 0 }
}

/// Without a slash at the end.
fn clean(dir: &str) -> PathBuf {
    Path::new("/").join(dir).components().collect()
}

/// The files of an import: a path, or one with `*` in its last part.
fn matching(host: &Host, pattern: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    if !name.contains('*') {
        return vec![pattern.to_path_buf()];
    }
    // A directory that does not exist or is none has no files.
    let names = host.root.list(dir).unwrap_or_default();
    let all = names.iter().filter(|one| one.to_str().is_some_and(|one| is_match(name, one)));
    all.map(|one| dir.join(one)).collect()
}

/// Whether a name matches a pattern with `*`.
fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| is_match(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_reads_each_version_of_its_format() {
        let of = |text: &str| {
            let mut found = Containerd::default();
            found.add(Path::new(MAIN), text);
            (found.conf_dir().value, found.bin_dirs().value, found.conf_dir().line)
        };
        let usual = (PathBuf::from(CONF_DIR), vec![PathBuf::from(BIN_DIR)], 0);
        let set = |line| (PathBuf::from("/n"), vec![PathBuf::from("/b")], line);
        assert_eq!(of("[plugins.cri.cni]\nconf_dir = '/n/'\nbin_dir = '/b'\n"), set(2));
        let two = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.cni]\nbin_dir = '/b/'\nconf_dir = '/n'\n";
        assert_eq!(of(two), set(4));
        let three = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/b']\nconf_dir = '/n'\n";
        assert_eq!(of(three), set(4));
        // A section of another version is not read.
        for text in
            [two.replace("= 2", "= 3"), three.replace("= 3", "= 2"), two.replace("'/n'", "''").replace("'/b/'", "''")]
        {
            assert_eq!(of(&text), usual, "{text}");
        }
        let mut found = Containerd::default();
        assert_eq!(
            found.add(Path::new("/a"), "imports = ['conf.d/*.toml']\ndisabled_plugins = ['cri']"),
            ["conf.d/*.toml"]
        );
        found.add(Path::new("/b"), "\n[");
        assert!(found.is_disabled);
        assert_eq!(found.invalid, [(PathBuf::from("/b"), 2)]);
    }

    #[test]
    fn is_match_compares_with_a_pattern() {
        assert!(is_match("*.toml", "a.toml") && is_match("a*b*", "axxb") && is_match("*", ""));
        assert!(!is_match("*.toml", "a.toml~") && !is_match("a*b", "ab.c"));
    }
}
