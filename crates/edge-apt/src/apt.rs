//! Runs apt's programs: updates lists, finds versions, simulates an installation.

use std::path::{Path, PathBuf};

use edge_host::{Cmd, Error, Output, Result};

use crate::diagnose::{explain, messages};
use crate::version::{PackageName, Version};

/// Downloads with apt's proxies and certificates; it is not in any PATH.
const HELPER: &str = "/usr/lib/apt/apt-helper";
const NOWHERE: &str = "/dev/null";
/// Another program may take the lock between our check and apt's own: apt waits that many seconds itself.
pub(crate) const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=10";
/// Nobody can answer dpkg's question about configuration files: a changed one is kept, an unchanged one is
/// replaced.
pub(crate) const DPKG_CONFFILES: [&str; 2] = ["--force-confdef", "--force-confold"];
const NO_TERMINAL: &str = "Dpkg::Use-Pty=0";
const NETWORK: [&str; 3] = ["Acquire::http::Timeout=30", "Acquire::https::Timeout=30", "Acquire::Retries=2"];

/// The sources that a program of apt uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Instead of sources.list.
    pub(crate) list: Option<PathBuf>,
    /// Instead of sources.list.d.
    pub(crate) parts: Option<PathBuf>,
}

impl Scope {
    /// One file and nothing else.
    pub(crate) fn only(list: &Path) -> Scope {
        Scope { list: Some(list.to_path_buf()), parts: Some(PathBuf::from(NOWHERE)) }
    }

    /// No source: only the given files and the installed packages.
    pub(crate) fn nothing() -> Scope {
        Scope::only(Path::new(NOWHERE))
    }

    /// As apt's options.
    pub(crate) fn options(&self) -> Vec<String> {
        let option = |name: &str, path: &Option<PathBuf>| {
            path.iter().flat_map(|path| ["-o".to_owned(), format!("{name}={}", path.display())]).collect::<Vec<_>>()
        };
        [option("Dir::Etc::sourcelist", &self.list), option("Dir::Etc::sourceparts", &self.parts)].concat()
    }
}

/// The options of every call that may write.
pub(crate) fn options() -> Vec<String> {
    let mut all = vec!["-y".to_owned(), "-q".to_owned()];
    for option in DPKG_CONFFILES {
        all.extend(["-o".to_owned(), format!("Dpkg::Options::={option}")]);
    }
    for option in [LOCK_TIMEOUT, NO_TERMINAL].iter().chain(&NETWORK) {
        all.extend(["-o".to_owned(), (*option).to_owned()]);
    }
    all
}

/// Updates the lists of these sources and keeps those of others. Fails if any of them cannot be updated, where apt
/// would continue with old lists. `of` is for messages.
pub(crate) fn update(scope: &Scope, of: &str) -> Result<()> {
    let mut cmd = Cmd::find("apt-get")?.arg("update").args(options()).args(scope.options());
    cmd = cmd.args(["-o", "APT::Update::Error-Mode=any"]);
    if scope.list.is_some() {
        cmd = cmd.args(["-o", "APT::Get::List-Cleanup=0"]);
    }
    let output = cmd.output()?;
    // An apt before 2.1.16 does not support Error-Mode and exits 0.
    if output.status.success() && !complains(&output.stderr) {
        return Ok(());
    }
    Err(failure(&cmd, output).with_action("update the package lists of", of))
}

/// The beginnings of the names of these sources' list files.
pub(crate) fn list_fronts(scope: &Scope) -> Result<Vec<String>> {
    let output = Cmd::find("apt-get")?.args(["--print-uris", "update"]).args(scope.options()).run()?;
    Ok(output.stdout.lines().filter_map(front).collect())
}

/// `HOST_PATH_` of `'http://HOST/PATH/InRelease' HOST_PATH_InRelease 0`, a line for each file.
fn front(line: &str) -> Option<String> {
    let name = line.rsplit_once("' ")?.1.split(' ').next()?;
    name.strip_suffix("InRelease").filter(|front| !front.is_empty()).map(str::to_owned)
}

fn complains(stderr: &str) -> bool {
    let is_trouble = |line: &str| {
        line.starts_with("E: ")
            || line.strip_prefix("W: ").is_some_and(|what| {
                ["Failed to fetch", "GPG error", "Some index files failed", "The repository", "An error occurred"]
                    .iter()
                    .any(|front| what.starts_with(front))
            })
    };
    stderr.lines().any(is_trouble)
}

/// Downloads one file to `to`, with apt's proxies. The caller must verify it.
pub(crate) fn download(url: &str, to: &Path, shown: &str) -> Result<()> {
    let mut cmd = Cmd::find(HELPER)?;
    for option in NETWORK {
        cmd = cmd.args(["-o", option]);
    }
    cmd = cmd.arg("download-file").arg(url).arg(to).deadline(std::time::Duration::from_secs(180));
    let output = cmd.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(failure(&cmd, output).with_action("download", shown))
}

/// The error of a program of apt, with its cause explained.
fn failure(cmd: &Cmd, output: Output) -> Error {
    let words = messages(&output).to_owned();
    explain(cmd.failure(output), &words)
}

/// The versions of a package in the lists of these sources.
pub(crate) fn versions(scope: &Scope, name: &PackageName) -> Result<Vec<Version>> {
    let output = Cmd::find("apt-cache")?.args(scope.options()).args(["madison", "--", name.as_str()]).run()?;
    Ok(parse_versions(&output.stdout, name.as_str()))
}

/// `cri-o | 1.34.2-1.1 | https://… Packages`, a line for each version and source.
fn parse_versions(text: &str, name: &str) -> Vec<Version> {
    let mut all: Vec<Version> = Vec::new();
    for line in text.lines() {
        let mut columns = line.split(" | ").map(str::trim);
        let (Some(package), Some(version), Some(source)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        // Binary packages only.
        if package == name && source.ends_with("Packages") {
            all.extend(Version::parse(version).ok().filter(|version| !all.contains(version)));
        }
    }
    all.sort();
    all
}

/// The result of a simulation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulated {
    pub(crate) unpacked: Vec<Change>,
    pub(crate) removed: Vec<String>,
}

/// A package that would be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    /// Installed now, if it is.
    pub(crate) before: Option<String>,
    pub(crate) version: String,
}

/// Simulates a call of apt; needs no lock and no root.
pub(crate) fn simulate(scope: &Scope, arguments: &[String], object: &str) -> Result<Simulated> {
    let cmd = Cmd::find("apt-get")?.arg("--simulate").args(arguments).args(scope.options());
    let output = cmd.output()?;
    if !output.status.success() {
        let unmet = unmet(&output.stdout);
        let error = match unmet.as_str() {
            "" => failure(&cmd, output),
            unmet => explain(cmd.failure(output), &format!("E: {unmet}")),
        };
        return Err(error.with_action(object, ""));
    }
    Ok(parse_simulated(&output.stdout))
}

/// `Inst NAME [OLD] (NEW ORIGIN [ARCH])` and `Remv NAME [OLD]`.
fn parse_simulated(text: &str) -> Simulated {
    let mut all = Simulated::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("Inst"), Some(name)) => {
                let mut next = words.next().unwrap_or_default();
                let before = next.strip_prefix('[').map(|old| old.trim_end_matches(']').to_owned());
                if before.is_some() {
                    next = words.next().unwrap_or_default();
                }
                let version = next.trim_start_matches('(').trim_end_matches(')').to_owned();
                all.unpacked.push(Change { name: name.to_owned(), before, version });
            }
            (Some("Remv"), Some(name)) => all.removed.push(name.to_owned()),
            _ => {}
        }
    }
    all
}

/// The lines of `The following packages have unmet dependencies:`.
fn unmet(stdout: &str) -> String {
    let lines = stdout.lines().skip_while(|line| !line.contains("unmet dependencies")).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_versions_returns_dpkgs_order() {
        let text = "     cri-o | 1.34.10-1.1 | https://a/deb  Packages\n     cri-o | 1.34.9-1.1 | https://a/deb  Packages\n\
                    cri-o | 1.34.9-1.1 | file:/x  Packages\n     cri-o | 9 | https://a/deb  Sources\n  cri-o-x | 8 | https://a/deb  Packages\n";
        let all: Vec<String> = parse_versions(text, "cri-o").iter().map(ToString::to_string).collect();
        assert_eq!(all, ["1.34.9-1.1", "1.34.10-1.1"]);
    }

    #[test]
    fn simulation_is_parsed() {
        let text = "NOTE: This is only a simulation!\nRemv old [1.0]\nInst a (2:1.0-1 x:y [all]) []\nInst b [1] (2 x [amd64])\nConf a (2:1.0-1 x [all])\n";
        let change = |name: &str, before: Option<&str>, version: &str| Change {
            name: name.to_owned(),
            before: before.map(str::to_owned),
            version: version.to_owned(),
        };
        let unpacked = vec![change("a", None, "2:1.0-1"), change("b", Some("1"), "2")];
        assert_eq!(parse_simulated(text), Simulated { unpacked, removed: vec!["old".to_owned()] });
    }

    #[test]
    fn front_is_the_beginning_of_a_list_file() {
        let front = |line| front(line).unwrap_or_default();
        let flat = "'http://127.0.0.1:8000/repo/InRelease' 127.0.0.1:8000_repo_InRelease 0 ";
        let dist = "'https://deb.example/dists/stable/InRelease' deb.example_dists_stable_InRelease 0 ";
        assert_eq!((front(flat).as_str(), front(dist).as_str()), ("127.0.0.1:8000_repo_", "deb.example_dists_stable_"));
        assert_eq!(front("E: x"), "");
    }

    #[test]
    fn unmet_returns_the_words_of_apt() {
        let text = "Some packages…\n\nThe following packages have unmet dependencies:\n cri-o : Depends: iptables but it is not installable\n         Depends: x\nE: no\n";
        assert_eq!(unmet(text), "cri-o : Depends: iptables but it is not installable; Depends: x");
    }

    #[test]
    fn complains_ignores_other_warnings() {
        assert!(complains("W: Failed to fetch http://x  404\n") && complains("E: x\n"));
        assert!(!complains("W: http://x: Key is stored in legacy trusted.gpg keyring\nN: x\n"));
    }
}
