//! The running kernel: how cgroups are mounted, whether the memory controller is there, and what the
//! kernel was told at boot.
//!
//! /proc/cgroups is a hint and no more: kernels without the old memory controller leave `memory` out
//! of it although the new one works.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

const MOUNTINFO: &str = "/proc/self/mountinfo";
const CMDLINE: &str = "/proc/cmdline";
const CGROUPS: &str = "/proc/cgroups";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const MODEL: &str = "/proc/device-tree/model";
/// What the firmware or boot loader left for the kernel: the device tree's own words come first in it.
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
    /// One tree for all controllers.
    V2,
    /// A tree for each controller, and systemd's own in the new form.
    Hybrid,
    /// A tree for each controller.
    V1,
    /// Not at all.
    Nowhere,
}

/// Whether pods can be limited in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The controller is there and in use.
    On,
    /// It is there, but the root of the tree does not hand it down.
    NotDelegated,
    /// It is there, but mounted nowhere (v1).
    NotMounted,
    /// It is not there.
    Off,
    /// No cgroup file system is mounted: nothing can be said.
    Unknown,
}

/// Whether a kernel was built with the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// It was.
    With,
    /// It was not: no command line helps.
    Without,
}

/// A mount, as far as it is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The type of file system.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Options of the mount.
    pub options: String,
    /// Options of the file system.
    pub super_options: String,
}

/// What the running kernel says.
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
    /// The board, where the device tree names it.
    pub model: Option<String>,
    /// The kernel's version.
    pub release: String,
    /// Its configuration, where it is in /boot.
    pub built: Option<Built>,
    /// All mounts.
    pub mounts: Vec<Mount>,
}

impl Mount {
    /// Whether nothing can be written there.
    pub fn is_read_only(&self) -> bool {
        [&self.options, &self.super_options].iter().any(|options| options.split(',').any(|option| option == "ro"))
    }
}

/// Reads it; none for an image.
pub fn read(root: &Root) -> Result<Option<Live>> {
    if !root.is_live() {
        return Ok(None);
    }
    let mounts = mounts(root)?;
    let hierarchy = hierarchy(&mounts);
    let list = |dir: &str, name: &str| text(root, &Path::new(dir).join(name)).map(Option::unwrap_or_default);
    let memory = match hierarchy {
        Hierarchy::V2 => memory_v2(&list(CGROUP, CONTROLLERS)?, &list(CGROUP, SUBTREE)?),
        Hierarchy::V1 | Hierarchy::Hybrid => {
            let unified = if hierarchy == Hierarchy::Hybrid { list(UNIFIED, CONTROLLERS)? } else { String::new() };
            memory_v1(&mounts, &unified, &text(root, Path::new(CGROUPS))?.unwrap_or_default())
        }
        Hierarchy::Nowhere => Memory::Unknown,
    };
    let release = text(root, Path::new(RELEASE))?.unwrap_or_default();
    let config = Path::new(CONFIG_DIR).join(format!("{CONFIG_PREFIX}{release}"));
    // Hundreds of kilobytes, and only of use where something is missing.
    let built = match memory {
        Memory::Off if !release.is_empty() => root.read(&config)?.and_then(|bytes| built(&bytes)),
        _ => None,
    };
    Ok(Some(Live {
        hierarchy,
        memory,
        cmdline: text(root, Path::new(CMDLINE))?.unwrap_or_default(),
        bootargs: text(root, Path::new(BOOTARGS))?,
        model: text(root, Path::new(MODEL))?,
        release,
        built,
        mounts,
    }))
}

/// All mounts of the running system.
pub fn mounts(root: &Root) -> Result<Vec<Mount>> {
    Ok(parse_mounts(&text(root, Path::new(MOUNTINFO))?.unwrap_or_default()))
}

/// Whether the kernels installed in an image can do it: with one that can, there is a way.
pub fn installed(root: &Root) -> Result<Option<Built>> {
    let dir = Path::new(CONFIG_DIR);
    let mut answer = None;
    for name in root.list(dir)? {
        if name.to_str().is_some_and(|name| name.starts_with(CONFIG_PREFIX)) {
            match root.read(&dir.join(name))?.and_then(|bytes| built(&bytes)) {
                Some(Built::With) => return Ok(Some(Built::With)),
                Some(Built::Without) => answer = Some(Built::Without),
                None => {}
            }
        }
    }
    Ok(answer)
}

/// A kernel's text: device tree strings end with NUL.
fn text(root: &Root, path: &Path) -> Result<Option<String>> {
    let bytes = root.read(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']).to_owned()))
}

fn built(config: &[u8]) -> Option<Built> {
    config.split(|byte| *byte == b'\n').find_map(|line| match line {
        _ if line == BUILT_IN.as_bytes() => Some(Built::With),
        _ if line == LEFT_OUT.as_bytes() => Some(Built::Without),
        _ => None,
    })
}

fn parse_mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    let (own, system) = line.split_once(" - ")?;
    let (mut own, mut system) = (own.split(' ').skip(4), system.split(' '));
    Some(Mount {
        point: PathBuf::from(unescape(own.next()?)),
        options: own.next()?.to_owned(),
        kind: system.next()?.to_owned(),
        source: unescape(system.next()?),
        super_options: system.next().unwrap_or_default().to_owned(),
    })
}

/// White space and the backslash stand there as three octal digits.
fn unescape(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

fn hierarchy(mounts: &[Mount]) -> Hierarchy {
    // Of several mounts over each other the last one is seen.
    let at = |point: &str| mounts.iter().rfind(|mount| mount.point == Path::new(point));
    if at(CGROUP).is_some_and(|mount| mount.kind == "cgroup2") {
        return Hierarchy::V2;
    }
    let has_v1 = mounts.iter().any(|mount| mount.kind == "cgroup");
    match at(UNIFIED) {
        Some(mount) if mount.kind == "cgroup2" => Hierarchy::Hybrid,
        _ if has_v1 => Hierarchy::V1,
        _ => Hierarchy::Nowhere,
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

fn memory_v1(mounts: &[Mount], unified: &str, cgroups: &str) -> Memory {
    let names =
        |mount: &&Mount| mount.kind == "cgroup" && mount.super_options.split(',').any(|name| name == CONTROLLER);
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
    use proptest::prelude::*;

    const V2: &str = "24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n\
        30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
        90 24 179:1 / /boot/firmware ro,relatime shared:40 - vfat /dev/mmcblk0p1 rw,fmask=0022\n";
    const HYBRID: &str = "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
        31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
    const MEMORY: &str = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn hierarchies_are_told_by_their_mounts() {
        assert_eq!(hierarchy(&parse_mounts(V2)), Hierarchy::V2);
        assert_eq!(hierarchy(&parse_mounts(HYBRID)), Hierarchy::Hybrid);
        assert_eq!(hierarchy(&parse_mounts(MEMORY)), Hierarchy::V1);
        assert_eq!(hierarchy(&parse_mounts("")), Hierarchy::Nowhere);
        let mounts = parse_mounts(V2);
        assert_eq!(mounts.iter().map(Mount::is_read_only).collect::<Vec<_>>(), [false, false, true]);
        let odd = parse_mounts("1 2 0:1 / /a\\040b rw - ext4 /dev/x\\134y rw\n");
        assert_eq!((odd[0].point.to_str().unwrap(), odd[0].source.as_str()), ("/a b", "/dev/x\\y"));
    }

    #[test]
    fn the_controller_is_found_where_it_is() {
        assert_eq!(memory_v2("cpuset cpu io memory pids", "cpu memory"), Memory::On);
        assert_eq!(memory_v2("cpuset cpu io memory pids", "cpu"), Memory::NotDelegated);
        assert_eq!(memory_v2("cpuset cpu io pids", "cpu"), Memory::Off);
        assert_eq!(memory_v2("", ""), Memory::Off);
        let with = parse_mounts(&format!("{HYBRID}{MEMORY}"));
        let without = parse_mounts(HYBRID);
        assert_eq!(memory_v1(&with, "", ""), Memory::On, "whatever /proc/cgroups says");
        assert_eq!(memory_v1(&without, "cpu memory", ""), Memory::On);
        assert_eq!(memory_v1(&without, "", "memory\t0\t90\t1\n"), Memory::NotMounted);
        assert_eq!(memory_v1(&without, "", "memory\t0\t90\t0\n"), Memory::Off);
        assert_eq!(memory_v1(&without, "", ""), Memory::Off);
    }

    #[test]
    fn a_kernel_says_how_it_was_built() {
        assert_eq!(built(b"CONFIG_A=y\nCONFIG_MEMCG=y\n"), Some(Built::With));
        assert_eq!(built(b"CONFIG_MEMCG_KMEM=y\n# CONFIG_MEMCG is not set\n"), Some(Built::Without));
        assert_eq!(built(b"CONFIG_MEMCG_KMEM=y\n"), None);
    }

    proptest! {
        #[test]
        fn any_mountinfo_is_read(text in "\\PC{0,200}", line in "[ a-z0-9/,:\\\\-]{0,80}") {
            parse_mounts(&text);
            parse_mounts(&line);
        }
    }
}
