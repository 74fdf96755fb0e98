//! Requirements of the suites, and how to install them: Debian packages, rustup targets, cargo tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use edgeutils_tests::debian;

use crate::dist::Target;
use crate::failure::hinted;
use crate::sh::Sh;

/// A Debian package that a suite needs.
pub(crate) struct Package {
    name: &'static str,
    /// A program in PATH, or a file; if it exists, the package is installed.
    probe: &'static str,
    suites: &'static [&'static str],
}

/// Add a row for each program that a test runs.
pub(crate) const PACKAGES: &[Package] = &[
    package("ansible-core", "ansible-playbook", &["stories"]),
    package("ansible-lint", "ansible-lint", &["stories"]),
    package("bash-completion", "/usr/share/bash-completion/bash_completion", &["stories"]),
    package("curl", "curl", &["stories"]),
    package("e2fsprogs", "debugfs", &["e2e", "bench"]),
    package("fish", "fish", &["stories"]),
    package("gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc", &["dist", "qemu"]),
    package("golang-go", "go", &["bench", "stories", "cluster", "dist", "package", "e2e"]),
    // gnupg itself only asks for these two: keys are made and exported by gpg, with its agent.
    package("gpg", "gpg", &["stories", "package", "e2e"]),
    package("gpg-agent", "gpg-agent", &["stories", "package", "e2e"]),
    package("iproute2", "ip", &["stories", "bench"]),
    package("ipset", "ipset", &["stories"]),
    package("iptables", "iptables-legacy", &["stories", "bench"]),
    // Only recommended by the compiler: the headers that ring's C code includes.
    package("libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/include/string.h", &["dist", "qemu"]),
    package("lintian", "lintian", &["package"]),
    package("man-db", "man", &["unit"]),
    package("mandoc", "mandoc", &["unit"]),
    package("mmdebstrap", "mmdebstrap", &["stories", "package", "e2e"]),
    package("nftables", "nft", &["stories"]),
    package("openssh-client", "ssh", &["stories"]),
    package("openssl", "openssl", &["stories", "bench", "e2e"]),
    // kill, for ExecReload of CRI-O's unit.
    package("procps", "/bin/kill", &["stories"]),
    package("python3-yaml", "/usr/lib/python3/dist-packages/yaml/__init__.py", &["package", "stories"]),
    package("qemu-system-x86", "qemu-system-x86_64", &["e2e"]),
    package("qemu-user-static", "qemu-aarch64-static", &["qemu", "stories"]),
    package("shellcheck", "shellcheck", &["shellcheck"]),
    package("strace", "strace", &["stories"]),
    package("systemd", "/lib/systemd/systemd", &["stories"]),
    package("time", "time", &["bench"]),
    package("util-linux", "unshare", &["stories", "demo", "e2e"]),
    package("yq", "yq", &["bench"]),
    package("zsh", "zsh", &["stories"]),
];

const fn package(name: &'static str, probe: &'static str, suites: &'static [&'static str]) -> Package {
    Package { name, probe, suites }
}

/// The debug profile builds in a third of the time and is quick enough.
const CARGO_DENY: &str = "cargo install --quiet --debug --locked cargo-deny --version 0.20.2";

/// Where `--install` puts it: `cargo clean` leaves it there, as it leaves the images of the tests.
fn cargo_deny_root() -> Result<PathBuf> {
    let version = CARGO_DENY.rsplit(' ').next().unwrap_or_default();
    Ok(debian::cache().map_err(Error::msg)?.join(format!("cargo-deny-{version}")))
}

/// The path of cargo-deny, if `--install` has built it or it is on the PATH.
pub(crate) fn cargo_deny() -> Result<Option<PathBuf>> {
    let own = cargo_deny_root()?.join("bin/cargo-deny");
    Ok(if own.is_file() { Some(own) } else { on_path("cargo-deny") })
}

/// The line that installs cargo-deny for everyone on this machine.
pub(crate) fn cargo_deny_line() -> String {
    CARGO_DENY.replace("--quiet --debug ", "")
}

/// Builds cargo-deny for later runs, too; its objects are dropped afterwards.
pub(crate) fn install_cargo_deny(target: &Path, log: &Path) -> Result<bool> {
    let objects = target.join("cargo-deny");
    let install = Sh::new(CARGO_DENY).arg("--root").arg(cargo_deny_root()?);
    let built = install.env("CARGO_TARGET_DIR", &objects).logged(log)?;
    crate::workspace::remove_tree(&objects)?;
    Ok(built)
}

/// A program as the shell would find it, sbin included.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn is_there(probe: &str) -> bool {
    if probe.starts_with('/') { Path::new(probe).exists() } else { on_path(probe).is_some() }
}

/// Missing requirements of some suites.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) packages: Vec<&'static str>,
    pub(crate) targets: Vec<&'static str>,
}

impl Missing {
    /// The requirements of `suites` that the machine does not have.
    pub(crate) fn for_suites(suites: &[&str]) -> Missing {
        let wants = |name| suites.contains(&name);
        let arm64 = (wants("dist") || wants("qemu")).then(Target::default_missing).flatten();
        let amd64 = (wants("e2e") || wants("package")).then(|| Target::Amd64Musl.missing()).flatten();
        let targets = arm64.into_iter().chain(amd64).collect();
        Missing { packages: missing_packages(PACKAGES, suites, is_there), targets }
    }

    /// The packages that `install` would install on a minimal machine.
    pub(crate) fn packages_for(suites: &[&str]) -> Vec<&'static str> {
        missing_packages(PACKAGES, suites, |_| false)
    }

    /// The commands that install it, one for each installer.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.packages.is_empty() {
            lines.push(format!("apt-get install -y {}", self.packages.join(" ")));
        }
        if !self.targets.is_empty() {
            lines.push(format!("rustup target add {}", self.targets.join(" ")));
        }
        lines
    }

    /// Installs all of it; root is needed for packages only.
    pub(crate) fn install(&self, log: &Path) -> Result<()> {
        if !self.packages.is_empty() {
            if !nix::unistd::geteuid().is_root() {
                return Err(hinted(
                    format!("cannot install {}: not running as root", self.packages.join(", ")),
                    format!("sudo apt-get install -y {}", self.packages.join(" ")),
                ));
            }
            apt("update", &[], log)?;
            apt("install -y --no-install-recommends", &self.packages, log)?;
        }
        if !self.targets.is_empty() {
            let added = Sh::new("rustup target add").args(&self.targets).logged(log);
            if !added.context("cannot add a Rust target")? {
                return Err(failed("rustup target add", log));
            }
        }
        Ok(())
    }
}

fn apt(verb: &str, packages: &[&str], log: &Path) -> Result<()> {
    let line = format!("apt-get -q -o DPkg::Lock::Timeout=600 {verb}");
    let done = Sh::new(&line).args(packages).env("DEBIAN_FRONTEND", "noninteractive").logged(log)?;
    if done { Ok(()) } else { Err(failed(&line, log)) }
}

fn failed(line: &str, log: &Path) -> anyhow::Error {
    hinted(format!("{line} failed"), format!("see the end of {}", log.display()))
}

fn missing_packages(table: &[Package], suites: &[&str], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    table
        .iter()
        .filter(|row| row.suites.iter().any(|suite| suites.contains(suite)))
        .filter(|row| !is_there(row.probe))
        .map(|row| row.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_those_that_the_suites_need_and_lack() {
        let table =
            &[package("one", "here", &["a"]), package("two", "gone", &["a", "b"]), package("three", "gone", &["c"])];
        let missing = missing_packages(table, &["a", "b"], |probe| probe == "here");
        assert_eq!(missing, ["two"]);
    }

    #[test]
    fn lines_are_one_for_each_installer() {
        let missing = Missing { packages: vec!["strace", "yq"], targets: vec!["aarch64-unknown-linux-musl"] };
        assert_eq!(missing.lines(), ["apt-get install -y strace yq", "rustup target add aarch64-unknown-linux-musl"]);
    }

    #[test]
    fn table_is_sorted_and_names_suites_that_exist() {
        assert!(PACKAGES.is_sorted_by_key(|row| row.name));
        for suite in PACKAGES.iter().flat_map(|row| row.suites) {
            assert!(*suite == "bench" || crate::test::suite_names().contains(suite), "{suite}");
        }
    }
}
