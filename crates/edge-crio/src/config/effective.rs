//! What CRI-O makes of its files: the last one that sets a key counts.

use std::path::{Path, PathBuf};

use toml_edit::Document;

use super::{ConfFile, DIR};

/// A value and the file that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T = String> {
    /// The value.
    pub value: T,
    /// Where it is set.
    pub file: PathBuf,
}

/// The settings that matter here, where any file sets them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// crio.runtime.cgroup_manager.
    pub cgroup_manager: Option<Setting>,
    /// crio.runtime.conmon_cgroup.
    pub conmon_cgroup: Option<Setting>,
    /// crio.image.pause_image.
    pub pause_image: Option<Setting>,
    /// crio.api.listen.
    pub listen: Option<Setting>,
    /// crio.network.network_dir.
    pub network_dir: Option<Setting>,
    /// crio.network.cni_default_network: no other network counts.
    pub default_network: Option<Setting>,
    /// crio.runtime.conmon and the monitor_path of each runtime.
    pub monitors: Vec<PathBuf>,
    /// crio.network.plugin_dirs.
    pub plugin_dirs: Option<Setting<Vec<String>>>,
    /// Files that are no TOML, with the reason: CRI-O does not start with them.
    pub broken: Vec<(PathBuf, String)>,
    /// Values that CRI-O does not start with.
    pub wrong: Vec<Wrong>,
}

/// A value that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Where it is set.
    pub file: PathBuf,
    /// The key: `crio.network.network_dir`.
    pub key: String,
    /// What it is.
    pub why: &'static str,
}

impl Effective {
    /// Who makes cgroups: systemd unless set, from 1.18 on.
    pub fn driver(&self) -> &str {
        self.cgroup_manager.as_ref().map_or("systemd", |setting| setting.value.as_str())
    }

    /// The socket.
    pub fn socket(&self) -> &str {
        self.listen.as_ref().map(|setting| setting.value.as_str()).filter(|path| !path.is_empty()).unwrap_or(SOCKET)
    }

    /// Where conflists are looked for; a relative path is below the directory that systemd starts CRI-O in.
    pub fn network_dir(&self) -> PathBuf {
        let set = self.network_dir.as_ref().map(|setting| setting.value.as_str()).filter(|path| !path.is_empty());
        Path::new(STARTED_IN).join(set.unwrap_or(NETWORK_DIR))
    }

    /// Where CNI plugins are looked for.
    pub fn plugin_dirs(&self) -> Vec<PathBuf> {
        let set = self.plugin_dirs.iter().flat_map(|setting| &setting.value).filter(|path| !path.is_empty());
        let dirs: Vec<PathBuf> = set.map(|path| Path::new(STARTED_IN).join(path)).collect();
        if dirs.is_empty() { vec![PathBuf::from(PLUGIN_DIR)] } else { dirs }
    }

    /// Why CRI-O would not start with this conmon_cgroup, if it would not.
    pub fn conmon_fault(&self) -> Option<(PathBuf, String)> {
        let conmon = self.conmon_cgroup.as_ref()?;
        let value = conmon.value.as_str();
        let wrong = match self.driver() {
            "cgroupfs" => !["pod", ""].contains(&value),
            _ => !["pod", ""].contains(&value) && !value.ends_with(".slice"),
        };
        wrong.then(|| {
            let wanted = if self.driver() == "cgroupfs" { "pod" } else { "pod, or the name of a slice" };
            (conmon.file.clone(), format!("is {value:?}, but with the {} driver it must be {wanted}", self.driver()))
        })
    }
}

const SOCKET: &str = "/var/run/crio/crio.sock";
const NETWORK_DIR: &str = "/etc/cni/net.d/";
const PLUGIN_DIR: &str = "/opt/cni/bin/";
const STARTED_IN: &str = "/";

/// Whether a key may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    Counts,
    Fails,
}

/// Whether a file has this key.
fn sets(document: &Document<&str>, key: &str) -> bool {
    let mut names = key.split('.');
    let Some(top) = names.next().and_then(|name| document.get(name)) else { return false };
    names.try_fold(top, |item, name| item.get(name)).is_some()
}

/// The monitors that a file names. What an earlier file says counts too: containers are older than files.
fn monitors(document: &Document<&str>) -> Vec<PathBuf> {
    let Some(runtime) = document.get("crio").and_then(|crio| crio.get("runtime")) else { return Vec::new() };
    let runtimes = runtime.get("runtimes").and_then(|runtimes| runtimes.as_table_like());
    let paths = runtimes.into_iter().flat_map(|all| all.iter()).filter_map(|(_, one)| one.get("monitor_path"));
    let paths = paths.chain(runtime.get("conmon")).filter_map(|path| path.as_str());
    paths.filter(|path| path.starts_with('/')).map(PathBuf::from).collect()
}

/// Puts the files together, in CRI-O's order.
pub fn effective(files: &[ConfFile]) -> Effective {
    let mut all = Effective::default();
    for file in files {
        let document = match Document::parse(file.text.as_str()) {
            Ok(document) => document,
            Err(error) => {
                all.broken.push((file.path.clone(), error.message().replace('\n', ", ")));
                continue;
            }
        };
        let mut wrong = Vec::new();
        let item = |section: &str, key: &str| document.get("crio")?.get(section)?.get(key);
        let mut text = |section: &str, key: &str, empty: Empty, into: &mut Option<Setting>| {
            let Some(item) = item(section, key) else { return };
            let bad = |why| Wrong { file: file.path.clone(), key: format!("crio.{section}.{key}"), why };
            match item.as_str() {
                None => wrong.push(bad("is no text")),
                Some("") if empty == Empty::Fails => wrong.push(bad("is empty")),
                Some(_) => {}
            }
            if let Some(value) = item.as_str() {
                *into = Some(Setting { value: value.to_owned(), file: file.path.clone() });
            }
        };
        text("runtime", "cgroup_manager", Empty::Counts, &mut all.cgroup_manager);
        text("runtime", "conmon_cgroup", Empty::Counts, &mut all.conmon_cgroup);
        all.monitors.extend(monitors(&document));
        text("image", "pause_image", Empty::Counts, &mut all.pause_image);
        text("api", "listen", Empty::Fails, &mut all.listen);
        text("network", "network_dir", Empty::Fails, &mut all.network_dir);
        text("network", "cni_default_network", Empty::Counts, &mut all.default_network);
        if let Some(item) = item("network", "plugin_dirs") {
            let dirs: Option<Vec<String>> =
                item.as_array().and_then(|dirs| dirs.iter().map(|dir| dir.as_str().map(str::to_owned)).collect());
            let bad = |why| Wrong { file: file.path.clone(), key: "crio.network.plugin_dirs".to_owned(), why };
            match &dirs {
                None => wrong.push(bad("is no list of texts")),
                Some(dirs) if dirs.iter().any(String::is_empty) => wrong.push(bad("has an empty entry")),
                Some(_) => {}
            }
            all.plugin_dirs = dirs.map(|value| Setting { value, file: file.path.clone() }).or(all.plugin_dirs);
        }
        // What a later file sets again counts there; what is of no such type fails as it is read.
        all.wrong.retain(|before| before.why.starts_with("is no ") || !sets(&document, &before.key));
        all.wrong.append(&mut wrong);
    }
    all
}

/// Whether CRI-O loads a file that its owner may think it does not: a backup, a package manager's leftover, one put
/// into a directory of its own.
pub fn is_stray(path: &Path) -> bool {
    let below = path.strip_prefix(DIR);
    below.is_ok_and(|below| below.components().count() > 1 || below.extension().is_none_or(|name| name != "conf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> ConfFile {
        ConfFile { path: Path::new(DIR).join(name), text: text.to_owned() }
    }

    #[test]
    fn the_last_file_counts() {
        let files = [
            file("10-crio.conf", "[crio.runtime]\ncgroup_manager = \"systemd\"\nconmon_cgroup = \"system.slice\"\n"),
            file("20-edgeutils.conf", "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n"),
            file(
                "20-edgeutils.conf.bak",
                "[crio.runtime]\nconmon_cgroup = \"system.slice\"\n[crio.network]\nplugin_dirs = [\"/a\", \"/b\"]",
            ),
            file("90", "[crio"),
        ];
        let all = effective(&files);
        assert_eq!(all.driver(), "cgroupfs");
        assert_eq!(all.plugin_dirs(), [Path::new("/a"), Path::new("/b")]);
        assert_eq!(all.socket(), "/var/run/crio/crio.sock");
        assert_eq!(all.broken.len(), 1);
        let (path, text) = all.conmon_fault().unwrap();
        assert!(path.ends_with("20-edgeutils.conf.bak"));
        assert_eq!(text, "is \"system.slice\", but with the cgroupfs driver it must be pod");
        assert_eq!(effective(&files[..2]).conmon_fault(), None);
        assert_eq!(effective(&files[..1]).conmon_fault(), None);
        assert!(is_stray(&files[2].path) && is_stray(&files[3].path) && !is_stray(&files[0].path));
    }

    #[test]
    fn values_that_are_none_are_found_and_not_used() {
        let of = |texts: &[&str]| {
            let files: Vec<ConfFile> = texts.iter().map(|text| file("10.conf", text)).collect();
            let all = effective(&files);
            let wrong = all.wrong.iter().map(|wrong| format!("{} {}", wrong.key, wrong.why)).collect::<Vec<_>>();
            (wrong, all)
        };
        let empty = "[crio.network]\nnetwork_dir = \"\"\nplugin_dirs = [\"\"]\n[crio.api]\nlisten = \"\"\n";
        let (wrong, all) = of(&[empty]);
        assert_eq!(
            wrong,
            [
                "crio.api.listen is empty",
                "crio.network.network_dir is empty",
                "crio.network.plugin_dirs has an empty entry"
            ]
        );
        assert_eq!(all.network_dir(), Path::new("/etc/cni/net.d/"));
        assert_eq!((all.plugin_dirs(), all.socket()), (vec![PathBuf::from("/opt/cni/bin/")], SOCKET));
        let (wrong, all) = of(&["[crio.network]\nnetwork_dir = 5\nplugin_dirs = \"/x\"\n"]);
        assert_eq!(wrong, ["crio.network.network_dir is no text", "crio.network.plugin_dirs is no list of texts"]);
        assert_eq!(all.network_dir(), Path::new("/etc/cni/net.d/"));
        let later = "[crio.network]\nnetwork_dir = \"net.d\"\nplugin_dirs = []\n[crio.api]\nlisten = \"/s\"\n";
        let (wrong, all) = of(&[empty, later]);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!((all.network_dir(), all.plugin_dirs().len()), (PathBuf::from("/net.d"), 1));
    }
}
