//! CRI-O's configuration: the files that it loads, and the drop-ins of edge-crio.

mod dropin;
mod effective;
mod keys;
mod load;
mod merged;
mod proxy;
#[cfg(test)]
mod random;
mod registries;
mod storage;

pub use dropin::{Driver, Keys, drop_in};
pub use edge_conflist::crio::{DIR, MAIN, Options, Setting};
pub use edge_cri::reference_problem;
pub use effective::{Effective, InvalidSetting, effective, is_stray};
pub use keys::{Key, Kind, Table};
pub use load::{Current, read, unloadable};
pub use merged::{Merged, RuntimeEntry};
pub use proxy::proxy_drop_in;
pub use registries::{Mirror, mirrors};
pub use storage::{
    Metacopy, has_metacopy, invalid_line, metacopy_of, mount_options, rest_of, unknown_option, without_flags,
    without_metacopy,
};

use std::path::PathBuf;

pub(crate) use edge_conflist::crio::line_at;
use edge_host::{Error, Exit};

/// The drop-in of edge-crio.
pub const OWN: &str = "/etc/crio/crio.conf.d/20-edgeutils.conf";
/// The registry mirrors of edge-crio.
pub const REGISTRIES: &str = "/etc/containers/registries.conf.d/20-edgeutils.conf";
/// The main file of registries, read by all tools of containers.
pub const REGISTRIES_MAIN: &str = "/etc/containers/registries.conf";
/// The drop-in with the proxy for the daemon.
pub const PROXY: &str = "/etc/systemd/system/crio.service.d/20-edgeutils.conf";
/// The configuration of containers-storage: only the first that exists is read.
pub const STORAGE: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];

/// A file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfFile {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What to do about a file that CRI-O cannot load either.
const REPAIR: &str = "CRI-O does not start with this file either: repair it, or move it out of the directory";

/// The line of a syntax error, from 1. The parser's own text is for programmers.
pub(crate) fn line_of(text: &str, error: &toml_edit::TomlError) -> usize {
    line_at(text, error.span().map_or(0, |span| span.start))
}

/// The error of a file that is not valid TOML.
pub(crate) fn not_toml(path: &str, text: &str, error: &toml_edit::TomlError) -> Error {
    Error::cannot("edit", path, format!("line {} is not valid TOML", line_of(text, error)))
        .with_exit(Exit::Refused)
        .hint(REPAIR)
}
