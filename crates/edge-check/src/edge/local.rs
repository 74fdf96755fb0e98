//! edgecore on its host: whether it runs, who holds its ports, and what it is connected to.

use std::path::Path;

use edge_host::{Host, Result, SocketOwner, SocketState, processes, socket_owners, sockets};
use edge_kubeedge::Kind;
use edge_systemd::{Scope, Units, systemctl};

/// systemd runs if this exists (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// The unit of edgecore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unit {
    /// systemd does not run here, or cannot be asked.
    Unknown,
    /// There is none.
    Absent,
    /// It cannot be started.
    Masked,
    /// It is in this state: `inactive`, `activating`, `failed`.
    Inactive(String),
    /// It runs.
    Active,
}

/// A socket that matters, and who has it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// The port on this host if it listens, else the port that it is connected to.
    pub(crate) port: u16,
    /// Whether it listens.
    pub(crate) listens: bool,
    /// Who has it open.
    pub(crate) owner: SocketOwner,
}

/// edgecore on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    /// Its unit.
    pub(crate) unit: Unit,
    /// Whether a process of it runs.
    pub(crate) runs: bool,
    /// Its ports that are in use, and its connections.
    pub(crate) open: Vec<Open>,
}

impl Open {
    /// Whether edgecore has it open; none if the owner is unknown.
    pub(crate) fn is_of_edgecore(&self) -> Option<bool> {
        match &self.owner {
            SocketOwner::Process { program, .. } => Some(is_edgecore(Path::new(program))),
            SocketOwner::Unknown => None,
            SocketOwner::Outside => Some(false),
        }
    }
}

fn is_edgecore(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == Kind::EdgeCore.program())
}

/// Reads it: these ports on which edgecore listens, and those that it connects to.
///
/// Errors: exit 1 if /proc or the units cannot be read.
pub(crate) fn read(host: &Host, listens: &[u16], connects: &[u16]) -> Result<Local> {
    let runs =
        processes(&host.root)?.iter().any(|process| process.executable().is_some_and(|program| is_edgecore(&program)));
    let all = sockets(&host.root)?;
    let wanted: Vec<_> = all
        .into_iter()
        .filter(|one| match one.state {
            SocketState::Listening => listens.contains(&one.local.port()),
            SocketState::Established => connects.contains(&one.remote.port()),
            SocketState::Other => false,
        })
        .collect();
    let owners = socket_owners(&host.root, &wanted)?;
    let open = wanted.iter().map(|one| {
        let listens = one.state == SocketState::Listening;
        let port = if listens { one.local.port() } else { one.remote.port() };
        Open { port, listens, owner: owners.get(&one.inode).cloned().unwrap_or(SocketOwner::Unknown) }
    });
    Ok(Local { unit: unit(host)?, runs, open: open.collect() })
}

fn unit(host: &Host) -> Result<Unit> {
    if host.root.entry_kind(Path::new(SYSTEMD))?.is_none() {
        return Ok(Unit::Unknown);
    }
    let name = Kind::EdgeCore.unit();
    let unit = Units::read(&host.root, Scope::Now)?.find(name)?;
    if !unit.exists() {
        return Ok(Unit::Absent);
    }
    if unit.is_masked() {
        return Ok(Unit::Masked);
    }
    // Without an answer nothing is known.
    let Ok(shown) = systemctl::show(name, "ActiveState") else { return Ok(Unit::Unknown) };
    Ok(match shown.get("ActiveState") {
        "active" => Unit::Active,
        "" => Unit::Unknown,
        state => Unit::Inactive(state.to_owned()),
    })
}
