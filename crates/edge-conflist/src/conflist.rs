//! Network configurations as libcni reads them: lists of plugins, and single ones.

mod network;
mod parse;

use std::path::{Path, PathBuf};

use edge_host::{Host, Result};

pub use network::{Broken, LEASES, Network, ipam_of, kind_of};
pub use parse::parse;
use parse::{extension, json, plugin};

/// Where runtimes look for network configurations.
pub const CONF_DIR: &str = "/etc/cni/net.d";
/// What libcni reads; anything else in the directory is no configuration.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];

/// A file in the directory, read or not.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub content: std::result::Result<Network, Broken>,
}

/// The configurations of a directory in the order in which a runtime looks at them.
pub fn files(host: &Host, dir: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in host.root.list(dir)? {
        let path = dir.join(&name);
        let name = name.to_string_lossy();
        if !EXTENSIONS.contains(&extension(&name)) {
            continue;
        }
        let content = match host.root.read(&path) {
            Ok(Some(bytes)) => {
                let network = parse(&String::from_utf8_lossy(&bytes), &name);
                match network {
                    Ok(network) => with_folder(host, dir, network)?,
                    broken => broken,
                }
            }
            // A dangling link is what a runtime cannot open either.
            Ok(None) => Err(Broken::of("it is a link to nothing").hint("repair or remove it")),
            Err(error) => Err(Broken::of(error.message()).hint("repair or remove it")),
        };
        files.push(File { path, content });
    }
    Ok(files)
}

/// The network with the plugins of its own directory.
fn with_folder(host: &Host, dir: &Path, mut network: Network) -> Result<std::result::Result<Network, Broken>> {
    if network.has_folder {
        let own = dir.join(&network.name);
        let is_dir = matches!(host.root.find_link(&own)?.state, edge_host::State::Directory { .. });
        let names = if is_dir { host.root.list(&own)? } else { Vec::new() };
        for name in names.into_iter().filter_map(|name| name.into_string().ok()) {
            if extension(&name) != "conf" {
                continue;
            }
            let text = match host.root.read(&own.join(&name)) {
                Ok(text) => String::from_utf8_lossy(&text.unwrap_or_default()).into_owned(),
                Err(error) => return Ok(Err(Broken::of(error.message()))),
            };
            let of = |broken: Broken| Broken { line: None, text: format!("{name} of it: {}", broken.text), ..broken };
            match json(&text).and_then(|value| plugin(&value, "it").map(|()| value)) {
                Ok(value) => network.plugins.push(value),
                Err(broken) => return Ok(Err(of(broken))),
            }
        }
    }
    Ok(if network.plugins.is_empty() { Err(Broken::of("it has no plugins")) } else { Ok(network) })
}

/// Other names in the directory that look as if they were meant to be one: `10-x.conflist.disabled`.
pub fn left_aside(host: &Host, dir: &Path) -> Result<Vec<String>> {
    let names = host.root.list(dir)?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.contains(".conf") && !EXTENSIONS.contains(&extension(name))).collect())
}

#[cfg(test)]
mod tests;
