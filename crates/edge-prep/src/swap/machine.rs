//! Facts about the running machine: memory, kernel, cgroup version.

use std::path::Path;

use edge_host::{Result, Root};

const MEMINFO: &str = "/proc/meminfo";
const OSRELEASE: &str = "/proc/sys/kernel/osrelease";
const CGROUP_V2: &str = "/sys/fs/cgroup/cgroup.controllers";
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Major and minor version of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(pub u32, pub u32);

/// The version of the cgroup hierarchy that kubelet would use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroup {
    /// v1, or hybrid, where kubelet uses v1.
    V1,
    /// v2 only.
    V2,
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
    // Unknown where nothing is mounted.
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
    fn parse_available_and_parse_kernel_read_the_kernels_texts() {
        assert_eq!(parse_available("MemTotal: 9 kB\nMemAvailable:    1234 kB\n"), Some(1234));
        assert_eq!(parse_available("MemTotal: 9 kB\n"), None, "before 3.14");
        for (text, expected) in [
            ("6.12.75+rpt-rpi-v8\n", Some(Kernel(6, 12))),
            ("5.15.0-1", Some(Kernel(5, 15))),
            ("6", None),
            ("x.y", None),
            ("", None),
        ] {
            assert_eq!(parse_kernel(text), expected, "{text}");
        }
        assert!(Kernel(6, 3) > Kernel(5, 15) && Kernel(6, 12) > Kernel(6, 3));
    }
}
