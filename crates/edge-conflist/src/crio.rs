//! Where CRI-O looks for networks and plugins: in its files, its environment and its command line.
//!
//! edge-cni and edge-crio read the same settings, so they look at the same directories of a host.

use std::path::{Path, PathBuf};

use edge_host::{FileSnapshot, Host, Result, State};
use toml_edit::{Document, Item, TableLike};

pub use self::options::Options;
use crate::conflist::CONF_DIR;
use crate::plugin::BIN_DIR;

mod options;

/// The unit of CRI-O.
pub const UNIT: &str = "crio.service";
/// CRI-O's main file, which packages no longer ship.
pub const MAIN: &str = "/etc/crio/crio.conf";
/// Every file below it is loaded, in the order of the names.
pub const DIR: &str = "/etc/crio/crio.conf.d";
/// systemd starts CRI-O in it: relative paths are below it.
const STARTED_IN: &str = "/";
const PROGRAMS: [&str; 2] = ["/usr/bin/crio", "/usr/local/bin/crio"];
const SOCKET: &str = "/run/crio/crio.sock";

/// A value and the place that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T = String> {
    /// The value.
    pub value: T,
    /// The file that sets it.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
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
    /// Why the unit may set other directories: `cannot read /etc/systemd/system/crio.service.d/x.conf`.
    pub problem: Option<String>,
}

impl Default for Places {
    fn default() -> Places {
        Places { conf_dir: CONF_DIR.into(), bin_dirs: vec![BIN_DIR.into()], default_network: None, problem: None }
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
    let options = Options::read(&host.root);
    let mut found = Found::default();
    for (path, file) in loaded(host, &options)? {
        found.add(&path, &String::from_utf8_lossy(&file.bytes));
    }
    // An option takes precedence over all files.
    let text = |key, file: Option<Setting>| options.text(key).or(file).filter(|one| !one.value.is_empty());
    let conf_dir = text("crio.network.network_dir", found.network_dir);
    let default_network = text("crio.network.cni_default_network", found.default_network);
    let plugin_dirs = options.list("crio.network.plugin_dirs").map(|one| one.value.clone()).or(found.plugin_dirs);
    let below = |path: &str| -> PathBuf { Path::new(STARTED_IN).join(path).components().collect() };
    let mut bin_dirs: Vec<PathBuf> =
        plugin_dirs.iter().flatten().filter(|dir| !dir.is_empty()).map(|dir| below(dir)).collect();
    if bin_dirs.is_empty() {
        bin_dirs.push(BIN_DIR.into());
    }
    // The older key adds to the newer one.
    bin_dirs.extend(found.plugin_dir.iter().filter(|dir| !dir.is_empty()).map(|dir| below(dir)));
    Ok(Places {
        conf_dir: conf_dir.map_or(CONF_DIR.into(), |dir| below(&dir.value)),
        bin_dirs,
        default_network,
        problem: options.problem,
    })
}

/// The paths that CRI-O tries to load, in its order: its main file, then every file below its directory, whatever its
/// name. A path may be anything but a directory: a broken link, a link to a directory.
pub fn loaded(host: &Host, options: &Options) -> Result<Vec<(PathBuf, FileSnapshot)>> {
    let mut all = Vec::new();
    if let Some(path) = options.main_file() {
        let found = host.root.find(&path)?;
        if found.exists() {
            all.push((path, found));
        }
    }
    if let Some(dir) = options.dropin_dir()
        && host.root.find(&dir)?.exists()
    {
        walk(host, &dir, &mut all)?;
    }
    Ok(all)
}

fn walk(host: &Host, path: &Path, all: &mut Vec<(PathBuf, FileSnapshot)>) -> Result<()> {
    if !matches!(host.root.find_link(path)?.state, State::Directory { .. }) {
        all.push((path.to_path_buf(), host.root.find(path)?));
        return Ok(());
    }
    for name in host.root.list(path)? {
        walk(host, &path.join(name), all)?;
    }
    Ok(())
}

/// The line of a byte, from 1.
pub fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
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
        let network = member(document.as_table(), "crio").and_then(Item::as_table_like);
        let network = network.and_then(|crio| member(crio, "network")).and_then(Item::as_table_like);
        let item = |key: &str| member(network?, key);
        let text_of = |key: &str| {
            let item = item(key)?;
            let line = line_at(text, item.span().map_or(0, |span| span.start));
            Some(Setting { value: item.as_str()?.to_owned(), file: file.to_path_buf(), line })
        };
        self.network_dir = text_of("network_dir").or(self.network_dir.take());
        self.default_network = text_of("cni_default_network").or(self.default_network.take());
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

/// The value of a key; CRI-O's parser ignores the case of keys.
fn member<'a>(table: &'a dyn TableLike, key: &str) -> Option<&'a Item> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, item)| item)
}
