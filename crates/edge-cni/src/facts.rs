//! Reads the host: the CNI versions of the installed plugins and runtimes.

use std::path::Path;

use edge_conflist::catalog::Catalog;
use edge_host::{Error, Host, Result};

use crate::cli::BridgeArgs;
use crate::plan::PROGRAMS;
use crate::plugin::{self, DEBIAN_DIR, PluginFile};
use crate::record;
use crate::runtime::{Runtime, runtimes};
use crate::version::Cni;

/// A plugin's name, and the CNI versions that it supports.
pub(crate) type PluginVersions = (String, Vec<Cni>);

/// The versions of the plugins of a bridge network: as they report on a live host, in an image by the release that
/// was recorded when they were installed.
///
/// Plugins that are missing or unknown are left out where the user names the version for another machine.
pub(crate) fn plugin_versions(host: &Host, args: &BridgeArgs) -> Result<Vec<PluginVersions>> {
    let mut all = Vec::new();
    let record = record::read(host)?;
    let catalog = Catalog::read()?;
    for name in PROGRAMS {
        let path = args.bin_dir.join(name);
        if plugin::inspect(host, &args.bin_dir, name)? == PluginFile::Missing {
            if args.cni_version.is_some() && args.out.is_some() {
                continue;
            }
            return Err(missing(host, &args.bin_dir, name));
        }
        if host.root.is_live() {
            let answer = plugin::query(host, &path).map_err(|error| match error.hint_text() {
                Some(_) => error,
                None => error.hint("find the cause: edge-cni check"),
            })?;
            all.push((name.to_owned(), answer.supports));
            continue;
        }
        let release = record.plugins.get(&*path.to_string_lossy()).and_then(|plugin| plugin.version.as_ref());
        match release.and_then(|release| catalog.plugins(release)) {
            Some(newest) => all.push((name.to_owned(), Cni::with_lists_up_to(newest))),
            None if args.cni_version.is_some() => {}
            None => {
                return Err(Error::cannot("determine the CNI version of", &path, "edge-cni did not install it")
                    .hint("use --cni-version V, as programs of an image are not run"));
            }
        }
    }
    Ok(all)
}

/// The installed runtime that supports the fewest CNI versions.
pub(crate) fn oldest_runtime(host: &Host) -> Result<Option<Runtime>> {
    Ok(runtimes(host)?.into_iter().min_by_key(|runtime| runtime.newest))
}

fn missing(host: &Host, dir: &Path, name: &str) -> Error {
    let error =
        Error::failed(format!("cannot write a network: {name} is missing in {}", host.root.display(dir).display()));
    let is_in_debian_dir = host.root.find_link(&Path::new(DEBIAN_DIR).join(name)).is_ok_and(|found| found.exists());
    if is_in_debian_dir && dir != Path::new(DEBIAN_DIR) {
        return error.hint(format!(
            "install the plugins into {}: edge-cni install --archive FILE; runtimes do not search {DEBIAN_DIR}",
            dir.display()
        ));
    }
    error.hint("install the plugins: edge-cni install --archive FILE; for another machine, use --out and --cni-version")
}
