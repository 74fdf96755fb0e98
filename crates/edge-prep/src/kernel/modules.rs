//! Kernel modules: what is listed for boot, what is loaded, what is built in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Finding, Host, Result, StatusLine};
use serde::{Deserialize, Serialize};

use crate::report::fault;

/// Directories of systemd-modules-load, the first wins for files of one name (modules-load.d(5)).
/// Not the one below /run: what it lists is gone at the next boot.
const LOAD_DIRS: [&str; 3] = ["/etc/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d"];
/// Debian's older list; systemd reads it through a link in /etc/modules-load.d.
const OLD_LIST: &str = "/etc/modules";
const SYS_MODULE: &str = "/sys/module";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const LIB_MODULES: &str = "/lib/modules";
pub(super) const RUN: &str = "/run";

/// A module's name: it becomes an argument and part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module(String);

impl Module {
    /// Checks a name as the user gave it.
    pub fn parse(text: &str) -> Result<Module> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.starts_with('-') || text.len() > 64 || !text.bytes().all(good) {
            return Err(Error::usage(format!("cannot use the module {text:?}: it is no module's name"))
                .hint("such as br_netfilter"));
        }
        Ok(Module(text.to_owned()))
    }

    /// As given.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The kernel writes every dash as an underscore.
    pub(crate) fn kernel_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The directory that is there while it is loaded or built in.
    pub fn sys_path(&self) -> String {
        format!("{SYS_MODULE}/{}", self.kernel_name())
    }
}

/// Where a module stands in the lists for boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    file: PathBuf,
    line: usize,
}

/// How a module is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    /// Loaded, or built into the kernel.
    There,
    NotThere,
    /// Not in /sys/module, but the kernel's own list names it: it has no parameters and no directory.
    BuiltIn,
}

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct ModuleFacts {
    listed: BTreeMap<String, Listed>,
    /// None where live facts are unknown.
    now: Option<BTreeMap<String, Now>>,
    pub(super) own: FileSnapshot,
}

pub(super) fn facts(host: &Host, modules: &[Module]) -> Result<ModuleFacts> {
    let mut texts = Vec::new();
    for (path, found) in effective_files(host, &LOAD_DIRS)? {
        texts.push((path, String::from_utf8_lossy(&found.bytes).into_owned()));
    }
    if let Some(bytes) = host.root.read(Path::new(OLD_LIST))? {
        texts.push((PathBuf::from(OLD_LIST), String::from_utf8_lossy(&bytes).into_owned()));
    }
    let now = if host.root.is_live() { Some(now(host, modules)?) } else { None };
    Ok(ModuleFacts {
        listed: effective_modules(&texts),
        now,
        own: super::standing(&host.root, Path::new(super::MODULES_FILE))?,
    })
}

fn now(host: &Host, modules: &[Module]) -> Result<BTreeMap<String, Now>> {
    let release = host.root.read(Path::new(RELEASE))?.unwrap_or_default();
    let release = String::from_utf8_lossy(&release).trim().to_owned();
    let builtin = Path::new(LIB_MODULES).join(release).join("modules.builtin");
    let builtin = host.root.read(&builtin)?.unwrap_or_default();
    let builtin = String::from_utf8_lossy(&builtin).into_owned();
    let mut all = BTreeMap::new();
    for module in modules {
        let state = if host.root.find(Path::new(&module.sys_path()))?.exists() {
            Now::There
        } else if is_builtin(&builtin, &module.kernel_name()) {
            Now::BuiltIn
        } else {
            Now::NotThere
        };
        all.insert(module.kernel_name(), state);
    }
    Ok(all)
}

/// Whether modules.builtin (`kernel/fs/overlayfs/overlay.ko` a line) names the module.
fn is_builtin(list: &str, kernel_name: &str) -> bool {
    list.lines().any(|line| {
        let file = line.rsplit('/').next().unwrap_or_default();
        file.strip_suffix(".ko").is_some_and(|name| name.replace('-', "_") == kernel_name)
    })
}

/// The modules that boot loads, by kernel name, with the place of each.
pub fn effective_modules(texts: &[(PathBuf, String)]) -> BTreeMap<String, Listed> {
    let mut listed = BTreeMap::new();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            // /etc/modules allows parameters behind the name.
            let name = line.split_whitespace().next().unwrap_or_default().replace('-', "_");
            listed.entry(name).or_insert_with(|| Listed { file: file.clone(), line: index + 1 });
        }
    }
    listed
}

/// The `*.conf` files of configuration directories, the first directory winning for files of one
/// name, in the order of their names: the rule of modules-load.d(5), sysctl.d(5) and their kin.
pub(super) fn effective_files(host: &Host, dirs: &[&str]) -> Result<Vec<(PathBuf, FileSnapshot)>> {
    let mut all = Vec::new();
    for path in edge_systemd::effective_files(&host.root, dirs)? {
        let found = super::standing(&host.root, &path)?;
        // A link to /dev/null masks the file of that name; a dangling one is as good as empty.
        if matches!(found.state, edge_host::State::File { .. }) {
            all.push((path, found));
        }
    }
    Ok(all)
}

impl ModuleFacts {
    pub(super) fn persists(&self, name: &str) -> bool {
        self.listed.contains_key(&name.replace('-', "_"))
    }

    pub(super) fn needs_load(&self, module: &Module) -> bool {
        self.state(module) == Some(Now::NotThere)
    }

    fn state(&self, module: &Module) -> Option<Now> {
        self.now.as_ref()?.get(&module.kernel_name()).copied()
    }

    pub(super) fn line(&self, module: &Module) -> StatusLine {
        let listed = self.listed.get(&module.kernel_name());
        let state = match self.state(module) {
            Some(Now::There) => "loaded",
            Some(Now::BuiltIn) => "built into the kernel",
            Some(Now::NotThere) => "not loaded",
            None => "unknown",
        };
        let text = match listed {
            Some(_) => "loaded at every boot",
            None => "not loaded at boot by any list",
        };
        StatusLine {
            object: format!("module {}", module.name()),
            state: state.to_owned(),
            source: listed.map(|listed| format!("{}:{}", listed.file.display(), listed.line)),
            text: text.to_owned(),
            ..StatusLine::default()
        }
    }

    pub(super) fn faults(&self, module: &Module) -> Vec<Finding> {
        let mut faults = Vec::new();
        let fault = |what: &str, layer: Option<String>, hint: &str| {
            fault(format!("module {} {what}", module.name()), layer.as_deref(), hint)
        };
        let listed = self.listed.get(&module.kernel_name());
        if self.state(module) == Some(Now::NotThere) {
            let layer = listed.map(|listed| format!("{}:{}", listed.file.display(), listed.line));
            let hint = if layer.is_some() {
                "systemctl status systemd-modules-load.service says why; is it in the kernel's module package, or denied in /etc/modprobe.d?"
            } else {
                "edge-prep apply loads it"
            };
            faults.push(fault("is not loaded", layer, hint));
        }
        if listed.is_none() && self.state(module) != Some(Now::BuiltIn) {
            faults.push(fault("is not loaded at boot by any list", None, "edge-prep apply lists it"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_typed() {
        for bad in ["", "-r", "a/b", "../x", "a b", "ä", &"x".repeat(65)] {
            assert!(Module::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Module::parse("ip-vs").unwrap().sys_path(), "/sys/module/ip_vs");
    }

    #[test]
    fn the_first_list_that_names_a_module_is_its_place() {
        let texts = [
            (PathBuf::from("/etc/modules-load.d/a.conf"), "# c\n; c\n\n br-netfilter \n".to_owned()),
            (PathBuf::from("/etc/modules"), "br_netfilter\nloop max_loop=8\n".to_owned()),
        ];
        let listed = effective_modules(&texts);
        assert_eq!(listed["br_netfilter"], Listed { file: "/etc/modules-load.d/a.conf".into(), line: 4 });
        assert_eq!(listed["loop"], Listed { file: "/etc/modules".into(), line: 2 });
        assert_eq!(listed.len(), 2);
    }

    #[test]
    fn a_built_in_module_is_found_by_its_file() {
        let list = "kernel/fs/overlayfs/overlay.ko\nkernel/net/bridge/br-netfilter.ko\n";
        assert!(is_builtin(list, "overlay") && is_builtin(list, "br_netfilter"));
        assert!(!is_builtin(list, "over") && !is_builtin("", "overlay"));
    }
}
