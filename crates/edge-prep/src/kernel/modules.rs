//! Kernel modules: which ones boot loads, which are loaded now, and which are built into the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Finding, Host, Result, StatusLine};
use serde::{Deserialize, Serialize};

use crate::report::finding;

/// Directories of systemd-modules-load; of files with the same name, the first takes precedence
/// (modules-load.d(5)). Without the one below /run, which is lost on reboot.
const LOAD_DIRS: [&str; 3] = ["/etc/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d"];
/// Debian's older list; systemd reads it through a link in /etc/modules-load.d.
const OLD_LIST: &str = "/etc/modules";
const SYS_MODULE: &str = "/sys/module";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const LIB_MODULES: &str = "/lib/modules";
pub(super) const RUN: &str = "/run";

/// A module's name, safe as an argument and as part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module(String);

impl Module {
    /// Checks a name from the user; errors are usage errors.
    pub fn parse(text: &str) -> Result<Module> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.starts_with('-') || text.len() > 64 || !text.bytes().all(is_valid) {
            return Err(Error::usage(format!(
                "{text:?} is not a valid module name: expected up to 64 letters, digits, \"_\" and \"-\""
            ))
            .hint("use a name as modprobe takes it, such as br_netfilter"));
        }
        Ok(Module(text.to_owned()))
    }

    /// The name as the user gave it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The name with every dash as an underscore, as the kernel writes it.
    pub(crate) fn kernel_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The directory that exists while the module is loaded or built in.
    pub fn sys_path(&self) -> String {
        format!("{SYS_MODULE}/{}", self.kernel_name())
    }
}

/// Where a module is listed for boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    file: PathBuf,
    line: usize,
}

/// The state of a module in the running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModuleState {
    /// In /sys/module: loaded, or built in and with parameters.
    Loaded,
    NotLoaded,
    /// In modules.builtin only: a built-in module without parameters has no directory in /sys/module.
    BuiltIn,
}

/// What was read about modules.
#[derive(Debug, Clone)]
pub(super) struct ModuleFacts {
    listed: BTreeMap<String, Listed>,
    /// None for an image, where nothing is known of a running kernel.
    now: Option<BTreeMap<String, ModuleState>>,
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
        own: super::snapshot(&host.root, Path::new(super::MODULES_FILE))?,
    })
}

fn now(host: &Host, modules: &[Module]) -> Result<BTreeMap<String, ModuleState>> {
    let release = host.root.read(Path::new(RELEASE))?.unwrap_or_default();
    let release = String::from_utf8_lossy(&release).trim().to_owned();
    let builtin = Path::new(LIB_MODULES).join(release).join("modules.builtin");
    let builtin = host.root.read(&builtin)?.unwrap_or_default();
    let builtin = String::from_utf8_lossy(&builtin).into_owned();
    let mut all = BTreeMap::new();
    for module in modules {
        let state = if host.root.find(Path::new(&module.sys_path()))?.exists() {
            ModuleState::Loaded
        } else if is_builtin(&builtin, &module.kernel_name()) {
            ModuleState::BuiltIn
        } else {
            ModuleState::NotLoaded
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

/// The modules that boot loads, by kernel name, with the file and line of each.
pub fn effective_modules(texts: &[(PathBuf, String)]) -> BTreeMap<String, Listed> {
    let mut listed = BTreeMap::new();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            // /etc/modules allows parameters after the name.
            let name = line.split_whitespace().next().unwrap_or_default().replace('-', "_");
            listed.entry(name).or_insert_with(|| Listed { file: file.clone(), line: index + 1 });
        }
    }
    listed
}

/// The `*.conf` files of configuration directories in the order of their names; of files with the same
/// name, the one in the first directory takes precedence (modules-load.d(5), sysctl.d(5)).
pub(super) fn effective_files(host: &Host, dirs: &[&str]) -> Result<Vec<(PathBuf, FileSnapshot)>> {
    let mut all = Vec::new();
    for path in edge_systemd::effective_files(&host.root, dirs)? {
        let found = super::snapshot(&host.root, &path)?;
        // A link to /dev/null masks the file of that name, and a dangling link counts as empty.
        if matches!(found.state, edge_host::State::File { .. }) {
            all.push((path, found));
        }
    }
    Ok(all)
}

impl Listed {
    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

impl ModuleFacts {
    pub(super) fn persists(&self, name: &str) -> bool {
        self.listed.contains_key(&name.replace('-', "_"))
    }

    pub(super) fn needs_load(&self, module: &Module) -> bool {
        self.state(module) == Some(ModuleState::NotLoaded)
    }

    fn state(&self, module: &Module) -> Option<ModuleState> {
        self.now.as_ref()?.get(&module.kernel_name()).copied()
    }

    pub(super) fn status(&self, module: &Module) -> StatusLine {
        let listed = self.listed.get(&module.kernel_name());
        let state = match self.state(module) {
            Some(ModuleState::Loaded) => "loaded",
            Some(ModuleState::BuiltIn) => "built-in",
            Some(ModuleState::NotLoaded) => "not-loaded",
            None => "unknown",
        };
        let text = match listed {
            Some(_) => "loaded at boot",
            None => "not loaded at boot",
        };
        StatusLine {
            object: format!("module {}", module.name()),
            state: state.to_owned(),
            source: listed.map(Listed::place),
            text: text.to_owned(),
            ..StatusLine::default()
        }
    }

    pub(super) fn findings(&self, module: &Module) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = module.name();
        let apply = format!("edge-prep apply --module {name}");
        let listed = self.listed.get(&module.kernel_name());
        if self.state(module) == Some(ModuleState::NotLoaded) {
            let place = listed.map(Listed::place);
            let hint = if place.is_some() {
                "see why: systemctl status systemd-modules-load.service".to_owned()
            } else {
                apply.clone()
            };
            findings.push(finding(format!("module {name} is not loaded"), place.as_deref(), hint));
        }
        if listed.is_none() && self.state(module) != Some(ModuleState::BuiltIn) {
            let text = format!("module {name} is not loaded at boot: no file in modules-load.d lists it");
            findings.push(finding(text, None, apply));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_parse_refuses_invalid_names() {
        for bad in ["", "-r", "a/b", "../x", "a b", "ä", &"x".repeat(65)] {
            assert!(Module::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Module::parse("ip-vs").unwrap().sys_path(), "/sys/module/ip_vs");
    }

    #[test]
    fn effective_modules_reports_the_first_file_that_lists_a_module() {
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
    fn is_builtin_compares_the_file_name() {
        let list = "kernel/fs/overlayfs/overlay.ko\nkernel/net/bridge/br-netfilter.ko\n";
        assert!(is_builtin(list, "overlay") && is_builtin(list, "br_netfilter"));
        assert!(!is_builtin(list, "over") && !is_builtin("", "overlay"));
    }
}
