//! Where CRI-O looks for networks and plugins: in its files, its environment and its command line.
//!
//! edge-cni and edge-crio read the same settings, so they look at the same directories of a host.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result, State};
use edge_systemd::{Scope, Units, Variable, Word};
use toml_edit::{Document, Item};

use crate::conflist::CONF_DIR;
use crate::plugin::BIN_DIR;

const UNIT: &str = "crio.service";
const MAIN: &str = "/etc/crio/crio.conf";
const DROP_INS: &str = "/etc/crio/crio.conf.d";
/// systemd starts CRI-O in it: relative paths are below it.
const STARTED_IN: &str = "/";
const PROGRAMS: [&str; 2] = ["/usr/bin/crio", "/usr/local/bin/crio"];
const SOCKET: &str = "/run/crio/crio.sock";

/// A value and the file that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: String,
    /// The file.
    pub file: PathBuf,
    /// The line, where it is known: of the unit or its environment.
    pub line: Option<usize>,
}

/// Where a runtime looks for networks and plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The directory of the networks.
    pub conf_dir: PathBuf,
    /// The directories of the plugins, in search order.
    pub bin_dirs: Vec<PathBuf>,
    /// The name of the only network that is used, if it is set.
    pub default_network: Option<Setting>,
    /// Files of the unit that cannot be read: they may set other directories.
    pub unread: Vec<PathBuf>,
}

impl Default for Places {
    fn default() -> Places {
        Places { conf_dir: CONF_DIR.into(), bin_dirs: vec![BIN_DIR.into()], default_network: None, unread: Vec::new() }
    }
}

/// Whether CRI-O is installed or running.
pub fn is_present(host: &Host) -> Result<bool> {
    let socket = Some(SOCKET).filter(|_| host.root.is_live());
    for path in PROGRAMS.into_iter().chain(socket) {
        if host.root.find_large(Path::new(path))?.exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The places of CRI-O; the usual ones of all runtimes where it sets none.
pub fn places(host: &Host) -> Result<Places> {
    let unit = UnitOptions::read(host)?;
    let (main, dir) = (unit.of("config", "c", "CONTAINER_CONFIG"), unit.of("config-dir", "d", "CONTAINER_CONFIG_DIR"));
    let (main, dir) = (main.map(|one| one.value), dir.map(|one| one.value));
    let (mut found, mut unread) = (Found::default(), unit.unread.clone());
    for path in files(host, main.as_deref().unwrap_or(MAIN), dir.as_deref().unwrap_or(DROP_INS), &mut unread) {
        match host.root.read(&path) {
            Ok(text) => found.add(&path, &String::from_utf8_lossy(&text.unwrap_or_default())),
            Err(_) => unread.push(path),
        }
    }
    // An option takes precedence over all files.
    let conf_dir = unit.of("cni-config-dir", "", "CONTAINER_CNI_CONFIG_DIR").or(found.network_dir);
    let default_network = unit.of("cni-default-network", "", "CONTAINER_CNI_DEFAULT_NETWORK").or(found.default_network);
    if let Some(dirs) = unit.of("cni-plugin-dir", "", "CONTAINER_CNI_PLUGIN_DIR") {
        found.plugin_dirs = Some(dirs.value.split(',').map(str::to_owned).collect());
    }
    let below = |path: &str| -> PathBuf { Path::new(STARTED_IN).join(path).components().collect() };
    let mut bin_dirs: Vec<PathBuf> =
        found.plugin_dirs.iter().flatten().filter(|dir| !dir.is_empty()).map(|dir| below(dir)).collect();
    if bin_dirs.is_empty() {
        bin_dirs.push(BIN_DIR.into());
    }
    // The older key adds to the newer one.
    bin_dirs.extend(found.plugin_dir.iter().filter(|dir| !dir.is_empty()).map(|dir| below(dir)));
    Ok(Places {
        conf_dir: conf_dir.filter(|dir| !dir.value.is_empty()).map_or(CONF_DIR.into(), |dir| below(&dir.value)),
        bin_dirs,
        default_network: default_network.filter(|name| !name.value.is_empty()),
        unread,
    })
}

/// The files that CRI-O loads, in its order: the main one, then all below the directory, whatever their names.
fn files(host: &Host, main: &str, dir: &str, unread: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from(main)];
    let mut queue = vec![PathBuf::from(dir)];
    while let Some(path) = queue.pop() {
        let is_directory = |state: &State| matches!(state, State::Directory { .. });
        match host.root.find_link(&path).map(|found| is_directory(&found.state)) {
            Ok(false) => all.push(path),
            Ok(true) => match host.root.list(&path) {
                Ok(mut names) => {
                    names.sort();
                    queue.extend(names.into_iter().rev().map(|name| path.join(name)));
                }
                Err(_) => unread.push(path),
            },
            Err(_) => unread.push(path),
        }
    }
    all
}

/// What the files set, the last one each.
#[derive(Debug, Default)]
struct Found {
    network_dir: Option<Setting>,
    plugin_dirs: Option<Vec<String>>,
    plugin_dir: Vec<String>,
    default_network: Option<Setting>,
}

impl Found {
    /// CRI-O does not start with a file that is not valid TOML: it is left out.
    fn add(&mut self, file: &Path, text: &str) {
        let Ok(document) = Document::parse(text) else { return };
        let item = |key: &str| document.get("crio")?.get("network")?.get(key);
        let text = |key: &str| {
            let value = item(key)?.as_str()?.to_owned();
            Some(Setting { value, file: file.to_path_buf(), line: None })
        };
        self.network_dir = text("network_dir").or(self.network_dir.take());
        self.default_network = text("cni_default_network").or(self.default_network.take());
        if let Some(dirs) = item("plugin_dirs").and_then(list) {
            self.plugin_dirs = Some(dirs);
        }
        // A list in the first releases, then one directory.
        let one = |item: &Item| list(item).or_else(|| Some(vec![item.as_str()?.to_owned()]));
        if let Some(dirs) = item("plugin_dir").and_then(one) {
            self.plugin_dir = dirs;
        }
    }
}

fn list(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|dir| dir.as_str().map(str::to_owned)).collect()
}

/// The command line and environment of the unit.
#[derive(Debug, Default)]
struct UnitOptions {
    words: Vec<Word>,
    environment: Vec<Variable>,
    unread: Vec<PathBuf>,
}

impl UnitOptions {
    fn read(host: &Host) -> Result<UnitOptions> {
        let units = Units::read(&host.root, Scope::Now)?;
        let unit = units.find(UNIT)?;
        let settings = units.settings(&unit)?;
        let mut unread = settings.unread().to_vec();
        let environment = settings.whole_environment(&host.root).unwrap_or_else(|_| {
            unread.extend(unit.file().map(|file| file.path.clone()));
            settings.environment()
        });
        let words = settings.exec_start_words(&environment);
        Ok(UnitOptions { words, environment, unread })
    }

    /// The value of an option (`--name VALUE`, `--name=VALUE`, `-s VALUE`), or else of its variable.
    fn of(&self, name: &str, short: &str, variable: &str) -> Option<Setting> {
        let mut found = None;
        for (index, word) in self.words.iter().enumerate() {
            let Some(option) = word.text.strip_prefix('-').map(|rest| rest.strip_prefix('-').unwrap_or(rest)) else {
                continue;
            };
            let (own, value) = match option.split_once('=') {
                Some((own, value)) => (own, Some(value.to_owned())),
                None => (option, self.words.get(index + 1).map(|next| next.text.clone())),
            };
            if let Some(value) = value.filter(|_| own == name || (own == short && !short.is_empty())) {
                // A list may be given by several options.
                let value = match found {
                    Some(Setting { value: before, .. }) if name == "cni-plugin-dir" => format!("{before},{value}"),
                    _ => value,
                };
                found = Some(Setting { value, file: word.file.clone(), line: Some(word.line) });
            }
        }
        let set = self.environment.iter().find(|one| one.name == variable && !one.value.is_empty());
        found.or_else(|| {
            set.map(|one| Setting { value: one.value.clone(), file: one.file.clone(), line: Some(one.line) })
        })
    }
}
