//! Everything that is read of the host before its configuration is planned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_cri::Answer;
use edge_host::{FileSnapshot, Host, Result, overlay_supports};

use crate::config::{self, Current, Setting, has_metacopy, mount_options, without_flags};
use crate::unit;

/// CRI-O answers at once, or a little later while it is starting.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Which mount options of an overlay this kernel supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlaySupport {
    /// Not tested: that needs root and the running system.
    Unknown,
    /// All of them.
    All,
    /// All but metacopy.
    AllButMetacopy,
    /// Not even the options without metacopy.
    Unsupported,
}

/// The mount options of containers-storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// All of them, and where they are set: in storage.conf, or in CRI-O's own configuration.
    pub options: Setting,
    /// The text of storage.conf, if they are set there.
    pub text: Option<String>,
    /// The administrator's storage.conf, which edge-crio writes.
    pub own: FileSnapshot,
    /// Which of them this kernel supports.
    pub overlay: OverlaySupport,
}

/// Facts about the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// CRI-O's configuration.
    pub config: Current,
    /// The drop-in of edge-crio.
    pub own: FileSnapshot,
    /// The registry mirrors of edge-crio.
    pub registries: FileSnapshot,
    /// The text of the main file of registries.
    pub registries_main: String,
    /// The drop-in with the proxy.
    pub proxy: FileSnapshot,
    /// The mount options of containers-storage, if there are any.
    pub storage: Option<Storage>,
    /// The unit.
    pub unit: edge_systemd::UnitFacts,
}

impl Facts {
    /// Reads them from the host.
    pub fn read(host: &Host) -> Result<Facts> {
        let main = host.root.read(Path::new(config::REGISTRIES_MAIN))?.unwrap_or_default();
        let config = Current::read(host)?;
        Ok(Facts {
            own: host.root.find(Path::new(config::OWN))?,
            registries: host.root.find(Path::new(config::REGISTRIES))?,
            registries_main: String::from_utf8_lossy(&main).into_owned(),
            proxy: host.root.find_link(Path::new(config::PROXY))?,
            storage: storage(host, &config)?,
            unit: unit::read(&host.root)?,
            config,
        })
    }
}

/// The mount options that containers-storage uses, if there are any.
pub fn storage(host: &Host, config: &Current) -> Result<Option<Storage>> {
    let file = storage_conf(host, config)?;
    let in_file = file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
    let Some(options) = mount_options(in_file, config) else { return Ok(None) };
    let is_default = config.options.storage_conf.is_none();
    let text = file.filter(|(path, _)| is_default && *path == options.file).map(|(_, text)| text);
    let own = host.root.find(Path::new(config::STORAGE[0]))?;
    // A mount needs root, and an image runs with another kernel.
    let can_test = host.root.is_live() && nix::unistd::geteuid().is_root();
    let tested = without_flags(&options.value);
    let overlay = match can_test {
        _ if tested.is_empty() => OverlaySupport::All,
        false => OverlaySupport::Unknown,
        true if overlay_supports(&tested)? => OverlaySupport::All,
        true if has_metacopy(&tested) && overlay_supports(&config::rest_of(&tested))? => OverlaySupport::AllButMetacopy,
        true => OverlaySupport::Unsupported,
    };
    Ok(Some(Storage { options, text, own, overlay }))
}

/// The storage.conf that containers-storage reads and the line that is not valid TOML, if there is one.
pub fn invalid_storage(host: &Host, config: &Current) -> Result<Option<(PathBuf, usize)>> {
    let Some((path, text)) = storage_conf(host, config)? else { return Ok(None) };
    Ok(config::invalid_line(&text).map(|line| (path, line)))
}

/// The storage.conf that containers-storage reads, and its text.
fn storage_conf(host: &Host, config: &Current) -> Result<Option<(PathBuf, String)>> {
    let places = match &config.options.storage_conf {
        Some(path) => vec![path.clone()],
        None => config::STORAGE.map(PathBuf::from).to_vec(),
    };
    for place in places {
        let Some(bytes) = host.root.read(&place)? else { continue };
        return Ok(Some((place, String::from_utf8_lossy(&bytes).into_owned())));
    }
    Ok(None)
}

/// The answer of CRI-O on its socket; none if it does not answer, or in an image.
pub fn answer(host: &Host, socket: &str) -> Result<Option<Answer>> {
    if !host.root.is_live() || !host.root.find_link(Path::new(socket_path(socket)))?.exists() {
        return Ok(None);
    }
    Ok(edge_cri::ask(Path::new(socket_path(socket)), ANSWER_WITHIN).ok())
}

/// The path of `unix:///run/x.sock`.
pub fn socket_path(socket: &str) -> &str {
    socket.strip_prefix("unix://").unwrap_or(socket)
}
