//! CRI-O's effective configuration: the last file that sets a key takes precedence, and options of its unit over files.

use std::path::{Path, PathBuf};

use toml_edit::Document;

use super::{ConfFile, Options, Setting, line_at, line_of};

/// The settings that edge-crio uses; `None` where no file sets them.
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
    /// crio.network.cni_default_network: CRI-O uses no other network.
    pub default_network: Option<Setting>,
    /// crio.runtime.conmon and the monitor_path of each runtime.
    pub monitors: Vec<PathBuf>,
    /// crio.network.plugin_dirs.
    pub plugin_dirs: Option<Setting<Vec<String>>>,
    /// Files that are not valid TOML, with the line: CRI-O does not start with them.
    pub unparsable: Vec<(PathBuf, usize)>,
    /// Values that CRI-O does not start with.
    pub invalid: Vec<InvalidSetting>,
    socket: Option<String>,
}

/// A value of a wrong type, or an empty one where CRI-O needs a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    /// The file that sets it.
    pub file: PathBuf,
    /// The key: `crio.network.network_dir`.
    pub key: String,
    /// What is wrong: `is empty`.
    pub problem: &'static str,
    /// CRI-O fails on it even if a later file sets the key again.
    pub is_of_wrong_type: bool,
}

impl Effective {
    /// The cgroup driver: systemd by default, since CRI-O 1.18.
    pub fn driver(&self) -> &str {
        self.cgroup_manager.as_ref().map_or("systemd", |setting| setting.value.as_str())
    }

    /// The CRI socket, where CRI-O creates it: it takes its setting for a path and knows no `unix://`, and a relative
    /// path is below the directory that systemd starts it in.
    pub fn socket(&self) -> &str {
        self.socket.as_deref().unwrap_or(SOCKET)
    }

    /// The settings with the options of the unit, which take precedence.
    #[must_use]
    pub fn with_options(mut self, options: &Options) -> Effective {
        for (key, setting) in [
            ("crio.runtime.cgroup_manager", &mut self.cgroup_manager),
            ("crio.runtime.conmon_cgroup", &mut self.conmon_cgroup),
            ("crio.image.pause_image", &mut self.pause_image),
            ("crio.api.listen", &mut self.listen),
            ("crio.network.network_dir", &mut self.network_dir),
            ("crio.network.cni_default_network", &mut self.default_network),
        ] {
            *setting = options.text(key).or(setting.take());
        }
        let conmon = options.text("crio.runtime.conmon").map(|setting| PathBuf::from(setting.value));
        self.monitors.extend(conmon.filter(|path| path.is_absolute()));
        self.plugin_dirs = options.list("crio.network.plugin_dirs").cloned().or(self.plugin_dirs);
        self.invalid.retain(|one| one.is_of_wrong_type || options.list(&one.key).is_none());
        self.socket = socket_of(self.listen.as_ref());
        self
    }

    /// The file and the problem of a conmon_cgroup that CRI-O does not start with.
    pub fn invalid_conmon_cgroup(&self) -> Option<(PathBuf, String)> {
        let conmon = self.conmon_cgroup.as_ref()?;
        let value = conmon.value.as_str();
        let wrong = match self.driver() {
            "cgroupfs" => !["pod", ""].contains(&value),
            _ => !["pod", ""].contains(&value) && !value.ends_with(".slice"),
        };
        wrong.then(|| {
            let expected = if self.driver() == "cgroupfs" { "pod" } else { "pod or the name of a slice" };
            (conmon.file.clone(), format!("is {value:?}, but with the {} driver it must be {expected}", self.driver()))
        })
    }
}

const SOCKET: &str = "/var/run/crio/crio.sock";
const STARTED_IN: &str = "/";

fn socket_of(listen: Option<&Setting>) -> Option<String> {
    let path = listen.map(|setting| setting.value.as_str()).filter(|path| !path.is_empty())?;
    match path.starts_with('/') {
        true => Some(path.to_owned()),
        // Without the empty parts of `unix:///run`.
        false => Some(Path::new(STARTED_IN).join(path).components().collect::<PathBuf>().display().to_string()),
    }
}

/// Whether a file sets this key.
fn sets(document: &Document<&str>, key: &str) -> bool {
    let mut names = key.split('.');
    let Some(top) = names.next().and_then(|name| document.get(name)) else { return false };
    names.try_fold(top, |item, name| item.get(name)).is_some()
}

/// The monitors that a file sets. Those of overridden settings count too: running containers may still use them.
fn monitors(document: &Document<&str>) -> Vec<PathBuf> {
    let Some(runtime) = document.get("crio").and_then(|crio| crio.get("runtime")) else { return Vec::new() };
    let runtimes = runtime.get("runtimes").and_then(|runtimes| runtimes.as_table_like());
    let paths = runtimes.into_iter().flat_map(|all| all.iter()).filter_map(|(_, one)| one.get("monitor_path"));
    let paths = paths.chain(runtime.get("conmon")).filter_map(|path| path.as_str());
    paths.filter(|path| path.starts_with('/')).map(PathBuf::from).collect()
}

/// Merges the files, which must be in CRI-O's order.
pub fn effective(files: &[ConfFile]) -> Effective {
    let mut all = Effective::default();
    for file in files {
        let document = match Document::parse(file.text.as_str()) {
            Ok(document) => document,
            Err(error) => {
                all.unparsable.push((file.path.clone(), line_of(&file.text, &error)));
                continue;
            }
        };
        let mut invalid = Vec::new();
        let item = |section: &str, key: &str| document.get("crio")?.get(section)?.get(key);
        let problem = |section: &str, key: &str, problem, is_of_wrong_type| InvalidSetting {
            file: file.path.clone(),
            key: format!("crio.{section}.{key}"),
            problem,
            is_of_wrong_type,
        };
        let mut text = |section: &str, key: &str, may_be_empty: bool, into: &mut Option<Setting>| {
            let Some(item) = item(section, key) else { return };
            match item.as_str() {
                None => invalid.push(problem(section, key, "is not a string", true)),
                Some("") if !may_be_empty => invalid.push(problem(section, key, "is empty", false)),
                Some(_) => {}
            }
            if let Some(value) = item.as_str() {
                let line = line_at(&file.text, item.span().map_or(0, |span| span.start));
                *into = Some(Setting { value: value.to_owned(), file: file.path.clone(), line });
            }
        };
        text("runtime", "cgroup_manager", true, &mut all.cgroup_manager);
        text("runtime", "conmon_cgroup", true, &mut all.conmon_cgroup);
        all.monitors.extend(monitors(&document));
        text("image", "pause_image", true, &mut all.pause_image);
        text("api", "listen", false, &mut all.listen);
        text("network", "network_dir", false, &mut all.network_dir);
        text("network", "cni_default_network", true, &mut all.default_network);
        if let Some(item) = item("network", "plugin_dirs") {
            let dirs: Option<Vec<String>> =
                item.as_array().and_then(|dirs| dirs.iter().map(|dir| dir.as_str().map(str::to_owned)).collect());
            match &dirs {
                None => invalid.push(problem("network", "plugin_dirs", "is not a list of strings", true)),
                Some(dirs) if dirs.iter().any(String::is_empty) => {
                    invalid.push(problem("network", "plugin_dirs", "has an empty entry", false));
                }
                Some(_) => {}
            }
            let line = line_at(&file.text, item.span().map_or(0, |span| span.start));
            all.plugin_dirs = dirs.map(|value| Setting { value, file: file.path.clone(), line }).or(all.plugin_dirs);
        }
        // An empty value of an earlier file is overridden; a wrong type already fails when that file is loaded.
        all.invalid.retain(|before| before.is_of_wrong_type || !sets(&document, &before.key));
        all.invalid.append(&mut invalid);
    }
    all.socket = socket_of(all.listen.as_ref());
    all
}

/// Whether CRI-O loads this file although its name suggests otherwise: a backup, a package manager's leftover, a file
/// in a subdirectory of `dir`.
pub fn is_stray(path: &Path, dir: &Path) -> bool {
    let below = path.strip_prefix(dir);
    below.is_ok_and(|below| below.components().count() > 1 || below.extension().is_none_or(|name| name != "conf"))
}

#[cfg(test)]
mod tests {
    use super::super::DIR;
    use super::*;

    fn file(name: &str, text: &str) -> ConfFile {
        ConfFile { path: Path::new(DIR).join(name), text: text.to_owned() }
    }

    #[test]
    fn effective_takes_the_last_file_that_sets_a_key() {
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
        assert_eq!(all.plugin_dirs.as_ref().unwrap().value, ["/a", "/b"]);
        assert_eq!(all.socket(), "/var/run/crio/crio.sock");
        assert_eq!(all.unparsable.len(), 1);
        let (path, text) = all.invalid_conmon_cgroup().unwrap();
        assert!(path.ends_with("20-edgeutils.conf.bak"));
        assert_eq!(text, "is \"system.slice\", but with the cgroupfs driver it must be pod");
        assert_eq!(effective(&files[..2]).invalid_conmon_cgroup(), None);
        assert_eq!(effective(&files[..1]).invalid_conmon_cgroup(), None);
        let is_stray = |at: usize| is_stray(&files[at].path, Path::new(DIR));
        assert!(is_stray(2) && is_stray(3) && !is_stray(0));
    }

    #[test]
    fn effective_reports_invalid_values_and_uses_defaults() {
        let of = |texts: &[&str]| {
            let files: Vec<ConfFile> = texts.iter().map(|text| file("10.conf", text)).collect();
            let all = effective(&files);
            let invalid = all.invalid.iter().map(|one| format!("{} {}", one.key, one.problem)).collect::<Vec<_>>();
            (invalid, all)
        };
        let empty = "[crio.network]\nnetwork_dir = \"\"\nplugin_dirs = [\"\"]\n[crio.api]\nlisten = \"\"\n";
        let (invalid, all) = of(&[empty]);
        assert_eq!(
            invalid,
            [
                "crio.api.listen is empty",
                "crio.network.network_dir is empty",
                "crio.network.plugin_dirs has an empty entry"
            ]
        );
        assert_eq!(all.socket(), SOCKET);
        let (invalid, all) = of(&["[crio.network]\nnetwork_dir = 5\nplugin_dirs = \"/x\"\n"]);
        assert_eq!(
            invalid,
            ["crio.network.network_dir is not a string", "crio.network.plugin_dirs is not a list of strings"]
        );
        assert_eq!(all.network_dir, None);
        let later = "[crio.network]\nnetwork_dir = \"net.d\"\nplugin_dirs = []\n[crio.api]\nlisten = \"/s\"\n";
        let (invalid, all) = of(&[empty, later]);
        assert!(invalid.is_empty(), "{invalid:?}");
        assert_eq!(all.network_dir.unwrap().value, "net.d");
    }

    #[test]
    fn socket_is_where_crio_creates_it() {
        for (listen, want) in [
            ("/run/a.sock", "/run/a.sock"),
            ("unix:///var/run/crio/crio.sock", "/unix:/var/run/crio/crio.sock"),
            ("crio.sock", "/crio.sock"),
        ] {
            let all = effective(&[file("10.conf", &format!("# x\n[crio.api]\nlisten = {listen:?}\n"))]);
            assert_eq!(all.socket(), want);
            assert_eq!(all.listen.unwrap().line, 3);
        }
    }
}
