//! The resources of the host: memory, and the file systems that edgecore and its runtime fill.

use std::path::{Path, PathBuf};
use std::thread;

use edge_host::{Finding, Host, Result, Root, Severity};
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;

/// The least memory that KubeEdge asks for, in KiB (kubeedge v1.23 `keadm/cmd/keadm/app/cmd/common/constant.go`).
const LEAST_MEMORY: u64 = 256 << 10;
/// Below this many percent of free space, and of free inodes, a kubelet evicts pods and pulls no images (kubernetes v1.34
/// `pkg/kubelet/eviction/defaults_linux.go`).
const LEAST_SPACE: u64 = 10;
const LEAST_INODES: u64 = 5;
const MEMORY: &str = "/proc/meminfo";
/// Where container runtimes keep images and containers.
const RUNTIMES: [&str; 3] = ["/var/lib/containerd", "/var/lib/containers", "/var/lib/docker"];

/// A file system, by a directory on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    /// What tells it from others.
    id: u64,
    /// All of its blocks, and those that are free.
    blocks: (u64, u64),
    /// All of its inodes, and those that are free; 0 if it has no fixed number.
    inodes: (u64, u64),
}

/// What the host has too little of, or what is unknown, and a line about what it has.
pub(crate) fn judge(host: &Host, directories: &[PathBuf]) -> Result<(Vec<Finding>, String)> {
    let memory = host.root.read(Path::new(MEMORY))?.unwrap_or_default();
    let memory = total(&String::from_utf8_lossy(&memory));
    let cpus = thread::available_parallelism().ok().map(usize::from);
    let (mut findings, line) = counted(cpus, memory);
    let mut seen = Vec::new();
    let runtimes = RUNTIMES.iter().map(Path::new);
    for directory in directories.iter().map(PathBuf::as_path).chain(runtimes) {
        let directory = nearest(&host.root, directory)?;
        match space(directory) {
            Ok(space) if seen.contains(&space.id) => {}
            Ok(space) => {
                seen.push(space.id);
                findings.extend(shortage(directory, space));
            }
            Err(cause) => {
                let text = format!("unknown how much space of its file system is free: {}", cause.desc());
                findings.push(Finding::new(Severity::Note, directory, text));
            }
        }
    }
    Ok((findings, line))
}

/// Processors, and memory in KiB. Pure.
fn counted(cpus: Option<usize>, memory: Option<u64>) -> (Vec<Finding>, String) {
    let mut findings = Vec::new();
    let mut unknown =
        |what: &str| findings.push(Finding::new(Severity::Note, "", format!("unknown {what} of this host")));
    if cpus.is_none() {
        unknown("number of CPUs");
    }
    match memory {
        None => unknown("amount of memory"),
        Some(memory) if memory < LEAST_MEMORY => {
            let text =
                format!("the host has {} MiB of memory: edgecore needs {} MiB", memory >> 10, LEAST_MEMORY >> 10);
            findings.push(Finding::warning("", text));
        }
        Some(_) => {}
    }
    let plural = if cpus == Some(1) { "" } else { "s" };
    let cpus = cpus.map_or_else(|| "unknown".to_owned(), |cpus| cpus.to_string());
    let memory = memory.map_or_else(|| "unknown".to_owned(), |memory| format!("{} MiB", memory >> 10));
    (findings, format!("{cpus} CPU{plural}, memory {memory}"))
}

/// The number of `MemTotal:`, in KiB.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The directory, or the nearest one above it that exists: it is made there.
fn nearest<'d>(root: &Root, directory: &'d Path) -> Result<&'d Path> {
    for place in directory.ancestors() {
        if root.entry_kind(place)?.is_some() {
            return Ok(place);
        }
    }
    Ok(directory)
}

/// That of a directory.
#[allow(clippy::unnecessary_cast, reason = "the numbers have other types on 32-bit systems")]
fn space(directory: &Path) -> std::result::Result<Space, Errno> {
    let found = statvfs(directory)?;
    Ok(Space {
        id: found.filesystem_id() as u64,
        blocks: (found.blocks() as u64, found.blocks_available() as u64),
        inodes: (found.files() as u64, found.files_available() as u64),
    })
}

fn shortage(directory: &Path, space: Space) -> Option<Finding> {
    let is_short =
        |(all, free): (u64, u64), least: u64| all > 0 && free.saturating_mul(100) < all.saturating_mul(least);
    let percent = |(all, free): (u64, u64)| free.saturating_mul(100).checked_div(all).unwrap_or(0);
    let (what, left, least) = if is_short(space.blocks, LEAST_SPACE) {
        ("space", percent(space.blocks), LEAST_SPACE)
    } else if is_short(space.inodes, LEAST_INODES) {
        ("inodes", percent(space.inodes), LEAST_INODES)
    } else {
        return None;
    };
    let text = format!("{left}% of the {what} of its file system is free: below {least}% pods are evicted");
    Some(Finding::warning(directory, text).hint(format!("see what fills it: du -xsh {}/*", directory.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_total() {
        assert_eq!(total("MemTotal:         948308 kB\nMemFree: 1 kB\n"), Some(948_308));
        assert_eq!((total("x"), total("MemTotal: x kB")), (None, None));
    }

    #[test]
    fn what_is_unknown_is_a_note() {
        let of = |cpus, memory| {
            let (findings, line) = counted(cpus, memory);
            (findings.iter().map(|one| (one.severity, one.text.clone())).collect::<Vec<_>>(), line)
        };
        assert_eq!(of(Some(2), Some(4 << 20)), (Vec::new(), "2 CPUs, memory 4096 MiB".to_owned()));
        let note = |what: &str| (Severity::Note, format!("unknown {what} of this host"));
        assert_eq!(of(None, Some(4 << 20)).0, [note("number of CPUs")]);
        assert_eq!(of(Some(1), None), (vec![note("amount of memory")], "1 CPU, memory unknown".to_owned()));
        assert_eq!(of(Some(1), Some(1)).0.len(), 1);
        assert!(space(Path::new("/proc/self/none")).is_err());
    }

    #[test]
    fn directory_that_is_missing_is_judged_by_the_nearest_one() {
        let root = Root::live().unwrap();
        for (path, want) in [("/etc/no-such/kubelet", "/etc"), ("/no-such/x", "/"), ("/etc", "/etc")] {
            assert_eq!(nearest(&root, Path::new(path)).unwrap(), Path::new(want));
        }
    }

    #[test]
    fn shortage_is_of_space_or_of_inodes() {
        let of = |blocks, inodes| shortage(Path::new("/d"), Space { id: 1, blocks, inodes }).map(|one| one.text);
        assert_eq!(of((100, 10), (100, 5)), None);
        assert!(of((100, 9), (100, 5)).unwrap().starts_with("9% of the space"));
        assert!(of((100, 10), (100, 4)).unwrap().starts_with("4% of the inodes"));
        // btrfs has no fixed number of inodes.
        assert_eq!(of((100, 50), (0, 0)), None);
    }
}
