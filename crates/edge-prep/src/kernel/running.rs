//! Modules of the running kernel: loaded, built in, or missing.
//!
//! A built-in module is not always in /sys/module (only those with parameters or a version are), and a kernel that was
//! built without modules has no modules.builtin either: then its features show it. Such a kernel needs no modprobe,
//! which would fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use edge_host::{Error, Result, Root};

use super::modules::{Module, SYS_MODULE};

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const LIB_MODULES: &str = "/lib/modules";
const FILE_SYSTEMS: &str = "/proc/filesystems";
/// Only a loaded module has this file in its directory below /sys/module.
const INIT_STATE: &str = "initstate";
/// The files of modules that are not file systems, by kernel name; each exists only with the module's code.
const FEATURES: [(&str, &str); 7] = [
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("ip_tables", "/proc/net/ip_tables_names"),
    ("ip6_tables", "/proc/net/ip6_tables_names"),
    ("ip_vs", "/proc/net/ip_vs"),
    ("ipv6", "/proc/sys/net/ipv6"),
    ("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"),
    ("tun", "/sys/class/misc/tun"),
];

/// The state of a module in the running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModuleState {
    Loaded,
    /// Built in; modules.builtin has it, so that systemd-modules-load accepts its name.
    BuiltIn,
    /// Built in, by /sys/module or a feature of the kernel alone.
    BuiltInUnlisted,
    /// Not loaded, and modprobe can load it.
    NotLoaded,
    /// Not loaded, and this kernel does not have it.
    Missing,
}

/// The running kernel.
#[derive(Debug, Clone)]
pub(super) struct Running {
    release: String,
    has_modules: bool,
    states: BTreeMap<String, ModuleState>,
}

impl Running {
    /// Reads the states of these modules; none for an image. `defined` are the names that modprobe.d defines.
    pub(super) fn read(root: &Root, modules: &[Module], defined: &BTreeSet<String>) -> Result<Option<Running>> {
        if !root.is_live() {
            return Ok(None);
        }
        let text =
            |path: &Path| root.read(path).map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let release = text(Path::new(RELEASE))?.unwrap_or_default().trim().to_owned();
        let dir = Path::new(LIB_MODULES).join(&release);
        let builtin = text(&dir.join("modules.builtin"))?.unwrap_or_default();
        let dep = text(&dir.join("modules.dep"))?;
        let aliases = text(&dir.join("modules.alias"))?.unwrap_or_default();
        let file_systems = text(Path::new(FILE_SYSTEMS))?.unwrap_or_default();
        let mut states = BTreeMap::new();
        for module in modules {
            let name = module.kernel_name();
            let sys = Path::new(SYS_MODULE).join(&name);
            let state = if root.find(&sys.join(INIT_STATE))?.exists() {
                ModuleState::Loaded
            } else if is_listed(&builtin, &name) {
                ModuleState::BuiltIn
            } else if root.find(&sys)?.exists() || is_file_system(&file_systems, &name) || has_feature(root, &name)? {
                ModuleState::BuiltInUnlisted
            } else if is_listed(dep.as_deref().unwrap_or_default(), &name)
                || is_alias(&aliases, &name)
                || defined.contains(&name)
            {
                ModuleState::NotLoaded
            } else {
                ModuleState::Missing
            };
            states.insert(name, state);
        }
        Ok(Some(Running { release, has_modules: dep.is_some(), states }))
    }

    pub(super) fn state(&self, module: &Module) -> Option<ModuleState> {
        self.states.get(&module.kernel_name()).copied()
    }

    /// Why a module that this kernel does not have cannot be loaded.
    pub(super) fn missing(&self, module: &Module) -> Error {
        let (name, release) = (module.name(), &self.release);
        let cause = if self.has_modules {
            format!("the kernel {release} does not have it")
        } else {
            format!("no modules are installed for the running kernel {release}, as after an upgrade without a reboot")
        };
        Error::cannot("load", format!("module {name}"), cause)
            .hint(format!("see what modprobe finds: modprobe --dry-run --verbose {name}"))
    }
}

/// Whether modules.builtin (`kernel/fs/overlayfs/overlay.ko` a line) or modules.dep (`…/overlay.ko.xz: …`) has it.
fn is_listed(list: &str, kernel_name: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == kernel_name)
    })
}

/// Whether modules.alias (`alias NAME MODULE` a line) has this very name.
fn is_alias(aliases: &str, kernel_name: &str) -> bool {
    aliases.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("alias") && words.next().is_some_and(|name| name.replace('-', "_") == kernel_name)
    })
}

/// Whether /proc/filesystems (`nodev overlay` a line) has it.
fn is_file_system(list: &str, kernel_name: &str) -> bool {
    list.lines().filter_map(|line| line.split_whitespace().next_back()).any(|name| name == kernel_name)
}

fn has_feature(root: &Root, kernel_name: &str) -> Result<bool> {
    match FEATURES.iter().find(|(name, _)| *name == kernel_name) {
        Some((_, path)) => Ok(root.find(Path::new(path))?.exists()),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_modules_are_compared_by_file_name() {
        let builtin = "kernel/fs/overlayfs/overlay.ko\nkernel/net/bridge/br-netfilter.ko\n";
        assert!(is_listed(builtin, "overlay") && is_listed(builtin, "br_netfilter"));
        assert!(!is_listed(builtin, "over") && !is_listed("", "overlay"));
        let dep = "kernel/net/br-netfilter.ko.xz: kernel/net/bridge.ko.xz\nextra/x.ko:\n";
        assert!(is_listed(dep, "br_netfilter") && is_listed(dep, "x") && !is_listed(dep, "bridge"));
        assert!(is_alias("alias net-pf-10 ipv6\n", "net_pf_10") && !is_alias("alias a b\n", "b"));
        let systems = "nodev\toverlay\n\text4\n";
        assert!(is_file_system(systems, "overlay") && is_file_system(systems, "ext4"));
        assert!(!is_file_system(systems, "nodev"));
    }
}
