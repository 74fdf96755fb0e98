//! Who holds the lock, by the kernel's own list: the label in the file only says who took it last.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::visible::visible;

/// The file locks of all processes (proc_locks(5)).
const LOCKS: &str = "/proc/locks";
const PROCESSES: &str = "/proc";

/// What a utility writes into the lock file.
pub(super) fn label(tool: &str) -> String {
    format!("{tool} (pid {})", std::process::id())
}

/// `edge-prep (pid 123)` or `flock (pid 123)`; none where it cannot be verified, for example without the right to see
/// the files of that process.
pub(super) fn holder(lock: &File, label: &str) -> Option<String> {
    let meta = lock.metadata().ok()?;
    let file = (meta.dev(), meta.ino());
    let last = parsed(label);
    let locks = fs::read_to_string(LOCKS).ok()?;
    lockers(&locks, file.1).into_iter().find_map(|pid| {
        let dir = Path::new(PROCESSES).join(pid.to_string());
        let tool = last.and_then(|(tool, by)| (by == pid).then_some(tool));
        if has_open(&dir, file) {
            let command = fs::read_to_string(dir.join("comm")).ok()?;
            return Some(format!("{} (pid {pid})", visible(tool.unwrap_or(command.trim()))));
        }
        // A killed utility shares the lock with the program that it has started.
        let is_program = !dir.exists();
        tool.filter(|_| is_program).map(|tool| format!("a program that {} has started", visible(tool)))
    })
}

/// The processes that have locked the file with this inode by flock(2). The kernel's number of its file system is not
/// always that of stat(2).
fn lockers(locks: &str, inode: u64) -> Vec<u32> {
    let inode = inode.to_string();
    let locker = |line: &str| {
        // `1: FLOCK  ADVISORY  WRITE 123 08:01:456 0 EOF`; one that waits has `->` before the type.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields.as_slice() else { return None };
        let is_file = place.rsplit(':').next() == Some(inode.as_str());
        // A process of another PID namespace is 0.
        pid.parse().ok().filter(|pid| is_file && *pid != 0)
    };
    locks.lines().filter_map(locker).collect()
}

fn has_open(process: &Path, (dev, ino): (u64, u64)) -> bool {
    let entries = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::metadata(entry.path()).ok()).any(|meta| (meta.dev(), meta.ino()) == (dev, ino))
}

fn parsed(label: &str) -> Option<(&str, u32)> {
    let (tool, pid) = label.strip_suffix(')')?.split_once(" (pid ")?;
    Some((tool, pid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockers_are_read_from_the_list_of_the_kernel() {
        let locks = "1: POSIX  ADVISORY  WRITE 10 08:01:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 11 00:2b:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 00:2b:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 0 00:2b:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 13 00:2b:177 0 EOF\nx\n\n";
        assert_eq!(lockers(locks, 77), [11]);
        assert!(lockers("", 77).is_empty());
        assert_eq!(parsed(&label("edge-prep")), Some(("edge-prep", std::process::id())));
        assert_eq!((parsed(""), parsed("edge-prep"), parsed("edge-prep (pid x)")), (None, None, None));
    }
}
