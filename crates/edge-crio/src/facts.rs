//! Everything that is read of the host before its configuration is planned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{FileSnapshot, Host, Result, overlay_supports};

use crate::config::{self, ConfFile, metacopy_of};
use crate::cri::{self, Answer};
use crate::unit::{DriverOption, UnitFacts, driver_option};

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

/// A storage.conf with metacopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The file that containers-storage reads.
    pub from: PathBuf,
    /// Its text.
    pub text: String,
    /// All of its mount options.
    pub options: String,
    /// The administrator's file, which edge-crio writes.
    pub own: FileSnapshot,
    /// Which of them this kernel supports.
    pub overlay: OverlaySupport,
}

/// Facts about the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The files that CRI-O loads, in its order.
    pub config: Vec<ConfFile>,
    /// The drop-in of edge-crio.
    pub own: FileSnapshot,
    /// The registry mirrors of edge-crio.
    pub registries: FileSnapshot,
    /// The text of the main file of registries.
    pub registries_main: String,
    /// The drop-in with the proxy.
    pub proxy: FileSnapshot,
    /// storage.conf, if it has metacopy.
    pub storage: Option<Storage>,
    /// The unit.
    pub unit: UnitFacts,
    /// The cgroup driver that the unit sets, which takes precedence over the files.
    pub unit_driver: Result<Option<DriverOption>>,
}

impl Facts {
    /// Reads them from the host.
    pub fn read(host: &Host) -> Result<Facts> {
        let main = host.root.read(Path::new(config::REGISTRIES_MAIN))?.unwrap_or_default();
        Ok(Facts {
            config: config::read(host)?,
            own: host.root.find(Path::new(config::OWN))?,
            registries: host.root.find(Path::new(config::REGISTRIES))?,
            registries_main: String::from_utf8_lossy(&main).into_owned(),
            proxy: host.root.find_link(Path::new(config::PROXY))?,
            storage: storage(host)?,
            unit: UnitFacts::read(&host.root)?,
            unit_driver: driver_option(&host.root),
        })
    }
}

/// The storage.conf that containers-storage reads, if it has metacopy.
pub fn storage(host: &Host) -> Result<Option<Storage>> {
    for place in config::STORAGE {
        let Some(bytes) = host.root.read(Path::new(place))? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(metacopy) = metacopy_of(&text) else { return Ok(None) };
        let own = host.root.find(Path::new(config::STORAGE[0]))?;
        // A mount needs root, and an image runs with another kernel.
        let can_test = host.root.is_live() && nix::unistd::geteuid().is_root();
        let overlay = match can_test {
            false => OverlaySupport::Unknown,
            true if overlay_supports(&metacopy.options)? => OverlaySupport::All,
            true if overlay_supports(&config::rest_of(&metacopy.options))? => OverlaySupport::AllButMetacopy,
            true => OverlaySupport::Unsupported,
        };
        return Ok(Some(Storage { from: PathBuf::from(place), text, options: metacopy.options, own, overlay }));
    }
    Ok(None)
}

/// The storage.conf that containers-storage reads and the line that is not valid TOML, if there is one.
pub fn invalid_storage(host: &Host) -> Result<Option<(&'static str, usize)>> {
    for place in config::STORAGE {
        let Some(bytes) = host.root.read(Path::new(place))? else { continue };
        return Ok(config::invalid_line(&String::from_utf8_lossy(&bytes)).map(|line| (place, line)));
    }
    Ok(None)
}

/// The answer of CRI-O on its socket; none if it does not answer, or in an image.
pub fn answer(host: &Host, socket: &str) -> Result<Option<Answer>> {
    if !host.root.is_live() || !host.root.find_link(Path::new(socket_path(socket)))?.exists() {
        return Ok(None);
    }
    Ok(cri::ask(Path::new(socket_path(socket)), ANSWER_WITHIN).ok())
}

/// The path of `unix:///run/x.sock`.
pub fn socket_path(socket: &str) -> &str {
    socket.strip_prefix("unix://").unwrap_or(socket)
}
