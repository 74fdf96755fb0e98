//! containerd on this host: its package, unit, configuration, and the files of its registries.

pub mod config;
pub mod edit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_apt::PackageName;
use edge_cri::Answer;
use edge_fetch::RegistryMirror;
use edge_host::{Error, FileSnapshot, Host, Process, Result, Root, processes};
use edge_kubeedge::unit::config_option;
use edge_systemd::{Scope, UnitFacts, Units};

use config::Config;

/// Its unit.
pub const UNIT: &str = "containerd.service";
/// The packages of the distributions and of Docker. They exclude each other.
pub const PACKAGES: [&str; 2] = ["containerd", "containerd.io"];
/// What to do about running containers.
pub const DRAIN: &str = "drain the node first (kubectl drain NODE), or stop the pods: crictl pods, crictl stopp ID";
/// Its configuration, unless the unit names another file.
pub const CONFIG: &str = "/etc/containerd/config.toml";
const PROGRAMS: [&str; 2] = ["/usr/bin/containerd", "/usr/local/bin/containerd"];
/// Each container has one, which outlasts containerd.
const SHIM: &str = "containerd-shim";
const HOSTS: &str = "hosts.toml";
/// containerd answers at once, or a little later while it is starting.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// hosts.toml of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsFile {
    /// The registry: `docker.io`.
    pub registry: String,
    /// Its path.
    pub path: PathBuf,
    /// What it is now.
    pub was: FileSnapshot,
}

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The installed package and its version.
    pub package: Option<(&'static str, String)>,
    /// Its unit or program is there, with or without a package.
    pub is_installed: bool,
    /// Its major version, if it is known.
    pub major: Option<u32>,
    /// Its unit.
    pub unit: UnitFacts,
    /// The path of its configuration.
    pub path: PathBuf,
    /// The file, as it is.
    pub file: FileSnapshot,
    /// What the file sets, or the line that is not valid TOML.
    pub config: std::result::Result<Config, usize>,
    /// Imported files with tables of the CRI, which take precedence.
    pub imports: Vec<PathBuf>,
    /// The files of registries for which mirrors are requested.
    pub hosts: Vec<HostsFile>,
}

impl Facts {
    /// Reads them from the host.
    pub fn read(host: &Host, mirrors: &[RegistryMirror]) -> Result<Facts> {
        let root = &host.root;
        let package = package(host)?;
        let unit = UnitFacts::read(root, UNIT)?;
        let path = config_path(root)?;
        let file = root.find(&path)?;
        let known = package.as_ref().and_then(|(_, version)| major_of(version));
        let socket = |major| parse(&file.bytes, major).unwrap_or_default().socket().to_owned();
        let major = match known {
            Some(major) => Some(major),
            None => answer(host, Path::new(&socket(2)))?.and_then(|answer| major_of(&answer.version)),
        };
        let config = parse(&file.bytes, major.unwrap_or(2));
        let imports = match &config {
            Ok(config) => imports(root, &path, config)?,
            Err(_) => Vec::new(),
        };
        let mut is_installed = package.is_some() || unit.file.is_some();
        for program in PROGRAMS {
            is_installed |= root.open(Path::new(program))?.is_some();
        }
        let dir = config.as_ref().map_or_else(|_| PathBuf::from(config::CERTS_D), Config::hosts_dir);
        let mut hosts: Vec<HostsFile> = Vec::new();
        for mirror in mirrors {
            if !hosts.iter().any(|file| file.registry == mirror.host) {
                let path = dir.join(&mirror.host).join(HOSTS);
                hosts.push(HostsFile { registry: mirror.host.clone(), was: root.find(&path)?, path });
            }
        }
        Ok(Facts { package, is_installed, major, unit, path, file, config, imports, hosts })
    }

    /// The configuration. Fails if it is not valid TOML.
    pub fn config(&self) -> Result<&Config> {
        self.config.as_ref().map_err(|line| {
            let path = self.path.display();
            Error::cannot("read", &self.path, format!("line {line} is not valid TOML"))
                .hint(format!("containerd does not start with it either: repair it, or mv {path} {path}.old"))
        })
    }

    /// The path of the socket.
    pub fn socket(&self) -> PathBuf {
        self.config.as_ref().map_or_else(|_| Config::default().socket().into(), |config| config.socket().into())
    }
}

/// Parses the configuration; errors: the line that is not valid UTF-8 or TOML.
fn parse(bytes: &[u8], major: u32) -> std::result::Result<Config, usize> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Config::parse(text, major),
        Err(error) => Err(bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1),
    }
}

fn package(host: &Host) -> Result<Option<(&'static str, String)>> {
    let Some(status) = edge_apt::status_if_any(host)? else { return Ok(None) };
    for name in PACKAGES {
        if let Some(version) = status.version_of(&PackageName::parse(name)?) {
            return Ok(Some((name, version.to_string())));
        }
    }
    Ok(None)
}

/// 1 of `1.6.20~ds1-1+b1`, `5:1.7.27-1` and `v1.7.27`.
pub fn major_of(version: &str) -> Option<u32> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    upstream.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// The configuration that the unit names.
fn config_path(root: &Root) -> Result<PathBuf> {
    let units = Units::read(root, Scope::Now)?;
    let unit = units.find(UNIT)?;
    let commands = if unit.exists() && !unit.is_masked() { units.settings(&unit)?.exec_start() } else { Vec::new() };
    let named = commands.first().and_then(|command| {
        let argv: Vec<String> =
            command.argv.iter().map(|word| if word == "-c" { "--config".to_owned() } else { word.clone() }).collect();
        config_option(&argv)
    });
    Ok(named.unwrap_or_else(|| PathBuf::from(CONFIG)))
}

/// The imported files with tables of the CRI. A pattern has its wildcards in its last part.
fn imports(root: &Root, path: &Path, config: &Config) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for import in &config.imports {
        let import = path.parent().unwrap_or(Path::new("/")).join(import);
        let (Some(dir), Some(name)) = (import.parent(), import.file_name().and_then(|name| name.to_str())) else {
            continue;
        };
        let (front, back) = name.split_once('*').unwrap_or((name, ""));
        let is_pattern = name.contains('*');
        for found in root.list(dir)? {
            let found = dir.join(&found);
            let matches = found.file_name().and_then(|name| name.to_str()).is_some_and(|found| {
                if is_pattern { found.starts_with(front) && found.ends_with(back) } else { found == name }
            });
            if !matches || found == path {
                continue;
            }
            let bytes = root.read(&found)?.unwrap_or_default();
            if parse(&bytes, 2).is_ok_and(|config| config.has_cri || config.disabled.is_some()) {
                all.push(found);
            }
        }
    }
    Ok(all)
}

/// The answer of the CRI; none if it does not answer, or in an image.
pub fn answer(host: &Host, socket: &Path) -> Result<Option<Answer>> {
    if !host.root.is_live() || !host.root.find_link(socket)?.exists() {
        return Ok(None);
    }
    Ok(edge_cri::ask(socket, ASK_WITHIN).ok())
}

/// Refuses (exit 4) an action that would harm running containers of pods.
pub fn refuse_running(host: &Host, socket: &Path, action: &str, hint: &str) -> Result<()> {
    match running(host, socket)? {
        Some(found) => Err(Error::refused(format!("cannot {action}: {found}")).hint(hint)),
        None => Ok(()),
    }
}

/// The running containers of pods, for a message; none in an image.
pub fn running(host: &Host, socket: &Path) -> Result<Option<String>> {
    if !host.root.is_live() {
        return Ok(None);
    }
    let count = |number: usize| match number {
        1 => "1 container is running".to_owned(),
        number => format!("{number} containers are running"),
    };
    if let Ok(names) = edge_cri::running(socket, ASK_WITHIN) {
        return Ok((!names.is_empty()).then(|| format!("{}: {}", count(names.len()), names.join(", "))));
    }
    // With its CRI disabled, containerd still has those of an earlier time; they keep running while it is down.
    let number = match edge_cri::containers_without_cri(socket, ASK_WITHIN) {
        Ok(Some(number)) => number,
        Ok(None) | Err(_) => {
            let is_shim = |process: &Process| {
                let path = process.executable();
                let name = path.as_ref().and_then(|path| path.file_name()?.to_str());
                name.is_some_and(|name| name.starts_with(SHIM)) && process.user() == Some(0)
            };
            processes(&host.root)?.iter().filter(|process| is_shim(process)).count()
        }
    };
    Ok((number > 0).then(|| format!("{}, and the CRI of containerd does not answer", count(number))))
}

#[cfg(test)]
mod tests;
