//! An installed plugin: what its header says, and what it answers when asked for its version.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use edge_host::{Cmd, Error, Host, Program, Result, ResultExt, State};
use serde_json::Value;

use crate::version::Cni;

/// Where CRI-O, containerd and kubelet look for plugins.
pub const BIN_DIR: &str = "/opt/cni/bin";
/// Where Debian's package puts them, and no runtime looks by itself.
pub const DEBIAN_DIR: &str = "/usr/lib/cni";
/// Where the system's own programs stand.
const SYSTEM_DIRS: [&str; 10] =
    ["/bin", "/sbin", "/lib", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin", "/usr/local/sbin", "/opt"];
const NO_PROGRAMS: [&str; 5] = ["/etc", "/boot", "/dev", "/proc", "/sys"];
const SCRIPT: &[u8] = b"#!";
/// A plugin answers at once; a hanging one is as good as broken.
const ANSWER: Duration = Duration::from_secs(10);

/// What stands under a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Missing,
    /// No program of any machine: a text, or half a download.
    NoProgram,
    /// Nobody may run it.
    NotExecutable,
    /// A script with its interpreter in the first line.
    Script,
    /// A program, and what it is for.
    Program(Program),
}

/// What a plugin said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The CNI versions that it reads, ascending.
    pub reads: Vec<Cni>,
    /// Its release, as it was stamped in; none where it does not know, or was not asked.
    pub release: Option<String>,
}

/// What plugins are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What they read.
    Versions,
    /// Their release too.
    Releases,
}

/// Whether a name can be one: it is joined to a directory and run.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with(['.', '-']) && name.bytes().all(plain)
}

/// Whether plugins may be put into a directory: not where the system has programs of the same names
/// (iproute2's bridge), and not among configuration or devices.
pub fn is_place(dir: &Path) -> bool {
    let plain = dir.is_absolute() && dir.components().skip(1).all(|one| matches!(one, Component::Normal(_)));
    plain
        && dir.components().count() > 1
        && !SYSTEM_DIRS.iter().any(|system| dir == Path::new(system))
        && !NO_PROGRAMS.iter().any(|other| dir.starts_with(other))
}

/// Looks at a plugin's header.
pub fn look(host: &Host, dir: &Path, name: &str) -> Result<Standing> {
    let Some(file) = host.root.open(&dir.join(name))? else { return Ok(Standing::Missing) };
    let meta = file.metadata().on("read", host.root.display(&dir.join(name)))?;
    if meta.mode() & 0o111 == 0 {
        return Ok(Standing::NotExecutable);
    }
    let mut head = Vec::with_capacity(Program::HEAD);
    // What cannot be read is not a program either.
    if file.take(Program::HEAD as u64).read_to_end(&mut head).is_err() {
        return Ok(Standing::NoProgram);
    }
    if head.starts_with(SCRIPT) {
        return Ok(Standing::Script);
    }
    Ok(Program::parse(&head).map_or(Standing::NoProgram, Standing::Program))
}

/// The first of these directories with a regular file of this name, as libcni looks for it.
pub fn find<'d>(host: &Host, dirs: &'d [PathBuf], name: &str) -> Result<Option<&'d PathBuf>> {
    for dir in dirs {
        let path = dir.join(name);
        // A directory of that name is passed over; what cannot be opened stands there all the same.
        match host.root.open(&path) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(Some(dir)),
            Err(_) if matches!(host.root.find_link(&path)?.state, State::Directory { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Asks a plugin for its versions.
///
/// Fails where it cannot be run or says something else.
pub fn ask(host: &Host, path: &Path) -> Result<Answer> {
    if !host.root.is_live() {
        return Err(Error::failed(format!("cannot run {}: no program is run for an image", path.display())));
    }
    // By its own name, as a runtime does: a link to a program with several names goes by it.
    let version = Cmd::at(path).env("CNI_COMMAND", "VERSION").stdin(r#"{"cniVersion":"0.4.0"}"#).deadline(ANSWER);
    let said = version.run().map_err(|error| Error::failed(error.message().to_owned()))?.stdout;
    let reads = parse_versions(&said).ok_or_else(|| {
        let said: String = said.chars().take(80).collect();
        Error::failed(format!("cannot ask {} for its version: it says {said:?}", path.display()))
    })?;
    Ok(Answer { reads, release: None })
}

/// The release that a plugin says it is of.
///
/// Without a command a plugin tells what it is; not all of them do, and some may do something else then.
pub fn release(path: &Path) -> Option<String> {
    let about = Cmd::at(path).deadline(ANSWER).output().ok()?;
    parse_release(&format!("{}\n{}", about.stdout, about.stderr))
}

fn parse_versions(said: &str) -> Option<Vec<Cni>> {
    let said: Value = serde_json::from_str(said).ok()?;
    let texts = said.get("supportedVersions")?.as_array()?.iter().filter_map(Value::as_str);
    let mut versions: Vec<Cni> = texts.filter_map(|text| text.parse().ok()).collect();
    versions.sort();
    (!versions.is_empty()).then_some(versions)
}

/// `CNI bridge plugin v1.9.1`; a plugin of a plain build says `version unknown`.
fn parse_release(about: &str) -> Option<String> {
    let line = about.lines().find(|line| line.starts_with("CNI ") && line.contains(" plugin "))?;
    let release = line.split(" plugin ").nth(1)?.trim();
    let release = release.strip_prefix("version ").unwrap_or(release);
    (release != "unknown" && !release.is_empty()).then(|| release.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let said = r#"{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.4.0","1.0.0","x"]}"#;
        let versions: Vec<String> = parse_versions(said).unwrap().iter().map(Cni::to_string).collect();
        assert_eq!(versions, ["0.1.0", "0.4.0", "1.0.0"]);
        for bad in ["", "{}", "[]", r#"{"supportedVersions":[]}"#, "Usage: …"] {
            assert_eq!(parse_versions(bad), None, "{bad}");
        }
        assert_eq!(parse_release("CNI bridge plugin v1.9.1\nCNI protocol…\n").as_deref(), Some("v1.9.1"));
        assert_eq!(parse_release("CNI bridge plugin version unknown\n"), None);
        assert_eq!(parse_release("hello\n"), None);
    }

    #[test]
    fn names_are_typed() {
        for bad in ["", ".", "..", "a/b", "-a", "a b", ".hidden", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("host-local") && is_name("cilium-cni") && is_name("v2.plugin_x"));
    }
}
