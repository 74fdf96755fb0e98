//! CRI-O's configuration: what it loads, and our own part of it.

mod dropin;
mod effective;
mod image;
mod load;
mod proxy;
#[cfg(test)]
mod random;
mod registries;
mod storage;

pub use dropin::{Driver, Keys, drop_in};
pub use effective::{Effective, Setting, effective, is_stray};
pub use image::no_reference;
pub use load::{read, unloadable};
pub use proxy::proxy_drop_in;
pub use registries::{Mirror, mirrors};
pub use storage::{Metacopy, metacopy_of, rest_of, unreadable, without_metacopy};

use std::path::PathBuf;

use edge_host::Error;

/// CRI-O's main file, which packages no longer ship.
pub const MAIN: &str = "/etc/crio/crio.conf";
/// Every file in it is loaded, and in directories in it, in the order of the names.
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

/// The error of a file that is no TOML.
pub(crate) fn not_toml(path: &str, error: &toml_edit::TomlError) -> Error {
    let text = error.message().replace('\n', ", ");
    Error::refused(format!("cannot edit {path}: it is no TOML: {text}"))
        .hint("CRI-O does not start with such a file either: mend it, or move it out of the directory")
}
