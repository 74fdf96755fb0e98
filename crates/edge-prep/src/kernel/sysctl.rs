//! Sysctls: the values that boot sets, in their order, and the current values of the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Finding, Host, Result, StatusLine, quoted};
use serde::{Deserialize, Serialize};

use super::modules::{RUN, effective_files};
use crate::report::finding;

/// Directories of systemd-sysctl; of files with the same name, the first takes precedence (sysctl.d(5)).
const DIRS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// procps' own file: `sysctl --system` reads it last.
const OLD_FILE: &str = "/etc/sysctl.conf";
const PROC_SYS: &str = "/proc/sys";

/// A requested kernel value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// The key in dots.
    pub key: String,
    /// The value, white space folded.
    pub value: String,
}

impl Sysctl {
    /// Parses `K=V` from the user, the key in dots or slashes; errors are usage errors.
    pub fn parse(text: &str) -> Result<Sysctl> {
        let bad = |why: &str| {
            Error::usage(format!("{text:?} is not a valid sysctl: {why}"))
                .hint("use the form KEY=VALUE, such as net.ipv4.ip_forward=1")
        };
        let (key, value) = text.split_once('=').ok_or_else(|| bad("expected KEY=VALUE"))?;
        if value.contains(['\n', '\r', '\0']) {
            return Err(bad("the value must be one line"));
        }
        let key = dotted(key.trim());
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@".contains(&byte);
        let parts: Vec<&str> = key.split('.').collect();
        if parts.len() < 2 || key.len() > 255 || !key.bytes().all(is_valid) {
            return Err(bad("expected a key such as net.ipv4.ip_forward"));
        }
        // A slash inside a part is a dot of a name (eth0.100); an empty part could become `..` in the path.
        if parts.iter().any(|part| part.is_empty() || part.split('/').any(|name| name.is_empty())) {
            return Err(bad("the key has an empty part"));
        }
        let value = folded(value);
        if value.is_empty() || value.contains(char::is_control) || value.len() > 1024 {
            return Err(bad("the value must be 1 to 1024 bytes without control characters"));
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

/// Folds white space, which the kernel ignores between the numbers of a value.
fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key in dots: where its first separator is a slash, slashes and dots are swapped (sysctl.d(5)).
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

    /// Whether systemd reads it at every boot. It reads procps' own file only through a link, and then the
    /// place has the link's name.
    fn is_persistent(&self) -> bool {
        !self.file.starts_with(RUN) && self.file != Path::new(OLD_FILE)
    }
}

/// What was read about sysctls.
#[derive(Debug, Clone)]
pub(super) struct SysctlFacts {
    /// By key, in the order in which boot sets them: the last one takes effect.
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
    let own = super::snapshot(&host.root, Path::new(super::SYSCTL_FILE))?;
    Ok(SysctlFacts { set: effective_sysctls(&texts), live, is_live: host.root.is_live(), own })
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
    fn last(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        self.set.get(&sysctl.key)?.last()
    }

    /// Whether a file of every boot sets the value, ours or another one, even if a later one overrides it.
    pub(super) fn persists(&self, sysctl: &Sysctl) -> bool {
        let all = || self.set.get(&sysctl.key).into_iter().flatten();
        let is_set = |at: Option<&SetAt>| at.is_some_and(|at| at.value == sysctl.value);
        let own = Path::new(super::SYSCTL_FILE);
        is_set(all().rfind(|at| at.is_persistent())) || is_set(all().rfind(|at| at.file == own))
    }

    /// The different value in another file that takes precedence over ours.
    pub(super) fn overridden(&self, sysctl: &Sysctl) -> Option<&SetAt> {
        let own = Path::new(super::SYSCTL_FILE);
        let after = |at: &SetAt| at.file == Path::new(OLD_FILE) || at.file.file_name() > own.file_name();
        self.last(sysctl).filter(|at| at.value != sysctl.value && at.file != own && after(at))
    }

    pub(super) fn live(&self, sysctl: &Sysctl) -> Option<&str> {
        self.live.get(&sysctl.key).map(String::as_str)
    }

    /// Our own file without different values for these keys.
    pub(super) fn own_without(&self, sysctls: &[Sysctl]) -> Vec<u8> {
        let is_kept = |line: &&[u8]| {
            setting(&String::from_utf8_lossy(line))
                .is_none_or(|(key, value)| !sysctls.iter().any(|sysctl| sysctl.key == key && sysctl.value != value))
        };
        self.own.bytes.split_inclusive(|byte| *byte == b'\n').filter(is_kept).collect::<Vec<_>>().concat()
    }

    pub(super) fn status(&self, sysctl: &Sysctl) -> StatusLine {
        let last = self.last(sysctl);
        let state = match (self.live(sysctl), self.is_live) {
            (Some(value), _) => value.to_owned(),
            (None, true) => "missing".to_owned(),
            (None, false) => "unknown".to_owned(),
        };
        let text = match last {
            Some(at) if at.is_persistent() => format!("set to {} at boot", at.value),
            Some(at) => format!("set to {} in a file that systemd does not read at every boot", at.value),
            None => "not set at boot".to_owned(),
        };
        StatusLine { source: last.map(SetAt::place), ..StatusLine::new(format!("sysctl {}", sysctl.key), state, text) }
    }

    pub(super) fn findings(&self, sysctl: &Sysctl) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Sysctl { key, value } = sysctl;
        let apply = format!("edge-prep apply --sysctl {}", quoted(&format!("{key}={value}")));
        let last = self.last(sysctl);
        match (self.live(sysctl), self.is_live) {
            (Some(now), _) if now != value => {
                let place = last.filter(|at| at.value == now).map(SetAt::place);
                let hint = match &place {
                    Some(place) => format!("set {} in {place}, then run sysctl --system", sysctl.line()),
                    None => apply.clone(),
                };
                findings.push(finding(format!("{key} is {now}, not {value}"), place.as_deref(), hint));
            }
            (None, true) => {
                let module = if key.starts_with("net.bridge.") { "br_netfilter" } else { "MODULE" };
                let hint = format!("load the kernel module that provides it: edge-prep apply --module {module}");
                findings.push(finding(format!("{key} does not exist"), None, hint));
            }
            _ => {}
        }
        match last {
            Some(at) if at.value != *value => findings.push(finding(
                format!("{key} will be {} after a reboot, not {value}", at.value),
                Some(&at.place()),
                format!("set {} in {}, which takes precedence", sysctl.line(), at.place()),
            )),
            Some(_) if self.persists(sysctl) => {}
            Some(at) => findings.push(finding(
                format!("{key} is set in a file that systemd does not read at every boot"),
                Some(&at.place()),
                apply,
            )),
            None => {
                findings.push(finding(format!("{key} is not set at boot: no file in sysctl.d sets it"), None, apply))
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctl_parse_refuses_invalid_keys_and_values() {
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
    fn findings_name_the_file_that_takes_precedence() {
        let texts = [
            (PathBuf::from("/usr/lib/sysctl.d/50-default.conf"), "# x\n-net.ipv4.ip_forward=0\n".to_owned()),
            (PathBuf::from(super::super::SYSCTL_FILE), "net.ipv4.ip_forward = 1\n".to_owned()),
            (PathBuf::from("/etc/sysctl.d/99-mine.conf"), "\n; c\nnet/ipv4/ip_forward = 0\n".to_owned()),
        ];
        let own = FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() };
        let facts = SysctlFacts { set: effective_sysctls(&texts), live: BTreeMap::new(), is_live: false, own };
        let sysctl = Sysctl::parse("net.ipv4.ip_forward=1").unwrap();
        assert!(facts.persists(&sysctl), "our file sets it");
        assert_eq!(facts.overridden(&sysctl).unwrap().place(), "/etc/sysctl.d/99-mine.conf:3");
        assert_eq!(facts.findings(&sysctl)[0].text, "net.ipv4.ip_forward will be 0 after a reboot, not 1");
    }
}
