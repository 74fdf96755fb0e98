//! What CRI-O makes of its files: the last one that sets a key counts.

use std::path::{Path, PathBuf};

use toml_edit::{Document, Item};

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
    /// crio.network.plugin_dirs.
    pub plugin_dirs: Option<Setting<Vec<String>>>,
    /// Files that are no TOML, with the reason: CRI-O does not start with them.
    pub broken: Vec<(PathBuf, String)>,
}

impl Effective {
    /// Who makes cgroups: systemd unless set, from 1.18 on.
    pub fn driver(&self) -> &str {
        self.cgroup_manager.as_ref().map_or("systemd", |setting| setting.value.as_str())
    }

    /// The socket.
    pub fn socket(&self) -> &str {
        self.listen.as_ref().map_or(SOCKET, |setting| setting.value.as_str())
    }

    /// Where conflists are looked for.
    pub fn network_dir(&self) -> &str {
        self.network_dir.as_ref().map_or(NETWORK_DIR, |setting| setting.value.as_str())
    }

    /// Where CNI plugins are looked for.
    pub fn plugin_dirs(&self) -> Vec<String> {
        match &self.plugin_dirs {
            Some(setting) if !setting.value.is_empty() => setting.value.clone(),
            _ => vec![PLUGIN_DIR.to_owned()],
        }
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
        let item = |section: &str, key: &str| document.get("crio")?.get(section)?.get(key);
        let text = |section: &str, key: &str, into: &mut Option<Setting>| {
            if let Some(value) = item(section, key).and_then(Item::as_str) {
                *into = Some(Setting { value: value.to_owned(), file: file.path.clone() });
            }
        };
        text("runtime", "cgroup_manager", &mut all.cgroup_manager);
        text("runtime", "conmon_cgroup", &mut all.conmon_cgroup);
        text("image", "pause_image", &mut all.pause_image);
        text("api", "listen", &mut all.listen);
        text("network", "network_dir", &mut all.network_dir);
        if let Some(dirs) = item("network", "plugin_dirs").and_then(Item::as_array) {
            let value = dirs.iter().filter_map(|dir| dir.as_str().map(str::to_owned)).collect();
            all.plugin_dirs = Some(Setting { value, file: file.path.clone() });
        }
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
        assert_eq!(all.plugin_dirs(), ["/a", "/b"]);
        assert_eq!(all.socket(), "/var/run/crio/crio.sock");
        assert_eq!(all.broken.len(), 1);
        let (path, text) = all.conmon_fault().unwrap();
        assert!(path.ends_with("20-edgeutils.conf.bak"));
        assert_eq!(text, "is \"system.slice\", but with the cgroupfs driver it must be pod");
        assert_eq!(effective(&files[..2]).conmon_fault(), None);
        assert_eq!(effective(&files[..1]).conmon_fault(), None);
        assert!(is_stray(&files[2].path) && is_stray(&files[3].path) && !is_stray(&files[0].path));
    }
}
