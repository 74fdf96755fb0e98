//! Whether the container runtime behind a socket is there, before edgecore is switched to it.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use edge_host::{Error, Host, Result};
use edge_kubeedge::runtime::runtime;
use edge_kubeedge::settings::Settings;
use edge_kubeedge::{Kind, Minor};
use edge_systemd::{Scope, Units};
use edge_yaml::Value;

use crate::feature::RuntimeName;

const PROGRAM_DIRS: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"];
const CRIO: (&str, &str) = ("CRI-O", "crio");
const CONTAINERD: (&str, &str) = ("containerd", "containerd");

/// What was found of a container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// Its socket answers, or it is installed in an image.
    There,
    /// It is installed, but nothing listens on the socket.
    NotRunning,
    /// It is not installed.
    NotInstalled,
}

/// Refuses to switch edgecore to a runtime that is not there: no pod would start any more.
///
/// `socket` is a path. On the running host it must answer, unless there is no systemd that could start the runtime;
/// in an image the program must exist.
pub(crate) fn require(
    host: &Host,
    feature: RuntimeName,
    socket: &Path,
    document: &Value,
    version: Option<Minor>,
) -> Result<()> {
    let is_containerd = feature == RuntimeName::Containerd || socket.to_string_lossy().contains("containerd");
    let (name, program) = if is_containerd { CONTAINERD } else { CRIO };
    let (why, hint) = match presence(host, socket, program)? {
        Presence::There => return Ok(()),
        Presence::NotRunning => (
            format!("{name} is installed, but nothing listens on {}", socket.display()),
            format!("use --force, or start it: systemctl enable --now {program}.service"),
        ),
        Presence::NotInstalled if program == CRIO.1 => (
            format!("{name} is not installed"),
            "use --force, or install it: edge-crio install --version 1.34; replace 1.34 by the version of the cluster"
                .to_owned(),
        ),
        Presence::NotInstalled => {
            (format!("{name} is not installed"), "use --force, or install it: edge-pkg install containerd".to_owned())
        }
    };
    let now = runtime(document, version).and_then(|now| {
        let default =
            || version.and_then(|_| Settings::new(Kind::EdgeCore, version, document).default(&now.keys.endpoint));
        match (&now.endpoint, default()) {
            _ if now.uses_docker => Some(" instead of Docker".to_owned()),
            (Some(socket), _) => Some(format!(" instead of the runtime at {socket}")),
            (None, Some(socket)) => Some(format!(" instead of the runtime at {socket}")),
            (None, None) => None,
        }
    });
    let now = now.unwrap_or_default();
    Err(Error::refused(format!("cannot enable {}: {why}, and edgecore would use it{now}", feature.feature()))
        .hint(hint))
}

fn presence(host: &Host, socket: &Path, program: &str) -> Result<Presence> {
    if host.root.is_live() && answers(socket) {
        return Ok(Presence::There);
    }
    if !is_installed(host, program)? {
        return Ok(Presence::NotInstalled);
    }
    Ok(if edge_systemd::is_running(&host.root)? { Presence::NotRunning } else { Presence::There })
}

/// Whether something listens on a socket; one that this user may not open counts as listening.
fn answers(socket: &Path) -> bool {
    match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(cause) => cause.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn is_installed(host: &Host, program: &str) -> Result<bool> {
    let mut programs: Vec<_> = PROGRAM_DIRS.iter().map(|dir| Path::new(dir).join(program)).collect();
    let units = Units::read(&host.root, Scope::Now)?;
    let unit = units.find(&format!("{program}.service"))?;
    if unit.exists() && !unit.is_masked() {
        let commands = units.settings(&unit)?.exec_start();
        programs.extend(commands.iter().filter_map(|command| command.argv.first()).map(Into::into));
    }
    for path in programs.iter().filter(|path| path.is_absolute()) {
        if host.root.open(path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
