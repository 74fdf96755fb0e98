//! Reads the network configurations of a directory, as libcni does: lists of plugins, and single plugins.

mod network;
mod parse;

use std::io;
use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, State};

pub use network::{ConfigError, DEFAULT_BRIDGE, HOST_LOCAL, LEASES, Network, ipam_of, kind_of};
pub use parse::parse;
use parse::{extension, json, plugin};

/// Where runtimes look for network configurations.
pub const CONF_DIR: &str = "/etc/cni/net.d";
/// The extensions that libcni reads; it ignores other files.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];

/// A configuration file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path on the host.
    pub path: PathBuf,
    /// The network, or the reason why it cannot be used.
    pub content: std::result::Result<Network, ConfigError>,
}

/// The configurations of a directory, in the order in which a runtime tries them.
pub fn files(host: &Host, dir: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in host.root.list(dir)? {
        let path = dir.join(&name);
        let name = name.to_string_lossy();
        if !is_loaded(&name) {
            continue;
        }
        let content = match host.root.read(&path) {
            Ok(Some(bytes)) => {
                let network = parse(&String::from_utf8_lossy(&bytes), &name);
                match network {
                    Ok(network) => with_folder(host, dir, network)?,
                    error => error,
                }
            }
            // A runtime cannot open it either.
            Ok(None) => Err(ConfigError::of("the file is a dangling symbolic link").hint("repair or remove the link")),
            Err(error) if is_denied(&error) => Err(ConfigError {
                is_unknown: true,
                ..ConfigError::of("this user cannot read the file: it is unknown whether the network is usable")
                    .hint("run it as root (sudo)")
            }),
            Err(error) => Err(ConfigError::of(error.message()).hint("repair or remove the file")),
        };
        files.push(File { path, content });
    }
    Ok(files)
}

/// Whether this user may not read a file, which a runtime may.
fn is_denied(error: &Error) -> bool {
    error.source_as::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

/// Adds the plugins from the directory that has the network's name.
fn with_folder(host: &Host, dir: &Path, mut network: Network) -> Result<std::result::Result<Network, ConfigError>> {
    if network.has_folder {
        let own = dir.join(&network.name);
        let is_dir = matches!(host.root.find_link(&own)?.state, State::Directory { .. });
        let names = if is_dir { host.root.list(&own)? } else { Vec::new() };
        for name in names.into_iter().filter_map(|name| name.into_string().ok()) {
            if extension(&name) != "conf" {
                continue;
            }
            let text = match host.root.read(&own.join(&name)) {
                Ok(text) => String::from_utf8_lossy(&text.unwrap_or_default()).into_owned(),
                Err(error) => return Ok(Err(ConfigError::of(error.message()))),
            };
            let shown = format!("{}/{name}", network.name);
            let of = |error: ConfigError| ConfigError { line: None, text: format!("{shown}: {}", error.text), ..error };
            match json(&text).and_then(|value| plugin(&value, "the plugin").map(|()| value)) {
                Ok(value) => network.plugins.push(value),
                Err(error) => return Ok(Err(of(error))),
            }
        }
    }
    Ok(if network.plugins.is_empty() { Err(ConfigError::of("the network has no plugins")) } else { Ok(network) })
}

/// Files that look like configurations but that a runtime ignores, relative to the directory: because of their name
/// (`10-x.conflist.disabled`), or because they are in a subdirectory.
pub fn ignored(host: &Host, dir: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in host.root.list(dir)?.into_iter().filter_map(|name| name.into_string().ok()) {
        let path = dir.join(&name);
        let found = host.root.find_link(&path);
        if found.is_ok_and(|found| matches!(found.state, State::Directory { .. })) {
            let inner = host.root.list(&path)?.into_iter().filter_map(|name| name.into_string().ok());
            all.extend(inner.filter(|inner| is_loaded(inner)).map(|inner| format!("{name}/{inner}")));
        } else if name.to_lowercase().contains(".conf") && !is_loaded(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

/// Whether runtimes read a file of this name.
fn is_loaded(name: &str) -> bool {
    EXTENSIONS.contains(&extension(name))
}

#[cfg(test)]
mod tests;
