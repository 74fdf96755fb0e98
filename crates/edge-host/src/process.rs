//! The processes of the running system, by what a process cannot fake: executable, user and control group. Name and
//! command line can be anything.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::root::{Root, State};

const PROCESSES: &str = "/proc";
/// What the kernel appends to the path of an executable that was replaced.
const DELETED: &str = " (deleted)";

/// A process. What cannot be read, also because it has ended, is none.
#[derive(Debug)]
pub struct Process<'r> {
    root: &'r Root,
    dir: PathBuf,
}

/// All processes of the running system.
pub fn processes(root: &Root) -> Result<Vec<Process<'_>>> {
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let names = root.list(Path::new(PROCESSES))?;
    let pids = names.iter().filter_map(|name| name.to_str().filter(|name| is_number(name)));
    Ok(pids.map(|pid| Process { root, dir: Path::new(PROCESSES).join(pid) }).collect())
}

impl Process<'_> {
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
        let own = PathBuf::from(PROCESSES).join(std::process::id().to_string());
        let all = processes(&root).unwrap();
        let own = all.iter().find(|process| process.dir == own).unwrap();
        assert_eq!(own.executable().unwrap(), std::env::current_exe().unwrap().canonicalize().unwrap());
        assert_eq!(own.user(), Some(nix::unistd::geteuid().as_raw()));
        assert!(!own.cgroups().is_empty() && own.cgroups().iter().all(|path| path.starts_with('/')));
        assert_eq!(own.arguments().len(), std::env::args().count());
        let gone = Process { root: &root, dir: PathBuf::from("/proc/999999999") };
        assert_eq!((gone.user(), gone.executable(), gone.cgroups().len()), (None, None, 0));
        assert_eq!(effective_user("Name:\tUid: x\nUid:\t1000\t0\t0\t0\n"), Some(0));
    }
}
