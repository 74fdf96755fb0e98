//! What else of the running machine matters: memory, kernel, cgroup version, init.

use std::path::Path;

use edge_host::{Result, Root};

use super::Systemd;

const MEMINFO: &str = "/proc/meminfo";
const OSRELEASE: &str = "/proc/sys/kernel/osrelease";
const CGROUP_V2: &str = "/sys/fs/cgroup/cgroup.controllers";
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Major and minor version of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(pub u32, pub u32);

/// Which cgroup hierarchy kubelet would use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroup {
    /// v1, or the hybrid of both, where kubelet uses v1.
    V1,
    /// v2 alone.
    V2,
}

pub(super) fn systemd(root: &Root) -> Result<Systemd> {
    Ok(if edge_systemd::is_running(root)? { Systemd::Running } else { Systemd::NotRunning })
}

pub(super) fn available_kib(root: &Root) -> Result<Option<u64>> {
    Ok(text(root, MEMINFO)?.and_then(|text| parse_available(&text)))
}

pub(super) fn kernel(root: &Root) -> Result<Option<Kernel>> {
    Ok(text(root, OSRELEASE)?.and_then(|text| parse_kernel(&text)))
}

pub(super) fn cgroup(root: &Root) -> Result<Option<Cgroup>> {
    if root.find(Path::new(CGROUP_V2))?.exists() {
        return Ok(Some(Cgroup::V2));
    }
    // Nothing mounted at all says nothing about what there will be.
    Ok((!root.list(Path::new(CGROUP_ROOT))?.is_empty()).then_some(Cgroup::V1))
}

fn text(root: &Root, path: &str) -> Result<Option<String>> {
    Ok(root.read(Path::new(path))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn parse_available(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse().ok())
}

fn parse_kernel(text: &str) -> Option<Kernel> {
    let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
    Some(Kernel(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_kernels_texts() {
        assert_eq!(parse_available("MemTotal: 9 kB\nMemAvailable:    1234 kB\n"), Some(1234));
        assert_eq!(parse_available("MemTotal: 9 kB\n"), None, "before 3.14");
        for (text, want) in [
            ("6.12.75+rpt-rpi-v8\n", Some(Kernel(6, 12))),
            ("5.15.0-1", Some(Kernel(5, 15))),
            ("6", None),
            ("x.y", None),
            ("", None),
        ] {
            assert_eq!(parse_kernel(text), want, "{text}");
        }
        assert!(Kernel(6, 3) > Kernel(5, 15) && Kernel(6, 12) > Kernel(6, 3));
    }
}
