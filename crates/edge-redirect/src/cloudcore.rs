//! The cloudcore of this host, and whether it manages its own chain: by its configuration and by where it runs.

use std::path::{Path, PathBuf};

use edge_host::{Host, Process, Result, Root, processes};
use edge_kubeedge::paths::CLOUDCORE_YAML;
use edge_kubeedge::stream::{ChainManager, KEPT_CHAIN, manages_chain};
use edge_kubeedge::unit::{config_of_unit, config_option};
use edge_kubeedge::{Kind, Minor, VersionSource, version};
use edge_systemd::Scope;

/// Words in the control groups of containers.
const CONTAINERS: [&str; 5] = ["kubepods", "crio", "containerd", "docker", "libpod"];

/// Who manages TUNNEL-PORT on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manager {
    /// cloudcore, by this configuration.
    Cloudcore(PathBuf),
    /// Something else than cloudcore on this host, or unknown: only the live chain tells; with what is known.
    Elsewhere(String),
    /// cloudcore, if it is 1.8; its version is unknown, and this configuration does not tell.
    Unknown(PathBuf),
    /// Unknown, as this configuration cannot be read; with the reason, which names it.
    Unreadable(PathBuf, String),
    /// Nobody: a live chain is a leftover; with the reason.
    Nobody(String),
}

impl Manager {
    /// Who manages the chain, in status.
    pub(crate) fn shown(&self) -> String {
        match self {
            Manager::Cloudcore(_) | Manager::Unknown(_) => "managed by cloudcore".to_owned(),
            Manager::Elsewhere(why) if why.is_empty() => "managed by cloudcore".to_owned(),
            Manager::Elsewhere(why) => format!("not managed by cloudcore on this host ({why})"),
            Manager::Unreadable(_, why) => format!("it is unknown whether cloudcore manages it ({why})"),
            Manager::Nobody(why) => format!("left by cloudcore, which does not manage it now ({why})"),
        }
    }
}

/// Reads who manages the chain; `version` is the one that the user gave.
///
/// Errors: exit 1 if the units or processes cannot be read.
pub(crate) fn manager(host: &Host, given: Option<Minor>) -> Result<Manager> {
    let root = &host.root;
    let by_unit = config_of_unit(root, Kind::CloudCore, Scope::NextBoot)?.map(|file| file.path);
    let has_default = root.find(Path::new(CLOUDCORE_YAML))?.exists();
    let none = || Ok(Manager::Elsewhere(String::new()));
    if by_unit.is_none() && !has_default {
        return none();
    }
    let running = if root.is_live() { Running::find(root)? } else { Running::default() };
    if running.on_host.is_none() && running.in_container {
        return Ok(Manager::Elsewhere("cloudcore runs in a container".to_owned()));
    }
    let path = running.on_host.or(by_unit).unwrap_or_else(|| PathBuf::from(CLOUDCORE_YAML));
    let shown = path.display();
    let bytes = match root.read(&path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return none(),
        Err(error) => return Ok(Manager::Unreadable(path, error.message().to_owned())),
    };
    let read = String::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned());
    let document = match read.and_then(|text| edge_yaml::read(&text).map_err(|error| error.to_string())) {
        Ok(document) => document,
        Err(error) => return Ok(Manager::Unreadable(path.clone(), format!("{shown}: {error}"))),
    };
    let mut known = manages_chain(given, &document);
    if known.is_none() {
        // The programs that are installed read the default path.
        let found = version(root, None, Kind::CloudCore, &document, Some(Path::new(CLOUDCORE_YAML)));
        known = found.ok().and_then(VersionSource::version).and_then(|version| manages_chain(Some(version), &document));
    }
    Ok(match known {
        Some(ChainManager::Cloudcore) => Manager::Cloudcore(path),
        Some(ChainManager::External(why)) => Manager::Elsewhere(format!("{shown}: {why}")),
        Some(ChainManager::Nobody(why)) => Manager::Nobody(format!("{shown}: {why}")),
        None => Manager::Unknown(path),
    })
}

/// The processes of cloudcore.
#[derive(Debug, Default)]
struct Running {
    /// The configuration of one that runs on this host.
    on_host: Option<PathBuf>,
    in_container: bool,
}

impl Running {
    fn find(root: &Root) -> Result<Running> {
        let mut running = Running::default();
        for process in processes(root)?.iter().filter(|process| is_cloudcore(process)) {
            let groups = process.cgroups();
            if groups.iter().any(|group| CONTAINERS.iter().any(|word| group.contains(word))) {
                running.in_container = true;
            } else {
                let path = config_option(&process.arguments()).unwrap_or_else(|| PathBuf::from(CLOUDCORE_YAML));
                running.on_host = Some(path);
            }
        }
        Ok(running)
    }
}

fn is_cloudcore(process: &Process<'_>) -> bool {
    process.executable().is_some_and(|path| Kind::CloudCore.is_program(&path))
}

/// What to do if cloudcore should manage the chain and the redirect is not in effect.
pub(crate) fn restart_hint() -> String {
    "restart cloudcore, which adds it within 20 seconds, and run again: systemctl restart cloudcore; \
     or add it now with --force"
        .to_owned()
}

/// What to do if a configuration cannot be read.
pub(crate) const CORRECT_HINT: &str = "correct that file and run again, or add the redirect now with --force";

/// Why nothing is added in an image.
pub(crate) fn at_start(file: &Path) -> String {
    format!(
        "cloudcore manages {KEPT_CHAIN} itself once it runs on this host ({}); nothing is added without --force",
        file.display()
    )
}
