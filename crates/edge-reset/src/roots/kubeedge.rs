//! What the configurations of edgecore and cloudcore name: the root, static pods, and files that are not at their default
//! places.

use std::path::PathBuf;

use edge_host::{Host, Result};
use edge_kubeedge::settings::Settings;
use edge_kubeedge::unit::{ConfigFile, config_in_use, config_option};
use edge_kubeedge::{Kind, version};
use edge_systemd::Units;

use super::{DEFAULT, FileKind, RootFile, Roots, absolute, add, words};
use crate::configuration::Configuration;
use crate::creator::Creator;
use crate::phases::Renamed;

/// Where edgecore reads them; 1.4 to 1.11 had only the second, and the directory itself was fixed.
const EDGE_ROOT: &str = "modules.edged.rootDirectory";
const EDGE_STATIC_PODS: &str = "modules.edged.tailoredKubeletConfig.staticPodPath";
const DATABASE: &str = "database.dataSource";
const KEYS: [&str; 6] = [
    "modules.edgeHub.tlsPrivateKeyFile",
    "modules.edgeStream.tlsTunnelPrivateKeyFile",
    "modules.cloudHub.tlsCAKeyFile",
    "modules.cloudHub.tlsPrivateKeyFile",
    "modules.cloudStream.tlsStreamPrivateKeyFile",
    "modules.cloudStream.tlsTunnelPrivateKeyFile",
];
const AS_CONFIG: &str = "--config";

/// Reads all of them.
pub(super) fn read(host: &Host, units: &Units<'_>, renamed: &[Renamed], roots: &mut Roots) {
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        let files = configs(host, units, renamed, kind);
        for file in roots.found(files).unwrap_or_default() {
            let read = one(host, kind, &file, roots);
            roots.found(read);
        }
    }
}

/// The configurations of the units of a component, whatever these are called.
pub(crate) fn configs(host: &Host, units: &Units<'_>, renamed: &[Renamed], kind: Kind) -> Result<Vec<ConfigFile>> {
    let mut all = vec![config_in_use(&host.root, kind)?];
    for unit in renamed.iter().filter(|unit| unit.creators.contains(&Creator::from(kind.program()))) {
        let words = words(host, units, &unit.name)?;
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        if let Some(path) = config_option(&texts).filter(|path| all.iter().all(|other| other.path != *path)) {
            let named_in = words.first().map(|word| (word.file.clone(), word.line));
            all.push(ConfigFile { path, named_in });
        }
    }
    Ok(all)
}

fn one(host: &Host, kind: Kind, file: &ConfigFile, roots: &mut Roots) -> Result<()> {
    let Some(found) = Configuration::read(host, &file.path)? else { return Ok(()) };
    let creator = Creator::from(kind.program());
    let at = |setting: &str| format!("{} ({setting})", found.shown().display());
    let mut files: Vec<(PathBuf, String, FileKind)> = Vec::new();
    for setting in KEYS {
        files.extend(found.path_at(setting)?.map(|path| (absolute(path), at(setting), FileKind::PrivateKey)));
    }
    if kind == Kind::EdgeCore {
        let version = version(&host.root, None, kind, found.value(), Some(&file.path))?.version();
        // A version without the setting ignores it; of an unknown one, what the file has is taken for read.
        let settings = Settings::new(kind, version, found.value());
        for (setting, all) in [(EDGE_ROOT, &mut roots.kubelet), (EDGE_STATIC_PODS, &mut roots.static_pods)] {
            let written = found.path_at(setting)?;
            let source = if written.is_some() { at(setting) } else { DEFAULT.to_owned() };
            if let Some(path) = written.or_else(|| settings.default(setting)).filter(|path| !path.is_empty())
                && settings.has(setting)
            {
                add(all, path, source, &[kind.program()]);
            }
        }
        let written = found.path_at(DATABASE)?;
        let source = if written.is_some() { at(DATABASE) } else { DEFAULT.to_owned() };
        if let Some(path) = written.or_else(|| settings.default(DATABASE)) {
            files.push((absolute(path), source, FileKind::Database));
        }
    }
    let source = match &file.named_in {
        Some((named_in, line)) => format!("{}:{line} ({AS_CONFIG})", host.root.display(named_in).display()),
        None => DEFAULT.to_owned(),
    };
    files.push((file.path.clone(), source, FileKind::Configuration));
    roots.files.extend(files.into_iter().map(|(path, source, kind)| RootFile {
        path,
        source,
        creator: creator.clone(),
        kind,
    }));
    Ok(())
}
