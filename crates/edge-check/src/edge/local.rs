//! edgecore on its host: whether it runs, who holds its ports, and what it is connected to.

use std::net::IpAddr;
use std::path::Path;

use edge_host::{Result, Root, SocketOwner, SocketState, socket_owners, sockets};
use edge_kubeedge::Kind;
use edge_systemd::{Scope, Units, systemctl};

use crate::probe::TIME;
use crate::running::{Processes, Running};

/// systemd runs if this exists (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// The unit of edgecore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unit {
    /// systemd does not run here.
    Unknown,
    /// systemd has not answered, with the reason.
    Silent(String),
    /// There is none.
    Absent,
    /// It cannot be started.
    Masked,
    /// It is in this state: `inactive`, `activating`, `failed`.
    Inactive(String),
    /// It runs.
    Active,
    /// It runs, and is not started at boot.
    Disabled,
}

/// A socket that matters, and who has it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// The port on this host if it listens, else the port that it is connected to.
    pub(crate) port: u16,
    /// Whether it listens.
    pub(crate) listens: bool,
    /// The address that it is connected to; unspecified if it listens.
    pub(crate) remote: IpAddr,
    /// Who has it open.
    pub(crate) owner: SocketOwner,
}

/// edgecore on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    /// Its unit.
    pub(crate) unit: Unit,
    /// Whether a process of it runs.
    pub(crate) runs: Running,
    /// Its ports that are in use, and its connections.
    pub(crate) open: Vec<Open>,
}

impl Open {
    /// Whether edgecore has it open; none if the owner is unknown.
    pub(crate) fn is_of_edgecore(&self) -> Option<bool> {
        match &self.owner {
            SocketOwner::Process { program, .. } => Some(Kind::EdgeCore.is_program(Path::new(program))),
            SocketOwner::Unknown => None,
            SocketOwner::Outside => Some(false),
        }
    }
}

/// Reads it: these ports on which edgecore listens, and those that it connects to.
///
/// Errors: exit 1 if /proc cannot be read.
pub(crate) fn read(root: &Root, unit: Unit, listens: &[u16], connects: &[u16]) -> Result<Local> {
    let runs = Processes::read(root)?.running(Kind::EdgeCore.program());
    let all = sockets(root)?;
    let wanted: Vec<_> = all
        .into_iter()
        .filter(|one| match one.state {
            SocketState::Listening => listens.contains(&one.local.port()),
            SocketState::Established => connects.contains(&one.remote.port()),
            SocketState::Other => false,
        })
        .collect();
    let owners = socket_owners(root, &wanted)?;
    let open = wanted.iter().map(|one| {
        let listens = one.state == SocketState::Listening;
        let port = if listens { one.local.port() } else { one.remote.port() };
        let remote = one.remote.ip();
        Open { port, listens, remote, owner: owners.get(&one.inode).cloned().unwrap_or(SocketOwner::Unknown) }
    });
    Ok(Local { unit, runs, open: open.collect() })
}

/// Asks systemd about the unit, for a few seconds. Errors: exit 1 if the units cannot be read.
pub(crate) fn unit(root: &Root) -> Result<Unit> {
    if root.entry_kind(Path::new(SYSTEMD))?.is_none() {
        return Ok(Unit::Unknown);
    }
    let name = Kind::EdgeCore.unit();
    let unit = Units::read(root, Scope::Now)?.find(name)?;
    if !unit.exists() {
        return Ok(Unit::Absent);
    }
    if unit.is_masked() {
        return Ok(Unit::Masked);
    }
    // Without an answer nothing is known.
    let shown = match systemctl::show_within(name, "ActiveState,UnitFileState", TIME) {
        Ok(shown) => shown,
        Err(error) => return Ok(Unit::Silent(error.message().to_owned())),
    };
    Ok(match shown.get("ActiveState") {
        "active" if shown.get("UnitFileState") == "disabled" => Unit::Disabled,
        "active" => Unit::Active,
        "" => Unit::Unknown,
        state => Unit::Inactive(state.to_owned()),
    })
}
