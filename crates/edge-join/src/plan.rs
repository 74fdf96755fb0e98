//! Turns facts and request into the changes of a join. Pure.
//!
//! The order makes an interruption harmless: the CA and the pair get their names together, then the program and its unit,
//! then the configuration, and only then is edgecore enabled and started.

pub(crate) mod config;
pub mod unit;

use std::path::PathBuf;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{FileSnapshot, Inverse, Node, Plan, Result, State};
use edge_kubeedge::edit::request::Request as Setting;
use edge_systemd::{UnitFacts, systemctl};

use crate::program::{INSTALLED, MODE, Release};
use unit::UNIT;

/// edgecore itself makes its files with this mode.
const SECRET_MODE: u32 = 0o600;

/// A taint: `key=value:effect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// NoSchedule, PreferNoSchedule or NoExecute.
    pub effect: String,
}

/// The settings of a join.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// The release of edgecore.
    pub release: &'a Release,
    /// HOST:PORT of the hub.
    pub hub: &'a str,
    /// HOST:PORT of the HTTPS port.
    pub https: &'a str,
    /// HOST:PORT of the tunnel.
    pub tunnel: &'a str,
    /// The name of the node; none in an image, whose host has no name yet.
    pub node_name: Option<&'a str>,
    /// Labels of the node.
    pub labels: &'a [(String, String)],
    /// Taints of the node.
    pub taints: &'a [Taint],
    /// What --settings has.
    pub settings: &'a [Setting],
}

/// A file and what is there now.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its path.
    pub path: PathBuf,
    /// The current file.
    pub found: FileSnapshot,
}

/// A certificate that was issued for this join.
pub struct Issued {
    /// The CA, in PEM.
    pub ca: Vec<u8>,
    /// The certificate, in PEM.
    pub certificate: Vec<u8>,
    /// Its key, in PEM (SEC1); called once, when it is written. None if that on the host is used.
    pub key: Option<Box<dyn FnOnce() -> Result<Vec<u8>>>>,
    /// For whom it is, for people.
    pub subject: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({})", self.subject)
    }
}

/// Where the CA and the pair are.
#[derive(Debug, Clone)]
pub struct PairFiles {
    /// The CA.
    pub ca: Target,
    /// The private key.
    pub key: Target,
    /// The certificate.
    pub certificate: Target,
}

/// The program that is to be installed.
pub struct NewProgram {
    /// Writes its bytes.
    pub content: edge_host::action::ContentWriter,
    /// Their checksum.
    pub sha256: String,
    /// Where it is from, for people.
    pub from: String,
}

impl std::fmt::Debug for NewProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewProgram({})", self.from)
    }
}

/// What is on the host.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The CA and the pair.
    pub pair: PairFiles,
    /// edgecore.
    pub program: FileSnapshot,
    /// edgecore.yaml, where edgecore reads it.
    pub config: Target,
    /// The file of the unit that edge-join would write.
    pub unit_file: FileSnapshot,
    /// The unit.
    pub unit: UnitFacts,
    /// The unit once its file is written; none if it has one.
    pub new_unit: Option<UnitFacts>,
    /// Whether the unit is active.
    pub is_active: bool,
}

/// What is written beside the settings.
#[derive(Debug, Default)]
pub struct New {
    /// The certificate, unless a good pair is there.
    pub issued: Option<Issued>,
    /// The program, unless it is installed.
    pub program: Option<NewProgram>,
}

/// How a plan ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// edgecore is enabled and runs.
    Run,
    /// It is enabled and not started.
    NoStart,
    /// It is neither enabled nor started: an image, whose first boot joins.
    Image,
}

/// The changes of a join; the second value is whether edgecore is started or restarted.
pub fn plan(joined: &Joined<'_>, facts: HostFacts, new: New, ending: Ending) -> Result<(Plan, bool)> {
    let mut plan = Plan::new();
    let HostFacts { pair, program, config, unit_file, unit, new_unit, is_active } = facts;
    let mut needs_restart = new.issued.is_some();
    let key = pair.key.clone();
    let has_new_key = new.issued.as_ref().is_some_and(|issued| issued.key.is_some());
    if let Some(issued) = new.issued {
        write_pair(&mut plan, pair, issued);
    }
    if ending != Ending::Image {
        close_key(&mut plan, key, has_new_key);
    }
    if let Some(new) = new.program
        && !program.state.is_installed(&new.sha256, MODE)
    {
        let node = Node::Large { content: new.content, sha256: new.sha256, mode: MODE };
        plan.write(INSTALLED, program, node, Inverse::Whole, new.from);
        needs_restart = true;
    }
    let text = unit::edgecore(&config.path.display().to_string());
    let has_unit = unit.file.is_some();
    if !has_unit {
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: 0o644 };
        plan.write(unit::UNIT_FILE, unit_file, node, Inverse::Whole, "the unit of edgecore");
    }
    needs_restart |= config::plan(joined, &config.path, config.found, &mut plan)?;
    if ending == Ending::Image {
        return Ok((plan, false));
    }
    new_unit.as_ref().unwrap_or(&unit).enable(&mut plan)?;
    if !unit.has_systemd {
        return Ok((plan, false));
    }
    if !has_unit {
        plan.run(systemctl::reload(), "to load the unit");
    }
    if ending == Ending::NoStart {
        return Ok((plan, false));
    }
    if !is_active {
        plan.run(systemctl::start_no_block(UNIT), "to connect to cloudcore");
    } else if needs_restart {
        plan.run(systemctl::restart_no_block(UNIT), "to load what was changed");
    }
    Ok((plan, !is_active || needs_restart))
}

/// Only root can read the private key, also one that was there already. A new one has the right mode, and the owner of the
/// one before.
fn close_key(plan: &mut Plan, key: Target, is_new: bool) {
    const WITHIN: Duration = Duration::from_secs(10);
    let State::File { mode, uid, gid, .. } = key.found.state else { return };
    let shown = key.path.display().to_string();
    if mode != SECRET_MODE && !is_new {
        plan.chmod(key.path, key.found, SECRET_MODE, format!("others can use it: its mode is {mode:04o}"));
    }
    if uid != 0 {
        let chown = |owner: String| ["chown".to_owned(), "--".to_owned(), owner, shown.clone()];
        let run =
            Run::new(chown("0:0".to_owned()), WITHIN).undone_by(UndoOrder::Reverse, chown(format!("{uid}:{gid}")));
        plan.run(run, format!("the private key belongs to the user {uid}"));
    }
}

/// The CA, the key and the certificate get their names together: edgecore asks for a token where one is missing.
fn write_pair(plan: &mut Plan, files: PairFiles, issued: Issued) {
    let file = |bytes: Vec<u8>| Node::File { content: Bytes::Known(bytes), mode: SECRET_MODE };
    let PairFiles { ca, key, certificate } = files;
    let is_same = matches!(ca.found.state, State::File { .. }) && ca.found.bytes == issued.ca;
    if !is_same {
        plan.write(ca.path, ca.found, file(issued.ca), Inverse::Whole, "the CA of cloudcore").with_next = true;
    }
    if let Some(made) = issued.key {
        let node = Node::PrivateKey { content: Bytes::Made(made) };
        plan.write(key.path, key.found, node, Inverse::Whole, "a new private key").with_next = true;
    }
    let why = "the certificate of this node, issued by cloudcore";
    let action = plan.write(certificate.path, certificate.found, file(issued.certificate), Inverse::Whole, why);
    action.details = vec![format!("subject {}", issued.subject)];
}

#[cfg(test)]
mod tests;
