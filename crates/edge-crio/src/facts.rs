//! What is read of the host before its configuration is planned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{FileSnapshot, Host, Result, overlay_supports};

use crate::config::{self, ConfFile, metacopy_of};
use crate::cri::{self, Answer};
use crate::unit::UnitFacts;

/// An answer comes at once or, from a daemon that is busy starting, a little later.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What this kernel takes of an overlay's mount options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlaySupport {
    /// It was not tried: that needs root, on the machine itself.
    Unknown,
    /// All of them.
    All,
    /// All but metacopy.
    AllButMetacopy,
    /// Others neither.
    Unsupported,
}

/// A storage.conf that asks for metacopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The file that counts.
    pub from: PathBuf,
    /// Its text.
    pub text: String,
    /// All of its mount options.
    pub options: String,
    /// What stands at the administrator's place for it.
    pub own: FileSnapshot,
    /// What this kernel takes of them.
    pub overlay: OverlaySupport,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What CRI-O loads, in its order.
    pub config: Vec<ConfFile>,
    /// Our drop-in.
    pub own: FileSnapshot,
    /// Our mirrors.
    pub registries: FileSnapshot,
    /// The registries' main file.
    pub registries_main: String,
    /// Our proxy.
    pub proxy: FileSnapshot,
    /// Only where it asks for metacopy.
    pub storage: Option<Storage>,
    /// The unit.
    pub unit: UnitFacts,
}

impl Facts {
    /// Reads them.
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
        })
    }
}

/// The storage.conf that counts, if it asks for metacopy.
pub fn storage(host: &Host) -> Result<Option<Storage>> {
    for place in config::STORAGE {
        let Some(bytes) = host.root.read(Path::new(place))? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(metacopy) = metacopy_of(&text) else { return Ok(None) };
        let own = host.root.find(Path::new(config::STORAGE[0]))?;
        // A mount needs root, and an image has another kernel.
        let can_try = host.root.is_live() && nix::unistd::geteuid().is_root();
        let overlay = match can_try {
            false => OverlaySupport::Unknown,
            true if overlay_supports(&metacopy.options)? => OverlaySupport::All,
            true if overlay_supports(&config::rest_of(&metacopy.options))? => OverlaySupport::AllButMetacopy,
            true => OverlaySupport::Unsupported,
        };
        return Ok(Some(Storage { from: PathBuf::from(place), text, options: metacopy.options, own, overlay }));
    }
    Ok(None)
}

/// The storage.conf that counts and why it cannot be read, if it cannot.
pub fn storage_unreadable(host: &Host) -> Result<Option<(&'static str, String)>> {
    for place in config::STORAGE {
        let Some(bytes) = host.root.read(Path::new(place))? else { continue };
        return Ok(config::unreadable(&String::from_utf8_lossy(&bytes)).map(|why| (place, why)));
    }
    Ok(None)
}

/// What CRI-O answers on its socket; none where nothing listens.
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
