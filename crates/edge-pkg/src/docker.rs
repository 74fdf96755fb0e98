//! Docker on this host: its packages, unit, flags, daemon.json, and what dockerd reports.

pub mod api;
pub mod config;
pub mod edit;
pub mod flags;
pub mod packages;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_apt::{PackageName, Version};
use edge_host::{Error, Exit, FileSnapshot, Host, Process, Result, Root, State, processes};
use edge_systemd::{Scope, UnitFacts, Units, Word};

use api::Answer;
use config::{Config, Problem, driver_of};
use edit::Settings;
use flags::Flag;

/// Its unit.
pub const UNIT: &str = "docker.service";
/// The package of Docker.
pub const DOCKER_CE: &str = "docker-ce";
/// The package of the distributions.
pub const DOCKER_IO: &str = "docker.io";
/// Packages of dockerd, which exclude each other.
pub const PACKAGES: [&str; 2] = [DOCKER_IO, DOCKER_CE];
/// Those with Docker's version.
pub const PINNED: [&str; 2] = [DOCKER_CE, "docker-ce-cli"];
/// Packages of Docker's repository with versions of their own.
pub const TOOLS: [&str; 3] = ["containerd.io", "docker-buildx-plugin", "docker-compose-plugin"];
/// The name of its files in sources.list.d, keyrings and preferences.d, without extension.
pub const NAME: &str = "docker";
/// Its configuration, unless a flag names another file.
pub const CONFIG: &str = "/etc/docker/daemon.json";
/// What to do about running containers.
pub const STOP: &str = "stop them first: docker stop $(docker ps -q)";
const PROGRAMS: [&str; 3] = ["/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"];
const SOCKET: &str = "/run/docker.sock";
const SHIM: &str = "containerd-shim";
/// The namespace of Docker's containers in containerd.
const NAMESPACE: &str = "moby";
/// dockerd uses TLS for Docker Hub whatever is set.
const ALWAYS_SECURE: [&str; 2] = ["docker.io", "index.docker.io"];
/// dockerd answers slowly while it removes containers.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// The facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The installed package of dockerd and its version.
    pub package: Option<(&'static str, Version)>,
    /// Its unit or program is there, with or without a package.
    pub is_installed: bool,
    /// The architecture, by dpkg.
    pub architecture: Option<String>,
    /// Its unit.
    pub unit: UnitFacts,
    /// Its command line, by the unit.
    pub words: Vec<Word>,
    /// The flags in it.
    pub flags: Vec<Flag>,
    /// The path of daemon.json.
    pub path: PathBuf,
    /// The file, as it is.
    pub file: FileSnapshot,
    /// What it sets, or why it cannot be read.
    pub config: std::result::Result<Config, Problem>,
}

impl Facts {
    /// Reads them from the host.
    pub fn read(host: &Host) -> Result<Facts> {
        let root = &host.root;
        let status = edge_apt::status_if_any(host)?;
        let mut package = None;
        for name in PACKAGES {
            let version = status.as_ref().map(|status| Ok(status.version_of(&PackageName::parse(name)?).cloned()));
            package = package.or(version.transpose()?.flatten().map(|version| (name, version)));
        }
        let unit = UnitFacts::read(root, UNIT)?;
        let words = words(root)?;
        let flags = flags::parse(&words);
        let named = flags.iter().rev().find(|flag| flag.name == "config-file").and_then(|flag| flag.value.as_ref());
        let path = PathBuf::from(named.map_or(CONFIG, String::as_str));
        let file = root.find(&path)?;
        let config = match &file.state {
            State::Absent => Ok(Config::default()),
            State::File { .. } => Config::parse(&file.bytes).map(|(_, config)| config),
            other => Err(Problem { line: None, text: format!("it is {}", other.describe()) }),
        };
        let mut is_installed = package.is_some() || unit.file.is_some();
        for program in PROGRAMS {
            is_installed |= root.open(Path::new(program))?.is_some();
        }
        let architecture = status.map(|status| status.architecture().to_owned());
        Ok(Facts { package, is_installed, architecture, unit, words, flags, path, file, config })
    }

    /// The socket of dockerd.
    pub fn socket(&self) -> PathBuf {
        let hosts = self.config.as_ref().ok().and_then(|config| config.strings("hosts")).unwrap_or_default();
        let flags = self.flags.iter().filter(|flag| flag.name == "host").filter_map(|flag| flag.value.clone());
        let path = flags.chain(hosts).find_map(|host| host.strip_prefix("unix://").map(PathBuf::from));
        path.unwrap_or_else(|| PathBuf::from(SOCKET))
    }

    /// Its answer; none if it does not answer, or in an image.
    pub fn answer(&self, host: &Host) -> Result<Option<Answer>> {
        if !host.root.is_live() || !host.root.find_link(&self.socket())?.exists() {
            return Ok(None);
        }
        Ok(api::ask(&self.socket(), ASK_WITHIN).ok())
    }

    /// The flags whose keys are in this configuration too: dockerd does not start with both.
    pub fn conflicts<'f>(&'f self, config: &'f Config) -> impl Iterator<Item = &'f Flag> {
        self.flags.iter().filter(|flag| !flag.is_merged() && config.get(flag.key()).is_some())
    }

    /// The requested settings without those that flags set already. Refuses (exit 4) a key of which a flag exists.
    pub fn without_flags(&self, settings: &Settings) -> Result<Settings> {
        let mut left = settings.clone();
        for (key, requested) in settings.by_key() {
            let flags: Vec<&Flag> = self.flags.iter().filter(|flag| flag.key() == key).collect();
            let Some(first) = flags.first().filter(|_| !requested.is_empty()) else { continue };
            let mut values = flags.iter().filter_map(|flag| flag.value.as_deref());
            let is_set = match settings.driver.filter(|_| key == config::EXEC_OPTS) {
                Some(driver) => values.find_map(driver_of) == Some(driver),
                None => requested.iter().all(|item| flags.iter().any(|flag| flag.value.as_ref() == Some(item))),
            };
            if !is_set {
                return Err(Error::cannot(
                    "edit",
                    &self.path,
                    format!("{} passes --{} to dockerd, which does not start with both", first.place(), first.name),
                )
                .with_exit(Exit::Refused)
                .hint(format!(
                    "remove the flag there, add its value to {key} of {}, and run again",
                    self.path.display()
                )));
            }
            match key {
                config::EXEC_OPTS => left.driver = None,
                config::MIRRORS => left.mirrors.clear(),
                _ => left.insecure.clear(),
            }
        }
        Ok(left)
    }
}

/// The first of these mirrors with which a dockerd of this version does not start: before 24.0.8 none may have a path
/// (moby, `ValidateMirror` in registry/config.go of v24.0.7 and v24.0.8; 23.0 never accepted one).
pub fn refused_mirror<'m>(version: &str, mirrors: &'m [String]) -> Option<&'m String> {
    const FIRST: [u32; 3] = [24, 0, 8];
    let numbers = version.split(|char: char| !char.is_ascii_digit()).take(FIRST.len());
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).collect();
    let has_path = |mirror: &&String| {
        let (_, location) = mirror.split_once("://").unwrap_or(("", mirror));
        location.split_once('/').is_some_and(|(_, path)| !path.is_empty())
    };
    // Of 24.0 the last releases accept it, and a version without numbers is unknown.
    if FIRST.starts_with(&numbers) || numbers >= FIRST.to_vec() { None } else { mirrors.iter().find(has_path) }
}

/// The command line of the unit, with the variables of its environment.
fn words(root: &Root) -> Result<Vec<Word>> {
    let units = Units::read(root, Scope::Now)?;
    let unit = units.find(UNIT)?;
    if !unit.exists() || unit.is_masked() {
        return Ok(Vec::new());
    }
    let settings = units.settings(&unit)?;
    Ok(settings.exec_start_words(&settings.whole_environment(root)?))
}

/// Why a restart would harm running containers, for a message; none if it would not, or in an image. With live-restore
/// they outlast it, but those of one cgroup driver cannot be stopped under another.
pub fn running(host: &Host, facts: &Facts, changes_driver: bool) -> Result<Option<String>> {
    if !host.root.is_live() {
        return Ok(None);
    }
    let count = |number: usize| match number {
        1 => "1 container is running".to_owned(),
        number => format!("{number} containers are running"),
    };
    if let Some(answer) = facts.answer(host)? {
        let is_safe = answer.running.is_empty() || answer.has_live_restore && !changes_driver;
        return Ok((!is_safe).then(|| format!("{}: {}", count(answer.running.len()), answer.running.join(", "))));
    }
    let is_shim = |process: &Process<'_>| {
        let path = process.executable();
        let name = path.as_ref().and_then(|path| path.file_name()?.to_str());
        name.is_some_and(|name| name.starts_with(SHIM)) && process.arguments().iter().any(|word| word == NAMESPACE)
    };
    let number = processes(&host.root)?.iter().filter(|process| is_shim(process)).count();
    Ok((number > 0).then(|| format!("{}, and dockerd does not answer", count(number))))
}

/// What a running dockerd has not loaded of its configuration, for a message.
pub fn not_loaded(facts: &Facts, answer: &Answer) -> Option<String> {
    let config = facts.config.as_ref().ok()?;
    let of = |key: &str| {
        let flags = facts.flags.iter().filter(move |flag| flag.key() == key).filter_map(|flag| flag.value.clone());
        config.strings(key).unwrap_or_default().into_iter().chain(flags).collect::<Vec<_>>()
    };
    let lacks = |reported: &[String], item: &String| {
        !reported.iter().any(|one| one.trim_end_matches('/') == item.trim_end_matches('/'))
    };
    let driver = of(config::EXEC_OPTS).iter().find_map(|item| driver_of(item).map(str::to_owned));
    if let Some(driver) = driver.filter(|driver| *driver != answer.driver) {
        return Some(format!("the cgroup driver {driver}, as it uses {}", answer.driver));
    }
    if let Some(mirror) = of(config::MIRRORS).iter().find(|item| lacks(&answer.mirrors, item)) {
        return Some(format!("the mirror {mirror}"));
    }
    let reported: Vec<String> = answer.insecure.iter().map(|item| registry(item)).collect();
    of(config::INSECURE)
        .iter()
        .find(|item| !ALWAYS_SECURE.contains(&item.as_str()) && !reported.contains(&registry(item)))
        .map(|item| format!("the insecure registry {item}"))
}

/// An insecure registry as dockerd reports it: without a scheme, and of a CIDR the network.
fn registry(item: &str) -> String {
    let item = ["http://", "https://"].iter().find_map(|scheme| item.strip_prefix(scheme)).unwrap_or(item);
    let network = || {
        let (address, bits) = item.split_once('/')?;
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        Some(match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
                format!("{}/{bits}", Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
                format!("{}/{bits}", Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        })
    };
    network().unwrap_or_else(|| item.to_owned())
}

#[cfg(test)]
mod tests;
