//! CRI-O's configuration: what it loads, and our own part of it.

mod dropin;
mod effective;
mod proxy;
mod registries;
mod storage;

pub use dropin::{Driver, Keys, drop_in};
pub use effective::{Effective, Setting, effective, is_stray};
pub use proxy::{Proxy, proxy_drop_in, without_credentials};
pub use registries::{Mirror, mirrors};
pub use storage::{Metacopy, metacopy_of, without_metacopy};

use std::path::{Path, PathBuf};

use edge_host::{Error, Found, Host, Result, State};

/// CRI-O's main file, which packages no longer ship.
pub const MAIN: &str = "/etc/crio/crio.conf";
/// Every regular file in it is loaded, in the order of the names.
pub const DIR: &str = "/etc/crio/crio.conf.d";
/// The one that is ours.
pub const OWN: &str = "/etc/crio/crio.conf.d/20-edgeutils.conf";
/// Our mirrors of registries.
pub const REGISTRIES: &str = "/etc/containers/registries.conf.d/20-edgeutils.conf";
/// The registries of all of containers' tools.
pub const REGISTRIES_MAIN: &str = "/etc/containers/registries.conf";
/// Our proxy for the daemon.
pub const PROXY: &str = "/etc/systemd/system/crio.service.d/20-edgeutils.conf";
/// containers-storage's configuration: the first that is there counts, alone.
pub const STORAGE: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];

/// A file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfFile {
    /// Where.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads what CRI-O loads, in its order.
pub fn read(host: &Host) -> Result<Vec<ConfFile>> {
    let mut files = Vec::new();
    let mut paths = vec![PathBuf::from(MAIN)];
    paths.extend(host.root.list(Path::new(DIR))?.into_iter().map(|name| Path::new(DIR).join(name)));
    for path in paths {
        let found = host.root.find(&path)?;
        if matches!(found.state, State::File { .. }) {
            files.push(ConfFile { text: text_of(host, &path, &found)?, path });
        }
    }
    Ok(files)
}

/// The text of a file that is edited; anything but UTF-8 is refused.
pub fn text_of(host: &Host, path: &Path, found: &Found) -> Result<String> {
    String::from_utf8(found.bytes.clone())
        .map_err(|_| Error::refused(format!("cannot use {}: it is not UTF-8 text", host.root.display(path).display())))
}

/// The error of a file that is no TOML.
pub(crate) fn not_toml(path: &str, error: &toml_edit::TomlError) -> Error {
    let text = error.message().replace('\n', ", ");
    Error::refused(format!("cannot edit {path}: it is no TOML: {text}"))
        .hint("CRI-O does not start with such a file either: mend it, or move it out of the directory")
}
