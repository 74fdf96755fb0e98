//! Finds out whether containers run: CRI-O itself is asked, and without an answer their processes are searched for.
//!
//! CRI-O puts each container into a control group of its own, `crio-ID.scope` or with the cgroupfs driver `crio-ID`, and
//! its monitor into `crio-conmon-ID` (cri-o `internal/config/cgmgr`). They keep running while CRI-O is down.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use edge_host::{Error, Host, Result, processes};

use crate::config::Effective;
use crate::monitor;

const ASK_WITHIN: Duration = Duration::from_secs(5);
/// A process that every user can see, unless /proc hides those of others.
const FIRST: &str = "/proc/1/cgroup";
const PREFIX: &str = "crio-";
const SUFFIX: &str = ".scope";
/// The length of an ID in hexadecimal digits.
const ID: usize = 64;

/// Whether containers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Running {
    /// None.
    None,
    /// Their names, from CRI-O.
    Named(Vec<String>),
    /// Their number, from their processes.
    Counted(usize),
    /// It cannot be determined: why.
    Unknown(String),
}

impl Running {
    /// Reads it from the host; in an image none run.
    pub(crate) fn read(host: &Host, config: &Effective) -> Result<Running> {
        if !host.root.is_live() {
            return Ok(Running::None);
        }
        let socket = Path::new(config.socket());
        let asked = match host.root.find_link(socket)?.exists() {
            true => Some(edge_cri::running(socket, ASK_WITHIN)),
            false => None,
        };
        let problem = match asked {
            Some(Ok(names)) if !names.is_empty() => return Ok(Running::Named(names)),
            Some(Err(error)) => Some(error.to_string()),
            Some(Ok(_)) | None => None,
        };
        let counted = monitor::count(host, config)?.max(in_groups(host)?);
        let sees_all = host.root.read(Path::new(FIRST)).is_ok_and(|found| found.is_some_and(|text| !text.is_empty()));
        Ok(match (counted, problem) {
            (0, None) if sees_all || host.root.find_link(socket)?.exists() => Running::None,
            (0, Some(_)) if sees_all => Running::None,
            (0, problem) => Running::Unknown(
                problem.unwrap_or_else(|| "CRI-O does not answer, and /proc hides other users' processes".to_owned()),
            ),
            (number, _) => Running::Counted(number),
        })
    }

    /// What runs, for a message: `2 containers are running: nginx, sidecar`; none if nothing runs.
    pub(crate) fn describe(&self) -> Option<String> {
        match self {
            Running::None => None,
            Running::Named(names) => Some(format!("{}: {}", containers_running(names.len()), names.join(", "))),
            Running::Counted(number) => Some(format!("{} without CRI-O (conmon)", containers_running(*number))),
            Running::Unknown(cause) => Some(format!("it is unknown whether containers are running ({cause})")),
        }
    }

    /// Refuses an action that would harm running containers.
    pub(crate) fn refuse(&self, action: &str, hint: &str) -> Result<()> {
        match self.describe() {
            Some(what) => Err(Error::refused(format!("cannot {action}: {what}")).hint(hint)),
            None => Ok(()),
        }
    }
}

/// What to do about running containers.
pub(crate) const DRAIN: &str =
    "drain the node first (kubectl drain NODE), or stop the pods: crictl pods, crictl stopp ID";

/// `2 containers are running`.
fn containers_running(number: usize) -> String {
    if number == 1 { "1 container is running".to_owned() } else { format!("{number} containers are running") }
}

/// The number of containers with processes in their control groups.
fn in_groups(host: &Host) -> Result<usize> {
    let all = processes(&host.root)?;
    let ids: BTreeSet<String> =
        all.iter().flat_map(|process| process.cgroups()).filter_map(|path| id_of(&path)).collect();
    Ok(ids.len())
}

/// The ID of the container that a control group belongs to; a container may have groups below its own.
fn id_of(path: &str) -> Option<String> {
    path.split('/').find_map(|name| {
        let id = name.strip_prefix(PREFIX)?;
        let id = id.strip_suffix(SUFFIX).unwrap_or(id);
        let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_of_finds_containers_and_no_monitors() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            format!("/kubepods.slice/kubepods-pod1.slice/crio-{id}.scope"),
            format!("/kubepods/besteffort/pod1/crio-{id}"),
            format!("/kubepods.slice/crio-{id}.scope/container"),
        ] {
            assert_eq!(id_of(&path), Some(id.clone()), "{path}");
        }
        for path in [
            format!("/system.slice/crio-conmon-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope"),
            "/system.slice/crio.service".to_owned(),
            "/system.slice/crio-1.scope".to_owned(),
        ] {
            assert_eq!(id_of(&path), None, "{path}");
        }
    }

    #[test]
    fn running_is_described_with_what_is_known() {
        assert_eq!(Running::None.describe(), None);
        let named = Running::Named(vec!["nginx".to_owned(), "sidecar".to_owned()]);
        assert_eq!(named.describe().as_deref(), Some("2 containers are running: nginx, sidecar"));
        let unknown = Running::Unknown("no answer within 5 s".to_owned());
        let error = unknown.refuse("remove CRI-O", DRAIN).unwrap_err();
        assert_eq!(error.exit(), edge_host::Exit::Refused);
        assert!(error.to_string().contains("it is unknown whether containers are running (no answer within 5 s)"));
    }
}
