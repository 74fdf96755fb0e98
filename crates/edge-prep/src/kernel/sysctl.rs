//! Sysctls: what boot sets, in the order in which it is set, and what the kernel holds now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Finding, Host, Result, StatusLine};
use serde::{Deserialize, Serialize};

use super::modules::{RUN, effective_files};
use crate::report::fault;

/// Directories of systemd-sysctl, the first wins for files of one name (sysctl.d(5)).
const DIRS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// procps' own file: `sysctl --system` reads it last.
const OLD_FILE: &str = "/etc/sysctl.conf";
const PROC_SYS: &str = "/proc/sys";

/// A kernel value that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// The key in dots.
    pub key: String,
    /// The value, white space folded.
    pub value: String,
}

impl Sysctl {
    /// `K=V` as the user gave it; the key in dots or slashes.
    pub fn parse(text: &str) -> Result<Sysctl> {
        let bad = |why: &str| {
            Error::usage(format!("cannot use the sysctl {text:?}: {why}")).hint("such as net.ipv4.ip_forward=1")
        };
        let (key, value) = text.split_once('=').ok_or_else(|| bad("K=V is wanted"))?;
        if value.contains(['\n', '\r', '\0']) {
            return Err(bad("the value has more than one line"));
        }
        let key = dotted(key.trim());
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@".contains(&byte);
        let parts: Vec<&str> = key.split('.').collect();
        if parts.len() < 2 || key.len() > 255 || !key.bytes().all(good) {
            return Err(bad("the key is not one of the kernel's"));
        }
        // A slash inside a part stands for a dot in a name (eth0.100); `..` would lead elsewhere.
        if parts.iter().any(|part| part.is_empty() || part.split('/').any(|name| name.is_empty())) {
            return Err(bad("the key has an empty part"));
        }
        let value = folded(value);
        if value.is_empty() || value.contains(char::is_control) || value.len() > 1024 {
            return Err(bad("the value is empty or holds a control character"));
        }
        Ok(Sysctl { key, value })
    }

    /// The file below /proc/sys.
    pub fn path(&self) -> PathBuf {
        let mut path = PathBuf::from(PROC_SYS);
        path.extend(self.key.split('.').map(|part| part.replace('/', ".")));
        path
    }

    /// The line of a configuration file.
    pub(super) fn line(&self) -> String {
        format!("{} = {}", self.key, self.value)
    }
}

/// White space between the numbers of one value does not matter to the kernel.
fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A key in dots: where the first separator is a slash, slashes and dots change places (sysctl.d(5)).
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'/') => key
            .chars()
            .map(|char| match char {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// Where a value is set for boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAt {
    pub(super) value: String,
    file: PathBuf,
    line: usize,
}

impl SetAt {
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }

    /// Whether systemd finds it there at every boot. procps' own file it reads through a link alone,
    /// and then that has the link's name.
    fn lasts(&self) -> bool {
        !self.file.starts_with(RUN) && self.file != Path::new(OLD_FILE)
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct SysctlFacts {
    /// By key, in the order in which boot sets them: the last one counts.
    set: BTreeMap<String, Vec<SetAt>>,
    live: BTreeMap<String, String>,
    pub(super) is_live: bool,
    pub(super) own: FileSnapshot,
}

pub(super) fn facts(host: &Host, sysctls: &[Sysctl]) -> Result<SysctlFacts> {
    let mut texts = Vec::new();
    for (path, found) in effective_files(host, &DIRS)? {
        texts.push((path, String::from_utf8_lossy(&found.bytes).into_owned()));
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
    let own = super::standing(&host.root, Path::new(super::SYSCTL_FILE))?;
    Ok(SysctlFacts { set: effective_sysctls(&texts), live, is_live: host.root.is_live(), own })
}

/// All settings of boot by key, in the order in which they are made. Globs are no keys of ours.
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

/// Key and value of a line; a `-` in front only means that a failure is no error.
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
    fn last(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        self.set.get(&sysctl.key)?.last()
    }

    /// Whether every boot sets it, by our file or another, whatever comes later.
    pub(super) fn persists(&self, sysctl: &Sysctl) -> bool {
        let all = || self.set.get(&sysctl.key).into_iter().flatten();
        let is_wanted = |at: Option<&SetAt>| at.is_some_and(|at| at.value == sysctl.value);
        let own = Path::new(super::SYSCTL_FILE);
        is_wanted(all().rfind(|at| at.lasts())) || is_wanted(all().rfind(|at| at.file == own))
    }

    /// The setting of another file that comes after ours and says something else.
    pub(super) fn overridden(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        let own = Path::new(super::SYSCTL_FILE);
        let after = |at: &SetAt| at.file == Path::new(OLD_FILE) || at.file.file_name() > own.file_name();
        self.last(sysctl).filter(|at| at.value != sysctl.value && at.file != own && after(at))
    }

    pub(super) fn live(&self, sysctl: &Sysctl) -> Option<&str> {
        self.live.get(&sysctl.key).map(String::as_str)
    }

    /// The text of our own file without other values for these keys.
    pub(super) fn own_without(&self, sysctls: &[Sysctl]) -> Vec<u8> {
        let stays = |line: &&[u8]| {
            setting(&String::from_utf8_lossy(line))
                .is_none_or(|(key, value)| !sysctls.iter().any(|sysctl| sysctl.key == key && sysctl.value != value))
        };
        self.own.bytes.split_inclusive(|byte| *byte == b'\n').filter(stays).collect::<Vec<_>>().concat()
    }

    pub(super) fn line(&self, sysctl: &Sysctl) -> StatusLine {
        let last = self.last(sysctl);
        let state = match (self.live(sysctl), self.is_live) {
            (Some(value), _) => value.to_owned(),
            (None, true) => "not there".to_owned(),
            (None, false) => "unknown".to_owned(),
        };
        let text = match last {
            Some(at) if at.lasts() => format!("set to {} at boot", at.value),
            Some(at) => format!("set to {} by a file that systemd does not find at every boot", at.value),
            None => "not set at boot".to_owned(),
        };
        StatusLine { source: last.map(SetAt::place), ..StatusLine::new(format!("sysctl {}", sysctl.key), state, text) }
    }

    pub(super) fn faults(&self, sysctl: &Sysctl) -> Vec<Finding> {
        let mut faults = Vec::new();
        let key = &sysctl.key;
        let last = self.last(sysctl);
        match (self.live(sysctl), self.is_live) {
            (Some(now), _) if now != sysctl.value => {
                let layer = last.filter(|at| at.value == now).map(SetAt::place);
                let hint = if layer.is_some() { "change it there" } else { "edge-prep apply sets it" };
                faults.push(fault(format!("{key} is {now}, not {}", sysctl.value), layer.as_deref(), hint));
            }
            (None, true) => {
                faults.push(fault(format!("{key} does not exist"), None, "its kernel module is not loaded"));
            }
            _ => {}
        }
        match last {
            Some(at) if at.value != sysctl.value => faults.push(fault(
                format!("{key} will be {} after a reboot, not {}", at.value, sysctl.value),
                Some(&at.place()),
                "change it there: that file takes precedence",
            )),
            Some(_) if self.persists(sysctl) => {}
            Some(at) => faults.push(fault(
                format!("{key} is set by a file that systemd does not find at every boot"),
                Some(&at.place()),
                "edge-prep apply sets it",
            )),
            None => {
                faults.push(fault(format!("{key} is not set at boot by any file"), None, "edge-prep apply sets it"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_typed() {
        for bad in [
            "a.b",
            "=1",
            "a=1",
            "net.=1",
            "../x=1",
            "net../x=1",
            "net/../../etc/x=1",
            "net.a b=1",
            "net.x=",
            "net.x=1\n2",
        ] {
            assert!(Sysctl::parse(bad).is_err(), "{bad:?}");
        }
        let sysctl = Sysctl::parse("net/ipv4/conf/eth0.100/forwarding = 1").unwrap();
        assert_eq!(sysctl.key, "net.ipv4.conf.eth0/100.forwarding");
        assert_eq!(sysctl.path(), Path::new("/proc/sys/net/ipv4/conf/eth0.100/forwarding"));
        assert_eq!(Sysctl::parse("net.ipv4.ping_group_range=0\t 10").unwrap().value, "0 10");
    }

    #[test]
    fn the_last_file_has_the_last_word() {
        let texts = [
            (PathBuf::from("/usr/lib/sysctl.d/50-default.conf"), "# x\n-net.ipv4.ip_forward=0\n".to_owned()),
            (PathBuf::from(super::super::SYSCTL_FILE), "net.ipv4.ip_forward = 1\n".to_owned()),
            (PathBuf::from("/etc/sysctl.d/99-mine.conf"), "\n; c\nnet/ipv4/ip_forward = 0\n".to_owned()),
        ];
        let own = FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() };
        let facts = SysctlFacts { set: effective_sysctls(&texts), live: BTreeMap::new(), is_live: false, own };
        let wanted = Sysctl::parse("net.ipv4.ip_forward=1").unwrap();
        assert!(facts.persists(&wanted), "our file has it");
        assert_eq!(facts.overridden(&wanted).unwrap().place(), "/etc/sysctl.d/99-mine.conf:3");
        assert_eq!(facts.faults(&wanted)[0].text, "net.ipv4.ip_forward will be 0 after a reboot, not 1");
    }
}
