//! Which packages of Docker are installed, from where, and what is refused before; pure but for os-release.

use std::path::Path;

use edge_apt::{
    Fingerprint, KeyFrom, Layout, Offline, PackageName, PackageRequest, Pin, Source, Stream, VersionRequest,
};
use edge_host::{Error, Result, Root};

use super::{DOCKER_CE, DOCKER_IO, Facts, NAME, PINNED, TOOLS};
use crate::catalog::Docker;
use crate::request::{DockerRequest, Origin};

/// Takes precedence over other repositories, but never downgrades.
const PRIORITY: i32 = 990;
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// ID and VERSION_CODENAME of os-release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// `debian`.
    pub id: String,
    /// `bookworm`.
    pub codename: String,
}

impl System {
    /// Reads them.
    pub fn read(root: &Root) -> Result<System> {
        let mut system = System::default();
        for file in OS_RELEASE {
            let Some(bytes) = root.read(Path::new(file))? else { continue };
            for line in String::from_utf8_lossy(&bytes).lines() {
                let Some((key, value)) = line.split_once('=') else { continue };
                let value = value.trim().trim_matches(['"', '\'']).to_owned();
                match key.trim() {
                    "ID" => system.id = value,
                    "VERSION_CODENAME" => system.codename = value,
                    _ => {}
                }
            }
            break;
        }
        Ok(system)
    }
}

/// The request to apt. Refuses (exit 4) downgrades and a change between the packages of Docker and the distribution;
/// fails where no repository has the version for this system.
pub fn to_apt(facts: &Facts, request: &DockerRequest, catalog: &Docker, system: &System) -> Result<edge_apt::Request> {
    let package = |name: &str, version: VersionRequest| -> Result<PackageRequest> {
        Ok(PackageRequest { name: PackageName::parse(name)?, version })
    };
    let mut source = None;
    let packages = match &request.version {
        Some(version) => {
            refuse_change(facts, version)?;
            source = repository(facts, request, version, catalog, system)?;
            let pinned = PINNED.map(|name| package(name, VersionRequest::Stream(version.clone())));
            let tools = TOOLS.map(|name| package(name, VersionRequest::Newest));
            pinned.into_iter().chain(tools).collect::<Result<_>>()?
        }
        None => {
            let name = facts.package.as_ref().map_or(DOCKER_IO, |(name, _)| name);
            vec![package(name, VersionRequest::Any)?]
        }
    };
    let pin = request.version.as_ref().filter(|_| source.is_some()).map(|version| Pin {
        name: NAME.to_owned(),
        package: PINNED.join(" "),
        pin: pin(version),
        priority: PRIORITY,
    });
    Ok(edge_apt::Request {
        pin,
        obsolete: if request.version.is_some() { catalog.obsolete(source.is_some()) } else { Vec::new() },
        source,
        packages,
        hold: request.hold,
        downgrade: false,
        offline: match &request.from {
            Origin::Directory(dir) => Some(Offline::open(dir)?),
            _ => None,
        },
        wait: request.wait,
    })
}

/// The versions of Docker's packages have an epoch, and before 23.0 a tilde after their three numbers:
/// `5:28.3.2-1~debian.12~bookworm`, `5:20.10.24~3-0~debian-bullseye`. An exact one needs apt's regular expressions, as
/// apt takes a pattern that ends with `*` for a plain prefix.
fn pin(version: &Stream) -> String {
    let version = version.to_string();
    match version.split('.').count() {
        3 => format!("version /^5:{}[-~]/", version.replace('.', "\\.")),
        _ => format!("version 5:{version}.*"),
    }
}

fn refuse_change(facts: &Facts, version: &Stream) -> Result<()> {
    let Some((name, installed)) = &facts.package else { return Ok(()) };
    let keeps = "images and containers in /var/lib/docker are kept";
    if *name != DOCKER_CE {
        return Err(Error::refused(format!(
            "cannot install Docker {version}: {name} {installed} is installed, and cannot be installed beside {DOCKER_CE}"
        ))
        .hint(format!("omit --version to keep it; to replace it, remove it first ({keeps}): edge-pkg remove docker")));
    }
    let numbers =
        |text: &str| -> Vec<u32> { text.split(['.', '~', '+']).map_while(|part| part.parse().ok()).collect() };
    let (requested, now) = (numbers(&version.to_string()), numbers(installed.upstream()));
    if now.iter().take(requested.len()).gt(requested.iter()) {
        return Err(Error::refused(format!(
            "cannot install Docker {version}: {name} {installed} is installed, and Docker does not support downgrades"
        ))
        .hint(format!("to downgrade anyway, remove it first ({keeps}): edge-pkg remove docker")));
    }
    Ok(())
}

fn repository(
    facts: &Facts,
    request: &DockerRequest,
    version: &Stream,
    catalog: &Docker,
    system: &System,
) -> Result<Option<Source>> {
    let repository = &catalog.repository;
    let of = |text: &str| text.replace("{distribution}", &system.id);
    let fingerprint = || Fingerprint::parse(&repository.fingerprint);
    let (uri, key, fingerprint) = match &request.from {
        Origin::Directory(_) => return Ok(None),
        Origin::Upstream => {
            refuse_unknown(facts, version, catalog, system)?;
            (of(&repository.url), KeyFrom::Url(of(&repository.key)), fingerprint()?)
        }
        Origin::Mirror { url, key: Some((key, fingerprint)) } => (url.clone(), key.clone(), fingerprint.clone()),
        Origin::Mirror { url, key: None } => {
            (url.clone(), KeyFrom::Url(format!("{}/gpg", url.trim_end_matches('/'))), fingerprint()?)
        }
    };
    if system.codename.is_empty() {
        return Err(Error::failed("cannot choose the repository of Docker: os-release has no VERSION_CODENAME")
            .hint("install the packages from a directory: --offline DIR"));
    }
    let layout = Layout::Dist { suites: vec![system.codename.clone()], components: vec![repository.component.clone()] };
    let source = Source { name: NAME.to_owned(), uri, layout, key, fingerprints: vec![fingerprint] };
    source.check().map(|()| Some(source))
}

fn refuse_unknown(facts: &Facts, version: &Stream, catalog: &Docker, system: &System) -> Result<()> {
    let first = catalog.repository.first;
    let cannot = |cause: String| Error::failed(format!("cannot install Docker {version}: {cause}"));
    if version
        .to_string()
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major < first)
    {
        return Err(cannot(format!(
            "no repository has it since apt.dockerproject.org was shut down, only {first} and newer"
        ))
        .hint("if you have the packages, install them from a directory: --offline DIR"));
    }
    let Some(row) = catalog.distributions.iter().find(|row| row.id == system.id) else {
        let known: Vec<&str> = catalog.distributions.iter().map(|row| row.id.as_str()).collect();
        return Err(cannot(format!("Docker has no repository for {:?}, only for {}", system.id, known.join(", ")))
            .hint(
                "omit --version to install the package of the distribution, or use --offline DIR or --apt-mirror URL",
            ));
    };
    let architecture = facts.architecture.as_deref().unwrap_or_default();
    if !row.architectures.iter().any(|known| known == architecture) {
        let known = row.architectures.join(", ");
        return Err(cannot(format!(
            "its repository for {} has no packages for {architecture:?}, only for {known}",
            row.id
        ))
        .hint("omit --version to install the package of the distribution, or use --offline DIR or --apt-mirror URL"));
    }
    Ok(())
}
