//! The running kernel: how cgroups are mounted, whether it has the memory controller, and its command line.
//!
//! /proc/cgroups alone decides nothing: kernels without the v1 memory controller leave `memory` out of
//! it although the v2 controller works.

use std::path::Path;

use edge_host::{Mount, Mounts, Result, Root};

const CMDLINE: &str = "/proc/cmdline";
const CGROUPS: &str = "/proc/cgroups";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const MODEL: &str = "/proc/device-tree/model";
/// The command line from firmware or boot loader; the options of the device tree itself come first in it.
pub const BOOTARGS: &str = "/proc/device-tree/chosen/bootargs";
const CGROUP: &str = "/sys/fs/cgroup";
const UNIFIED: &str = "/sys/fs/cgroup/unified";
const CONTROLLERS: &str = "cgroup.controllers";
const SUBTREE: &str = "cgroup.subtree_control";
const CONFIG_DIR: &str = "/boot";
const CONFIG_PREFIX: &str = "config-";
const CONTROLLER: &str = "memory";
const BUILT_IN: &str = "CONFIG_MEMCG=y";
const LEFT_OUT: &str = "# CONFIG_MEMCG is not set";

/// How cgroups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hierarchy {
    /// One hierarchy for all controllers.
    V2,
    /// A v1 hierarchy for each controller, and a v2 hierarchy for systemd.
    Hybrid,
    /// A hierarchy for each controller.
    V1,
    /// Not at all.
    NotMounted,
}

/// Whether pods can be limited in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The controller is available and in use.
    On,
    /// It is available, but not enabled for the children of the root cgroup.
    NotDelegated,
    /// It is available, but not mounted (v1).
    NotMounted,
    /// It is not available.
    Off,
    /// No cgroup file system is mounted, so this cannot be determined.
    Unknown,
}

/// What is known of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// How cgroups are mounted.
    pub hierarchy: Hierarchy,
    /// The memory controller.
    pub memory: Memory,
    /// The whole command line.
    pub cmdline: String,
    /// The command line in the device tree, where there is one.
    pub bootargs: Option<String>,
    /// The board's model from the device tree, where there is one.
    pub model: Option<String>,
    /// The kernel's release.
    pub release: String,
    /// Whether it was built with CONFIG_MEMCG, by its configuration in /boot; read only where the controller is off.
    pub has_memcg: Option<bool>,
    /// All mounts.
    pub mounts: Mounts,
}

/// Reads the running kernel's facts; none for an image.
pub fn read(root: &Root) -> Result<Option<Live>> {
    if !root.is_live() {
        return Ok(None);
    }
    let mounts = Mounts::read()?;
    let hierarchy = hierarchy(&mounts);
    let list = |dir: &str, name: &str| text(root, &Path::new(dir).join(name)).map(Option::unwrap_or_default);
    let memory = match hierarchy {
        Hierarchy::V2 => memory_v2(&list(CGROUP, CONTROLLERS)?, &list(CGROUP, SUBTREE)?),
        Hierarchy::V1 | Hierarchy::Hybrid => {
            let unified = if hierarchy == Hierarchy::Hybrid { list(UNIFIED, CONTROLLERS)? } else { String::new() };
            memory_v1(&mounts, &unified, &text(root, Path::new(CGROUPS))?.unwrap_or_default())
        }
        Hierarchy::NotMounted => Memory::Unknown,
    };
    let release = text(root, Path::new(RELEASE))?.unwrap_or_default();
    let config = Path::new(CONFIG_DIR).join(format!("{CONFIG_PREFIX}{release}"));
    // Hundreds of kilobytes, and needed only where the controller is off.
    let has_memcg = match memory {
        Memory::Off if !release.is_empty() => root.read(&config)?.and_then(|bytes| has_memcg(&bytes)),
        _ => None,
    };
    Ok(Some(Live {
        hierarchy,
        memory,
        cmdline: text(root, Path::new(CMDLINE))?.unwrap_or_default(),
        bootargs: text(root, Path::new(BOOTARGS))?,
        model: text(root, Path::new(MODEL))?,
        release,
        has_memcg,
        mounts,
    }))
}

/// Whether at least one kernel that is installed in an image has CONFIG_MEMCG; none where it is not known.
pub fn installed_has_memcg(root: &Root) -> Result<Option<bool>> {
    let dir = Path::new(CONFIG_DIR);
    let mut answer = None;
    for name in root.list(dir)? {
        if name.to_str().is_some_and(|name| name.starts_with(CONFIG_PREFIX)) {
            match root.read(&dir.join(name))?.and_then(|bytes| has_memcg(&bytes)) {
                Some(true) => return Ok(Some(true)),
                Some(false) => answer = Some(false),
                None => {}
            }
        }
    }
    Ok(answer)
}

/// The text of a file of the kernel; strings of the device tree end with NUL.
fn text(root: &Root, path: &Path) -> Result<Option<String>> {
    let bytes = root.read(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']).to_owned()))
}

/// Whether a kernel's configuration enables CONFIG_MEMCG; none where it does not mention it.
fn has_memcg(config: &[u8]) -> Option<bool> {
    config.split(|byte| *byte == b'\n').find_map(|line| match line {
        _ if line == BUILT_IN.as_bytes() => Some(true),
        _ if line == LEFT_OUT.as_bytes() => Some(false),
        _ => None,
    })
}

fn hierarchy(mounts: &Mounts) -> Hierarchy {
    let at = |point: &str| mounts.at(Path::new(point));
    if at(CGROUP).is_some_and(|mount| mount.kind == "cgroup2") {
        return Hierarchy::V2;
    }
    let has_v1 = mounts.iter().any(|mount| mount.kind == "cgroup");
    match at(UNIFIED) {
        Some(mount) if mount.kind == "cgroup2" => Hierarchy::Hybrid,
        _ if has_v1 => Hierarchy::V1,
        _ => Hierarchy::NotMounted,
    }
}

fn memory_v2(controllers: &str, subtree: &str) -> Memory {
    let has = |list: &str| list.split_whitespace().any(|name| name == CONTROLLER);
    match (has(controllers), has(subtree)) {
        (true, true) => Memory::On,
        (true, false) => Memory::NotDelegated,
        (false, _) => Memory::Off,
    }
}

fn memory_v1(mounts: &Mounts, unified: &str, cgroups: &str) -> Memory {
    let names = |mount: &&Mount| mount.kind == "cgroup" && mount.super_options.iter().any(|name| name == CONTROLLER);
    if mounts.iter().any(|mount| names(&mount)) || unified.split_whitespace().any(|name| name == CONTROLLER) {
        return Memory::On;
    }
    let enabled = cgroups.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(CONTROLLER) && fields.nth(2) == Some("1")
    });
    if enabled { Memory::NotMounted } else { Memory::Off }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n\
        30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
        90 24 179:1 / /boot/firmware ro,relatime shared:40 - vfat /dev/mmcblk0p1 rw,fmask=0022\n";
    const HYBRID: &str = "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
        31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
    const MEMORY: &str = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    fn mounts(text: &str) -> Mounts {
        Mounts::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn hierarchy_follows_from_the_mounts() {
        assert_eq!(hierarchy(&mounts(V2)), Hierarchy::V2);
        assert_eq!(hierarchy(&mounts(HYBRID)), Hierarchy::Hybrid);
        assert_eq!(hierarchy(&mounts(MEMORY)), Hierarchy::V1);
        assert_eq!(hierarchy(&mounts("")), Hierarchy::NotMounted);
    }

    #[test]
    fn memory_controller_is_found_in_each_hierarchy() {
        assert_eq!(memory_v2("cpuset cpu io memory pids", "cpu memory"), Memory::On);
        assert_eq!(memory_v2("cpuset cpu io memory pids", "cpu"), Memory::NotDelegated);
        assert_eq!(memory_v2("cpuset cpu io pids", "cpu"), Memory::Off);
        assert_eq!(memory_v2("", ""), Memory::Off);
        let with = mounts(&format!("{HYBRID}{MEMORY}"));
        let without = mounts(HYBRID);
        assert_eq!(memory_v1(&with, "", ""), Memory::On, "/proc/cgroups does not matter");
        assert_eq!(memory_v1(&without, "cpu memory", ""), Memory::On);
        assert_eq!(memory_v1(&without, "", "memory\t0\t90\t1\n"), Memory::NotMounted);
        assert_eq!(memory_v1(&without, "", "memory\t0\t90\t0\n"), Memory::Off);
        assert_eq!(memory_v1(&without, "", ""), Memory::Off);
    }

    #[test]
    fn has_memcg_reads_a_kernel_configuration() {
        assert_eq!(has_memcg(b"CONFIG_A=y\nCONFIG_MEMCG=y\n"), Some(true));
        assert_eq!(has_memcg(b"CONFIG_MEMCG_KMEM=y\n# CONFIG_MEMCG is not set\n"), Some(false));
        assert_eq!(has_memcg(b"CONFIG_MEMCG_KMEM=y\n"), None);
    }
}
