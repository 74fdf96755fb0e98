//! `xtask test --fresh`: the README's test command on a new computer, which is a minimal Debian tree.
//!
//! Of this computer the tree has only Rust's toolchain, Go if it is installed outside of the
//! packages, the sources, and the network settings. A program that a suite calls and no package
//! on the list contains is missing there, so that suite fails or skips; packages on the list that
//! no suite has read a file of are reported.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use edgeutils_tests::debian;

use crate::failure::hinted;
use crate::machine::{Missing, on_path};
use crate::sh::Sh;
use crate::workspace::{Workspace, make_dir, write};

/// Packages of the README besides Rust: a linker and headers for Rust, git for the sources.
const PREREQUISITES: &[&str] = &["ca-certificates", "gcc", "git", "libc6-dev"];

const OUTSIDE: &str = include_str!("../../data/fresh.sh");
const INSIDE: &str = include_str!("../../data/fresh-inside.sh");

/// Directory of the sources in the tree.
const SOURCES: &str = "usr/src/edgeutils";

/// Variables with network settings, and the one that makes a skip a failure.
const KEPT_VARIABLES: &[&str] = &[
    "ALL_PROXY",
    "CI",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Prefixes of such variables of cargo; its others describe the current call.
const KEPT_OF_CARGO: &[&str] = &["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];
const KEPT_OF_GO: &[&str] = &["GOFLAGS", "GOINSECURE", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOPROXY", "GOSUMDB"];

/// Files and directories with network settings, at the same path in the tree.
const KEPT_FILES: &[&str] =
    &["etc/hosts", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates"];

/// Runs these suites there; `is_default` if they are those of a call without `--only`.
pub(super) fn run(workspace: &Workspace, suites: &[&str], is_default: bool) -> Result<ExitCode> {
    check_host(suites)?;
    let rust = rust()?;
    let fresh = workspace.scratch("fresh")?;
    let (tree, logs) = (fresh.join("tree"), fresh.join("logs"));
    remove(&tree)?;
    remove(&logs)?;
    make_dir(&logs)?;
    let minimal = debian::tree(debian::RELEASE).map_err(anyhow::Error::msg)?;
    Sh::new("cp -a --reflink=auto --").arg(&minimal).arg(&tree).run()?;
    network(&tree)?;
    sources(workspace, &tree.join(SOURCES))?;

    let mut sh = Sh::new("unshare --mount --propagation private --pid --fork --kill-child -- sh -euc")
        .arg(OUTSIDE)
        .arg("fresh.sh")
        .args([&tree, &rust, &go(), &logs])
        .arg(PREREQUISITES.join(" "))
        .arg(Missing::packages_for(suites).join(" "));
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if is_kept(&name) {
            sh = sh.arg(format!("{name}={}", value.to_string_lossy()));
        }
    }
    let mut sh = sh.args(["/bin/sh", "-euc", INSIDE, "fresh-inside.sh", "test", "--install"]);
    if !is_default {
        sh = sh.arg("--only").args(suites);
    }
    let ended = sh.run();
    println!("logs: {}", logs.display());
    if ended.is_err() {
        println!("the tree, until the next --fresh: {}", tree.display());
        return Ok(ExitCode::FAILURE);
    }
    remove(&tree)?;
    Ok(ExitCode::SUCCESS)
}

fn check_host(suites: &[&str]) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(hinted("cannot make a Debian tree: not running as root", "run it with sudo"));
    }
    for (program, package) in [("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux")] {
        if on_path(program).is_none() {
            let hint = format!("apt-get install -y {package}");
            return Err(hinted(format!("cannot make a Debian tree: {program} is not installed"), hint));
        }
    }
    // The toolchain is mounted read-only, so nothing can be added to it there.
    let targets = Missing::for_suites(suites).targets.join(" ");
    if !targets.is_empty() {
        return Err(hinted(format!("this Rust has no {targets}"), format!("rustup target add {targets}")));
    }
    Ok(())
}

/// The toolchain in use, if it is a directory of its own, as rustup's are.
fn rust() -> Result<PathBuf> {
    let root = PathBuf::from(Sh::new("rustc --print sysroot").capture()?.trim());
    let tools = ["cargo", "cargo-clippy", "cargo-fmt", "rustc", "rustdoc", "rustfmt"];
    if root == Path::new("/usr") || !tools.iter().all(|tool| root.join("bin").join(tool).is_file()) {
        let what = format!("{} is not a toolchain of rustup with clippy and rustfmt", root.display());
        return Err(hinted(what, "install one: https://rustup.rs"));
    }
    Ok(root)
}

/// The directory of a Go that was installed by itself; empty where there is none, or a package's.
fn go() -> PathBuf {
    let root = Sh::new("go env GOROOT").capture().unwrap_or_default();
    let root = PathBuf::from(root.trim());
    let is_packaged = root.starts_with("/usr/lib") || root.starts_with("/usr/share");
    if is_packaged || !root.join("bin/go").is_file() { PathBuf::new() } else { root }
}

/// Copies the settings for downloads of packages, crates and modules into the tree.
fn network(tree: &Path) -> Result<()> {
    for path in KEPT_FILES {
        keep(&Path::new("/").join(path), &tree.join(path))?;
    }
    let mut sources = debian::mirrors(debian::RELEASE).map_err(anyhow::Error::msg)?;
    if sources.is_empty() {
        sources.push(format!("deb http://deb.debian.org/debian {} main", debian::RELEASE));
    }
    write(&tree.join("etc/apt/sources.list"), sources.join("\n") + "\n")?;
    // apt's download settings, without hooks of other packages; a proxy detector is a program of this computer.
    let dump = Sh::new("apt-config dump").capture()?;
    let acquire = dump.lines().filter(|line| line.starts_with("Acquire::") && !line.contains("Auto-Detect"));
    let acquire: String = acquire.map(|line| format!("{line}\n")).collect();
    write(&tree.join("etc/apt/apt.conf.d/50host"), acquire)?;

    let home = tree.join("root");
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(cargo) = cargo.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))) {
        for name in ["config.toml", "config"] {
            keep(&cargo.join(name), &home.join(".cargo").join(name))?;
        }
    }
    if let Ok(settings) = Sh::new("go env GOENV").capture() {
        keep(Path::new(settings.trim()), &home.join(".config/go/env"))?;
    }
    Ok(())
}

/// Copies existing files, following symbolic links.
fn keep(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    make_dir(to.parent().unwrap_or(to))?;
    Sh::new("cp -rLT --preserve=mode --").arg(from).arg(to).run()
}

/// The files that git tracks or would track, as a repository of their own: some checks list files with git.
fn sources(workspace: &Workspace, to: &Path) -> Result<()> {
    let listed = Sh::new("git ls-files --cached --others --exclude-standard -z").dir(&workspace.root).capture()?;
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let (from, to) = (workspace.root.join(path), to.join(path));
        if !from.is_file() {
            continue;
        }
        make_dir(to.parent().unwrap_or(&to))?;
        std::fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Sh::new("git init --quiet").dir(to).run()
}

fn is_kept(name: &str) -> bool {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    KEPT_VARIABLES.contains(&name) || KEPT_OF_GO.contains(&name) || begins(KEPT_OF_CARGO)
}

fn remove(dir: &Path) -> Result<()> {
    Sh::new("rm -rf --one-file-system --").arg(dir).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_names_each_prerequisite() {
        let readme = include_str!("../../../README.md");
        for package in PREREQUISITES {
            assert!(readme.contains(package), "{package}");
        }
    }

    #[test]
    fn environment_keeps_only_what_leads_to_the_network() {
        for name in ["HTTPS_PROXY", "CARGO_HTTP_CAINFO", "CARGO_REGISTRIES_MIRROR_INDEX", "GOPROXY", "CI"] {
            assert!(is_kept(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_MANIFEST_DIR", "EDGEUTILS_IMAGES", "GOROOT", "HOME", "RUSTUP_HOME"] {
            assert!(!is_kept(name), "{name}");
        }
    }
}
