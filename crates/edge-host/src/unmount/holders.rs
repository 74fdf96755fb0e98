//! The processes that hold a mount: with a working directory, a root, a program, an open file or a mapped file in it.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const PROCESSES: &str = "/proc";
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/mnt";
const LINKS: [&str; 3] = ["cwd", "root", "exe"];
/// The fields of a line of maps before the path.
const MAPS_FIELDS: usize = 5;

/// A process, for a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    program: Option<PathBuf>,
}

/// Those that can be seen; it reads links of /proc only, and no file of the mount.
pub(super) fn holders(point: &Path) -> Vec<Holder> {
    let own = fs::read_link(OWN_NAMESPACE).ok();
    let mut holders: Vec<Holder> = fs::read_dir(PROCESSES)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let dir = entry.ok()?.path();
            let pid = dir.file_name()?.to_str()?.parse().ok()?;
            // In another mount namespace the same path is another mount.
            let namespace = fs::read_link(dir.join("ns/mnt")).ok();
            let is_ours = namespace.is_none() || namespace == own;
            (is_ours && holds(&dir, point)).then(|| Holder { pid, program: fs::read_link(dir.join("exe")).ok() })
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn holds(process: &Path, point: &Path) -> bool {
    let leads_in = |link: PathBuf| fs::read_link(link).is_ok_and(|target| target.starts_with(point));
    if LINKS.iter().any(|link| leads_in(process.join(link))) {
        return true;
    }
    let mut open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    if open.any(|entry| leads_in(entry.path())) {
        return true;
    }
    fs::read(process.join("maps")).is_ok_and(|maps| maps_file_in(&maps, point))
}

fn maps_file_in(maps: &[u8], point: &Path) -> bool {
    let path = |line: &'_ [u8]| {
        let mut rest = line;
        for _ in 0..MAPS_FIELDS {
            let end = rest.iter().position(|byte| *byte == b' ')?;
            let next = rest[end..].iter().position(|byte| *byte != b' ')?;
            rest = &rest[end + next..];
        }
        Some(Path::new(OsStr::from_bytes(rest)).starts_with(point))
    };
    maps.split(|byte| *byte == b'\n').any(|line| path(line) == Some(true))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Some(program) => write!(f, "process {} ({})", self.pid, program.display()),
            None => write!(f, "process {}", self.pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_files_are_found_by_their_path() {
        let maps = b"7f00-7f01 r-xp 00000000 08:01 12    /mnt/a b/lib.so (deleted)\n7f02-7f03 rw-p 0 00:00 0 \n7ff0-7ff1 r-xp 0 00:00 0   [vdso]\n";
        assert!(maps_file_in(maps, Path::new("/mnt/a b")));
        assert!(!maps_file_in(maps, Path::new("/mnt/a")));
    }

    #[test]
    fn own_open_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holders(dir.path()), []);
        let _open = fs::File::create(dir.path().join("file")).unwrap();
        let found = holders(dir.path());
        assert_eq!(found.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(found[0].to_string().starts_with("process "));
    }
}
