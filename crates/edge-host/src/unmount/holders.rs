//! The processes that hold a mount: with a working directory, a root, a program, an open file or a mapped file in it;
//! and those that are in a namespace that is kept by a mount.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::root::Root;

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
    all(|dir| {
        // In another mount namespace the same path is another mount.
        let namespace = fs::read_link(dir.join("ns/mnt")).ok();
        (namespace.is_none() || namespace == own) && holds(dir, point)
    })
}

/// Those that are in a namespace, such as `net:[4026531840]`.
pub(super) fn members(namespace: &Path) -> Vec<Holder> {
    let Some((kind, _)) = namespace.to_str().and_then(|name| name.split_once(':')) else { return Vec::new() };
    all(|dir| fs::read_link(dir.join("ns").join(kind)).is_ok_and(|own| own == namespace))
}

/// The namespaces that a process is in, such as `net:[4026531840]`.
pub fn namespaces_in_use(root: &Root) -> Result<HashSet<PathBuf>> {
    let mut all = HashSet::new();
    for pid in root.list(Path::new(PROCESSES))? {
        let dir = Path::new(PROCESSES).join(&pid).join("ns");
        if pid.as_bytes().iter().all(u8::is_ascii_digit) {
            let links = fs::read_dir(&dir).into_iter().flatten().flatten();
            all.extend(links.filter_map(|link| fs::read_link(link.path()).ok()));
        }
    }
    Ok(all)
}

fn all(is_one: impl Fn(&Path) -> bool) -> Vec<Holder> {
    let mut holders: Vec<Holder> = fs::read_dir(PROCESSES)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let dir = entry.ok()?.path();
            let pid = dir.file_name()?.to_str()?.parse().ok()?;
            is_one(&dir).then(|| Holder { pid, program: fs::read_link(dir.join("exe")).ok() })
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
    fn members_of_a_namespace_are_found() {
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        assert!(members(&own).iter().any(|holder| holder.pid == std::process::id()));
        assert_eq!(members(Path::new("net:[1]")), []);
        assert_eq!(members(Path::new("/")), []);
        assert!(namespaces_in_use(&Root::live().unwrap()).unwrap().contains(&own));
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
