//! Kernel modules: which ones boot loads, and which are loaded now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Finding, Host, Result, StatusLine};
use serde::{Deserialize, Serialize};

use super::modprobe::{self, Blocked, Modprobe};
use super::running::{ModuleState, Running};
use crate::report::{Shown, finding};

/// Directories of systemd-modules-load; of files with the same name, the first takes precedence
/// (modules-load.d(5)). Without the one below /run, which is lost on reboot.
const LOAD_DIRS: [&str; 3] = ["/etc/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d"];
/// Debian's older list; systemd reads it through a link in /etc/modules-load.d.
const OLD_LIST: &str = "/etc/modules";
pub(super) const SYS_MODULE: &str = "/sys/module";
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

/// What was read about modules.
#[derive(Debug, Clone)]
pub(super) struct ModuleFacts {
    listed: BTreeMap<String, Listed>,
    /// None for an image, where nothing is known of a running kernel.
    running: Option<Running>,
    blocked: BTreeMap<String, Blocked>,
    shown: Shown,
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
    let Modprobe { blocked, defined } = modprobe::read(host)?;
    Ok(ModuleFacts {
        listed: effective_modules(&texts),
        running: Running::read(&host.root, modules, &defined)?,
        blocked,
        shown: Shown::of(&host.root),
        own: super::snapshot(&host.root, Path::new(super::MODULES_FILE))?,
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

impl ModuleFacts {
    /// Whether a file must list it so that it is there after a boot. systemd-modules-load fails for the name of a
    /// built-in module that is not in modules.builtin.
    pub(super) fn needs_listing(&self, module: &Module) -> bool {
        self.listed(module).is_none() && self.state(module) != Some(ModuleState::BuiltInUnlisted)
    }

    /// Why it is not loaded at boot although it is listed, and the place of the line that blocks it.
    pub(super) fn blocked(&self, module: &Module) -> Option<(String, String)> {
        let is_built_in = matches!(self.state(module), Some(ModuleState::BuiltIn | ModuleState::BuiltInUnlisted));
        let blocked = self.blocked.get(&module.kernel_name()).filter(|_| !is_built_in)?;
        let place = self.shown.place(&blocked.file, blocked.line);
        Some((format!("module {} will not be loaded at boot: {place} blocks it", module.name()), place))
    }

    /// Whether modprobe must load it now; an error where that cannot work.
    pub(super) fn needs_load(&self, module: &Module) -> Result<bool> {
        let is_blocked = self.blocked.get(&module.kernel_name()).is_some_and(|blocked| blocked.always);
        match (&self.running, self.state(module)) {
            (_, Some(ModuleState::NotLoaded)) if is_blocked => {
                let place = self.blocked(module).map(|(_, place)| place).unwrap_or_default();
                Err(Error::cannot("load", format!("module {}", module.name()), format!("{place} blocks it"))
                    .hint(format!("comment out {place}, then run the command again")))
            }
            (Some(running), Some(ModuleState::Missing)) => Err(running.missing(module)),
            (_, state) => Ok(state == Some(ModuleState::NotLoaded)),
        }
    }

    fn listed(&self, module: &Module) -> Option<&Listed> {
        self.listed.get(&module.kernel_name())
    }

    fn place(&self, module: &Module) -> Option<String> {
        self.listed(module).map(|listed| self.shown.place(&listed.file, listed.line))
    }

    fn state(&self, module: &Module) -> Option<ModuleState> {
        self.running.as_ref()?.state(module)
    }

    pub(super) fn status(&self, module: &Module) -> StatusLine {
        let (state, without) = match self.state(module) {
            Some(ModuleState::Loaded) => ("loaded", "lost on reboot: no file in modules-load.d lists it"),
            Some(ModuleState::BuiltIn | ModuleState::BuiltInUnlisted) => ("built-in", "part of the running kernel"),
            Some(ModuleState::NotLoaded) => ("not-loaded", "no file in modules-load.d lists it"),
            Some(ModuleState::Missing) => ("missing", "the running kernel does not have it"),
            None => ("unknown", "no file in modules-load.d lists it"),
        };
        let place = self.place(module);
        let text = if place.is_some() { "loaded at boot" } else { without };
        StatusLine { source: place, ..StatusLine::new(format!("module {}", module.name()), state, text) }
    }

    pub(super) fn findings(&self, module: &Module) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = module.name();
        let (place, state) = (self.place(module), self.state(module));
        let apply = format!("edge-prep apply --module {name}");
        match (&self.running, state) {
            (Some(running), Some(ModuleState::Missing)) => {
                let error = running.missing(module);
                let text = format!("module {name} is not loaded: {}", error.cause());
                findings.push(finding(text, place.as_deref(), error.hint_text().unwrap_or_default()));
            }
            (_, Some(ModuleState::NotLoaded)) => {
                let see = "see why: systemctl status systemd-modules-load.service";
                let hint = if place.is_some() { see } else { &apply };
                findings.push(finding(format!("module {name} is not loaded"), place.as_deref(), hint));
            }
            _ => {}
        }
        if place.is_none() && !matches!(state, Some(ModuleState::BuiltIn | ModuleState::BuiltInUnlisted)) {
            let text = format!("module {name} is not loaded at boot: no file in modules-load.d lists it");
            findings.push(finding(text, None, apply));
        } else if let Some((text, place)) = self.blocked(module) {
            findings.push(finding(text, Some(&place), format!("comment out {place}")));
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
}
