//! The values that boot sets, in their order, and the current values of the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{FileSnapshot, Finding, Host, Result, StatusLine};

use super::{Sysctl, dotted, folded};
use crate::kernel::modules::{RUN, effective_files};
use crate::kernel::{SYSCTL_FILE, snapshot};
use crate::report::{Shown, finding};

/// Directories of systemd-sysctl; of files with the same name, the first takes precedence (sysctl.d(5)).
const DIRS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// procps' own file: `sysctl --system` reads it last.
const OLD_FILE: &str = "/etc/sysctl.conf";
/// The modules that provide keys.
const PROVIDERS: [(&str, &str); 4] = [
    ("net.bridge.", "br_netfilter"),
    ("net.ipv4.vs.", "ip_vs"),
    ("net.ipv6.", "ipv6"),
    ("net.netfilter.nf_conntrack_", "nf_conntrack"),
];
const ADMIN_DIR: &str = "/etc/sysctl.d";
/// The file of `--override`. Where that does not sort after the others, it has the name of the last one with this
/// suffix in place of `.conf`.
const OVERRIDE: &str = "zz-edgeutils.conf";
const OVERRIDE_SUFFIX: &str = ".edgeutils.conf";
const SUFFIX: &str = ".conf";

/// Where a value is set for boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAt {
    pub(in crate::kernel) value: String,
    file: PathBuf,
    line: usize,
}

impl SetAt {
    /// Whether systemd reads it at every boot. It reads procps' own file only through a link, and then the
    /// place has the link's name.
    fn is_persistent(&self) -> bool {
        !self.file.starts_with(RUN) && self.file != Path::new(OLD_FILE)
    }

    fn is_ours(&self) -> bool {
        is_ours(&self.file)
    }
}

/// Whether a file is one that edge-prep writes.
fn is_ours(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_override = name == OVERRIDE || name.ends_with(OVERRIDE_SUFFIX);
    file == Path::new(SYSCTL_FILE) || (file.parent() == Some(Path::new(ADMIN_DIR)) && is_override)
}

/// What was read about sysctls.
#[derive(Debug, Clone)]
pub(in crate::kernel) struct SysctlFacts {
    /// By key, in the order in which boot sets them: the last one takes effect.
    set: BTreeMap<String, Vec<SetAt>>,
    live: BTreeMap<String, String>,
    pub(in crate::kernel) is_live: bool,
    shown: Shown,
    /// The files that edge-prep writes, as they are.
    own: BTreeMap<PathBuf, FileSnapshot>,
    /// The one of them that is read after every other file.
    last_file: PathBuf,
}

pub(in crate::kernel) fn facts(host: &Host, sysctls: &[Sysctl]) -> Result<SysctlFacts> {
    let mut texts = Vec::new();
    for (path, found) in effective_files(host, &DIRS)? {
        texts.push((path, String::from_utf8_lossy(&found.bytes).into_owned()));
    }
    let last_file = override_file(texts.iter().map(|(path, _)| path.as_path()));
    let mut own = BTreeMap::new();
    let ours = texts.iter().map(|(path, _)| path.clone()).filter(|path| is_ours(path));
    for path in ours.chain([PathBuf::from(SYSCTL_FILE), last_file.clone()]) {
        own.insert(path.clone(), snapshot(&host.root, &path)?);
    }
    // Debian links it as 99-sysctl.conf up to 12; from 13 on systemd does not read it.
    if let Some(bytes) = host.root.read(Path::new(OLD_FILE))? {
        let linked = texts.iter().any(|(path, _)| path.file_name().is_some_and(|name| name == "99-sysctl.conf"));
        if !linked {
            texts.push((PathBuf::from(OLD_FILE), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let mut live = BTreeMap::new();
    if host.root.is_live() {
        for sysctl in sysctls {
            if let Some(bytes) = host.root.read(&sysctl.path())? {
                live.insert(sysctl.key.clone(), folded(&String::from_utf8_lossy(&bytes)));
            }
        }
    }
    let (set, is_live) = (effective_sysctls(&texts), host.root.is_live());
    Ok(SysctlFacts { set, live, is_live, shown: Shown::of(&host.root), own, last_file })
}

/// What to do about a key that does not exist.
pub(in crate::kernel) fn provider(key: &str) -> String {
    let load = "load the kernel module that provides it";
    match PROVIDERS.iter().find(|(prefix, _)| key.starts_with(prefix)) {
        Some((_, module)) => format!("{load}: edge-prep apply --module {module}"),
        None => format!("check the spelling of the key, or {load}"),
    }
}

/// The file of ours that sorts after all these.
fn override_file<'p>(files: impl Iterator<Item = &'p Path>) -> PathBuf {
    let last = files.filter(|path| !is_ours(path)).filter_map(Path::file_name).max();
    let last = last.map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = match last.strip_suffix(SUFFIX) {
        Some(stem) if &*last > OVERRIDE => format!("{stem}{OVERRIDE_SUFFIX}"),
        _ => OVERRIDE.to_owned(),
    };
    Path::new(ADMIN_DIR).join(name)
}

/// All values that boot sets, by key and in order. Keys with wildcards are kept as they are: no requested key has one.
pub fn effective_sysctls(texts: &[(PathBuf, String)]) -> BTreeMap<String, Vec<SetAt>> {
    let mut set: BTreeMap<String, Vec<SetAt>> = BTreeMap::new();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            if let Some((key, value)) = setting(line) {
                set.entry(key).or_default().push(SetAt { value, file: file.clone(), line: index + 1 });
            }
        }
    }
    set
}

/// Key and value of a line; a leading `-` means that a failure to set it is ignored.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let key = key.strip_prefix('-').unwrap_or(key);
    Some((dotted(key), folded(value)))
}

impl SysctlFacts {
    fn all(&self, sysctl: &Sysctl) -> impl DoubleEndedIterator<Item = &SetAt> {
        self.set.get(&sysctl.key).into_iter().flatten()
    }

    /// What every boot sets last.
    fn at_boot(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        self.all(sysctl).rfind(|at| at.is_persistent())
    }

    /// The different value in a file of others that is read after ours at every boot.
    pub(in crate::kernel) fn overridden(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        let own = Path::new(SYSCTL_FILE);
        let is_after = |at: &SetAt| at.file.file_name() > own.file_name();
        self.at_boot(sysctl).filter(|at| at.value != sysctl.value && !at.is_ours() && is_after(at))
    }

    /// The file of ours that must be written for a value; none where it is set already, even if a later file
    /// overrides it and must not be overridden in turn.
    pub(in crate::kernel) fn target(&self, sysctl: &Sysctl, overrides: bool) -> Option<&Path> {
        let own = Path::new(SYSCTL_FILE);
        match self.at_boot(sysctl) {
            Some(at) if at.value == sysctl.value => None,
            // A value of an earlier `--override` is changed where it is.
            Some(at) if at.is_ours() => Some(&at.file),
            _ if self.overridden(sysctl).is_none() => Some(own),
            _ if overrides => Some(&self.last_file),
            _ => {
                let is_set = self.all(sysctl).rfind(|at| at.file == own).is_some_and(|at| at.value == sysctl.value);
                (!is_set).then_some(own)
            }
        }
    }

    pub(in crate::kernel) fn place(&self, at: &SetAt) -> String {
        self.shown.place(&at.file, at.line)
    }

    pub(in crate::kernel) fn live(&self, sysctl: &Sysctl) -> Option<&str> {
        self.live.get(&sysctl.key).map(String::as_str)
    }

    /// A file of ours, and its text without different values for these keys.
    pub(in crate::kernel) fn own_without(&self, file: &Path, sysctls: &[&Sysctl]) -> Option<(&FileSnapshot, Vec<u8>)> {
        let own = self.own.get(file)?;
        let is_kept = |line: &&[u8]| {
            setting(&String::from_utf8_lossy(line))
                .is_none_or(|(key, value)| !sysctls.iter().any(|sysctl| sysctl.key == key && sysctl.value != value))
        };
        Some((own, own.bytes.split_inclusive(|byte| *byte == b'\n').filter(is_kept).collect::<Vec<_>>().concat()))
    }

    pub(in crate::kernel) fn status(&self, sysctl: &Sysctl) -> StatusLine {
        let state = match (self.live(sysctl), self.is_live) {
            (Some(value), _) => value.to_owned(),
            (None, true) => "missing".to_owned(),
            (None, false) => "unknown".to_owned(),
        };
        let last = self.at_boot(sysctl).or_else(|| self.all(sysctl).next_back());
        let text = match last {
            Some(at) if at.is_persistent() => format!("set to {} at boot", at.value),
            Some(at) => format!("set to {} only in a file that systemd does not read at boot", at.value),
            None => "not set at boot".to_owned(),
        };
        let source = last.map(|at| self.place(at));
        StatusLine { source, ..StatusLine::new(format!("sysctl {}", sysctl.key), state, text) }
    }

    pub(in crate::kernel) fn findings(&self, sysctl: &Sysctl) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Sysctl { key, value } = sysctl;
        let apply = format!("edge-prep apply {}", sysctl.option());
        let at_boot = self.at_boot(sysctl);
        match (self.live(sysctl), self.is_live) {
            (Some(now), _) if now != value => {
                let place = self.all(sysctl).rfind(|at| at.value == now).map(|at| self.place(at));
                findings.push(finding(format!("{key} is {now}, not {value}"), place.as_deref(), &apply));
            }
            (None, true) => {
                findings.push(finding(format!("{key} does not exist"), None, provider(key)));
            }
            _ => {}
        }
        let elsewhere = self.all(sysctl).rfind(|at| !at.is_persistent());
        match (at_boot, elsewhere) {
            (Some(at), _) if at.value != *value => {
                let text = format!("{key} will be {} after a reboot, not {value}", at.value);
                let option = if self.overridden(sysctl).is_some() { " --override" } else { "" };
                findings.push(finding(text, Some(&self.place(at)), format!("{apply}{option}")));
            }
            (Some(_), Some(at)) if at.file == Path::new(OLD_FILE) && at.value != *value => {
                let text =
                    format!("sysctl --system sets {key} to {}; systemd does not read this file at boot", at.value);
                findings.push(
                    Finding::warning(self.shown.path(&at.file), text)
                        .on_line(Some(at.line))
                        .hint(format!("set {} there too", sysctl.line())),
                );
            }
            (Some(_), _) => {}
            (None, Some(at)) => findings.push(finding(
                format!("{key} is not set at boot: only a file that systemd does not read then sets it"),
                Some(&self.place(at)),
                apply,
            )),
            (None, None) => {
                findings.push(finding(format!("{key} is not set at boot: no file in sysctl.d sets it"), None, apply));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_the_file_that_takes_precedence() {
        let texts = [
            (PathBuf::from("/usr/lib/sysctl.d/50-default.conf"), "# x\n-net.ipv4.ip_forward=0\n".to_owned()),
            (PathBuf::from(SYSCTL_FILE), "net.ipv4.ip_forward = 1\n".to_owned()),
            (PathBuf::from("/etc/sysctl.d/99-mine.conf"), "\n; c\nnet/ipv4/ip_forward = 0\n".to_owned()),
        ];
        let facts = SysctlFacts {
            set: effective_sysctls(&texts),
            live: BTreeMap::new(),
            is_live: false,
            shown: Shown::of(&edge_host::Root::live().unwrap()),
            own: BTreeMap::new(),
            last_file: override_file(texts.iter().map(|(path, _)| path.as_path())),
        };
        let sysctl = Sysctl::parse("net.ipv4.ip_forward=1").unwrap();
        assert_eq!(facts.target(&sysctl, false), None, "our file sets it");
        assert_eq!(facts.target(&sysctl, true), Some(Path::new("/etc/sysctl.d/zz-edgeutils.conf")));
        let by = facts.overridden(&sysctl).unwrap();
        assert_eq!(facts.place(by), "/etc/sysctl.d/99-mine.conf:3");
        assert_eq!(facts.findings(&sysctl)[0].text, "net.ipv4.ip_forward will be 0 after a reboot, not 1");
    }

    #[test]
    fn override_file_sorts_after_every_other() {
        for last in ["99-x.conf", "zz.conf", "zz-edgeutils.conf.conf", "zzz.conf", "zz-f.conf", "~.conf", "zzz.a.conf"]
        {
            let file =
                override_file([Path::new("/etc/sysctl.d/90-edgeutils.conf"), &Path::new("/x").join(last)].into_iter());
            assert!(file.file_name().unwrap() > std::ffi::OsStr::new(last), "{last}: {}", file.display());
            assert!(is_ours(&file), "{last}");
        }
    }
}
