//! Installed plugins: their file headers, and the versions that they report.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use edge_host::{Cmd, Error, Host, Program, Result, ResultExt, State};
use serde_json::Value;

use crate::version::Cni;

/// Where CRI-O, containerd and kubelet search for plugins.
pub const BIN_DIR: &str = "/opt/cni/bin";
/// Where Debian's package installs them; no runtime searches it by default.
pub const DEBIAN_DIR: &str = "/usr/lib/cni";
/// Directories of the system's programs.
const SYSTEM_DIRS: [&str; 10] =
    ["/bin", "/sbin", "/lib", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin", "/usr/local/sbin", "/opt"];
const NO_PROGRAMS: [&str; 5] = ["/etc", "/boot", "/dev", "/proc", "/sys"];
const SCRIPT: &[u8] = b"#!";
/// A plugin answers at once.
const ANSWER: Duration = Duration::from_secs(10);

/// What is installed under a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginFile {
    /// Nothing.
    Missing,
    /// Neither a program nor a script: an incomplete download, for example.
    NotAProgram,
    /// A file without permission to execute.
    NotExecutable,
    /// A script with its interpreter in the first line.
    Script,
    /// A program for some machine.
    Program(Program),
}

/// What a plugin reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The CNI versions that it supports, ascending.
    pub supports: Vec<Cni>,
    /// Its release; none where it was built without one, or where only the versions were queried.
    pub release: Option<String>,
}

/// Whether a text is a valid plugin name: it is joined to a directory and run.
pub fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with(['.', '-']) && name.bytes().all(is_plain)
}

/// Whether plugins may be installed into a directory: not where the system has programs with the same names
/// (bridge of iproute2), and not among configuration or devices.
pub fn is_plugin_dir(dir: &Path) -> bool {
    let is_plain = dir.is_absolute() && dir.components().skip(1).all(|one| matches!(one, Component::Normal(_)));
    is_plain
        && dir.components().count() > 1
        && !SYSTEM_DIRS.iter().any(|system| dir == Path::new(system))
        && !NO_PROGRAMS.iter().any(|other| dir.starts_with(other))
}

/// Reads the header of a plugin.
pub fn inspect(host: &Host, dir: &Path, name: &str) -> Result<PluginFile> {
    let Some(file) = host.root.open(&dir.join(name))? else { return Ok(PluginFile::Missing) };
    let meta = file.metadata().on("read", host.root.display(&dir.join(name)))?;
    if meta.mode() & 0o111 == 0 {
        return Ok(PluginFile::NotExecutable);
    }
    let mut head = Vec::with_capacity(Program::HEAD);
    if file.take(Program::HEAD as u64).read_to_end(&mut head).is_err() {
        return Ok(PluginFile::NotAProgram);
    }
    if head.starts_with(SCRIPT) {
        return Ok(PluginFile::Script);
    }
    Ok(Program::parse(&head).map_or(PluginFile::NotAProgram, PluginFile::Program))
}

/// The first of these directories with a regular file of this name, as libcni searches them.
pub fn find<'d>(host: &Host, dirs: &'d [PathBuf], name: &str) -> Result<Option<&'d PathBuf>> {
    for dir in dirs {
        let path = dir.join(name);
        // libcni skips a directory of that name, but not a file that it cannot open.
        match host.root.open(&path) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(Some(dir)),
            Err(_) if matches!(host.root.find_link(&path)?.state, State::Directory { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Runs a plugin for the versions that it supports.
///
/// Errors: not live, it cannot be run, or its answer is not understood.
pub fn query(host: &Host, path: &Path) -> Result<Answer> {
    if !host.root.is_live() {
        return Err(Error::cannot("run", path, "programs of an image are not run"));
    }
    // By this very name, as a runtime does: one program may be several plugins.
    let version = Cmd::at(path).env("CNI_COMMAND", "VERSION").stdin(r#"{"cniVersion":"0.4.0"}"#).deadline(ANSWER);
    let answer = version.run().map_err(|error| Error::failed(error.message().to_owned()))?.stdout;
    let supports = parse_versions(&answer).ok_or_else(|| {
        let answer: String = answer.chars().take(80).collect();
        Error::cannot("read the version of", path, format!("unexpected answer {answer:?}"))
    })?;
    Ok(Answer { supports, release: None })
}

/// The release that a plugin reports when it is run without a command; not all of them do.
pub fn release(path: &Path) -> Option<String> {
    let about = Cmd::at(path).deadline(ANSWER).output().ok()?;
    parse_release(&format!("{}\n{}", about.stdout, about.stderr))
}

fn parse_versions(answer: &str) -> Option<Vec<Cni>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let texts = answer.get("supportedVersions")?.as_array()?.iter().filter_map(Value::as_str);
    let mut versions: Vec<Cni> = texts.filter_map(|text| text.parse().ok()).collect();
    versions.sort();
    (!versions.is_empty()).then_some(versions)
}

/// `CNI bridge plugin v1.9.1`; `version unknown` where no release was set at build time.
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
    fn parse_versions_and_releases_of_answers() {
        let answer = r#"{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.4.0","1.0.0","x"]}"#;
        let versions: Vec<String> = parse_versions(answer).unwrap().iter().map(Cni::to_string).collect();
        assert_eq!(versions, ["0.1.0", "0.4.0", "1.0.0"]);
        for bad in ["", "{}", "[]", r#"{"supportedVersions":[]}"#, "Usage: …"] {
            assert_eq!(parse_versions(bad), None, "{bad}");
        }
        assert_eq!(parse_release("CNI bridge plugin v1.9.1\nCNI protocol…\n").as_deref(), Some("v1.9.1"));
        assert_eq!(parse_release("CNI bridge plugin version unknown\n"), None);
        assert_eq!(parse_release("hello\n"), None);
    }

    #[test]
    fn is_name_refuses_paths_and_options() {
        for bad in ["", ".", "..", "a/b", "-a", "a b", ".hidden", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("host-local") && is_name("cilium-cni") && is_name("v2.plugin_x"));
    }
}
