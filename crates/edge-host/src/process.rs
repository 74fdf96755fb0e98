//! The processes of the running system, by what a process cannot fake: executable, user and control group. Name and
//! command line can be anything.

mod end;

use std::path::{Path, PathBuf};

pub use end::ProcessId;
pub(crate) use end::{Handle, name};

use crate::error::Result;
use crate::root::{Root, State};

const PROCESSES: &str = "/proc";
const OWN_THREAD: &str = "/proc/thread-self";
const MOUNT_NAMESPACE: &str = "ns/mnt";
const PID_NAMESPACE: &str = "ns/pid";
/// What the kernel appends to the path of an executable that was replaced.
const DELETED: &str = " (deleted)";

/// A process. What cannot be read, also because it has ended, is none.
#[derive(Debug)]
pub struct Process<'r> {
    root: &'r Root,
    pid: u32,
    dir: PathBuf,
}

/// All processes of the running system.
pub fn processes(root: &Root) -> Result<Vec<Process<'_>>> {
    let names = root.list(Path::new(PROCESSES))?;
    let pids = names.iter().filter_map(|name| name.to_str()?.parse().ok());
    Ok(pids.map(|pid| Process::numbered(root, pid)).collect())
}

impl<'r> Process<'r> {
    /// The calling process.
    pub fn own(root: &'r Root) -> Process<'r> {
        Process::numbered(root, std::process::id())
    }

    fn numbered(root: &'r Root, pid: u32) -> Process<'r> {
        Process { root, pid, dir: Path::new(PROCESSES).join(pid.to_string()) }
    }
}

impl Process<'_> {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What tells it from a later process with the same number.
    pub fn id(&self) -> Option<ProcessId> {
        let started = end::started(&self.root.read(&self.dir.join("stat")).ok()??)?;
        Some(ProcessId::new(self.pid, started, self.executable()))
    }

    /// Whether it has the calling thread's mount namespace, in which its paths are ours: a process of a container has
    /// another one.
    pub fn shares_mounts(&self) -> Option<bool> {
        self.shares(MOUNT_NAMESPACE)
    }

    /// Whether it has the calling thread's PID namespace: a daemon in a container, such as one of a node in a container,
    /// has another one.
    pub fn shares_pids(&self) -> Option<bool> {
        self.shares(PID_NAMESPACE)
    }

    fn shares(&self, kind: &str) -> Option<bool> {
        let namespace = |path: &Path| match self.root.find_link(path).ok()?.state {
            State::Link { target } => Some(target),
            _ => None,
        };
        Some(namespace(&self.dir.join(kind))? == namespace(&Path::new(OWN_THREAD).join(kind))?)
    }

    /// The effective user.
    pub fn user(&self) -> Option<u32> {
        effective_user(&self.text("status")?)
    }

    /// The path of the program that it runs, links resolved, also where that was replaced since.
    pub fn executable(&self) -> Option<PathBuf> {
        match self.root.find_link(&self.dir.join("exe")).ok()?.state {
            State::Link { target } => Some(PathBuf::from(target.strip_suffix(DELETED).unwrap_or(&target))),
            _ => None,
        }
    }

    /// Its name, as the kernel keeps it: at most 15 bytes, and whatever the process has made of it.
    pub fn name(&self) -> Option<String> {
        self.text("comm").map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// The paths of its control groups, one for each hierarchy.
    pub fn cgroups(&self) -> Vec<String> {
        let text = self.text("cgroup").unwrap_or_default();
        text.lines().filter_map(|line| Some(line.splitn(3, ':').nth(2)?.to_owned())).collect()
    }

    /// Its command line.
    pub fn arguments(&self) -> Vec<String> {
        let text = self.text("cmdline").unwrap_or_default();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        let bytes = self.root.read(&self.dir.join(name)).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The second number of `Uid:`.
fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_has_executable_user_and_cgroup() {
        let root = Root::live().unwrap();
        let all = processes(&root).unwrap();
        let own = all.iter().find(|process| process.pid() == std::process::id()).unwrap();
        assert_eq!(own.executable().unwrap(), std::env::current_exe().unwrap().canonicalize().unwrap());
        assert_eq!(own.user(), Some(nix::unistd::geteuid().as_raw()));
        assert!(!own.cgroups().is_empty() && own.cgroups().iter().all(|path| path.starts_with('/')));
        assert!(own.name().is_some_and(|name| !name.is_empty() && !name.contains('\n')));
        assert_eq!(own.arguments().len(), std::env::args().count());
        assert_eq!((own.shares_mounts(), own.shares_pids()), (Some(true), Some(true)));
        assert_eq!(own.id(), Process::own(&root).id());
        assert!(own.id().is_some());
        let gone = Process::numbered(&root, 999_999_999);
        assert_eq!((gone.user(), gone.executable(), gone.cgroups().len()), (None, None, 0));
        assert_eq!((gone.id(), gone.shares_mounts(), gone.shares_pids()), (None, None, None));
        assert_eq!(effective_user("Name:\tUid: x\nUid:\t1000\t0\t0\t0\n"), Some(0));
    }
}
