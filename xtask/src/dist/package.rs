//! The .deb and the .rpm, made by nfpm: a pinned version, built once by Go into the cache.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use edgeutils_tests::debian;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::Target;
use super::archive::files;
use super::elf::Machine;
use crate::failure::hinted;
use crate::machine::on_path;
use crate::sh::Sh;
use crate::workspace::{Workspace, make_dir, read, write};

const NFPM: &str = "github.com/goreleaser/nfpm/v2/cmd/nfpm";
/// The newest one that Go 1.24 builds.
const NFPM_VERSION: &str = "v2.43.0";

const MAINTAINER: &str = "The edgeutils authors <edgeutils@users.noreply.github.com>";

const OVERRIDES: &str = include_str!("../../data/package/lintian-overrides");

/// Makes both packages of an unpacked tree in `out`; their names.
pub(super) fn make(workspace: &Workspace, tree: &Path, target: Target, out: &Path, epoch: u64) -> Result<Vec<String>> {
    let nfpm = nfpm()?;
    // Two suites of `xtask test` may make packages at the same time.
    let scratch = tempfile::tempdir().context("cannot make a directory for the packages' files")?;
    let scratch = scratch.path();
    let debian = target.debian();
    // nfpm has the architectures' names from Go.
    let arch = match target.machine() {
        Machine::Arm64 => "arm64",
        Machine::Amd64 => "amd64",
        Machine::Armv7 => "arm7",
    };
    let scripts = workspace.root.join("xtask/data/package");
    let mut config = json!({
        "name": "edgeutils",
        "arch": arch,
        "platform": "linux",
        "version": workspace.version,
        "section": "admin",
        "priority": "optional",
        "maintainer": MAINTAINER,
        "description": "turn a Linux machine into a KubeEdge node, and back again\n\
            Small utilities that prepare the host, install a container runtime and\n\
            CNI plugins, create certificates, edit the configuration of KubeEdge,\n\
            redirect logs and exec, and remove all of it again. Every change can be\n\
            previewed, repeated and undone.",
        "homepage": "https://github.com/edgeutils/edgeutils",
        "contents": contents(workspace, tree, scratch, epoch)?,
        "scripts": {
            "preremove": scripts.join("prerm.sh"),
            "postremove": scripts.join("postrm.sh"),
        },
        // Ubuntu 20.04 reads xz, and not the zstd that newer packages have.
        "deb": { "compression": "xz" },
        "rpm": { "compression": "xz", "buildhost": "localhost", "summary": "Turn a Linux machine into a KubeEdge node" },
    });
    let file = scratch.join("nfpm.json");
    let names = [
        ("deb", format!("edgeutils_{}_{debian}.deb", workspace.version)),
        ("rpm", format!("edgeutils-{}-1.{}.rpm", workspace.version, target.red_hat())),
    ];
    for (packager, name) in &names {
        if *packager == "rpm" {
            // Debian has no such field.
            config["license"] = "Apache-2.0".into();
        }
        // JSON is YAML, too.
        write(&file, config.to_string())?;
        Sh::program(&nfpm)
            .args(["package", "--packager", packager, "--config"])
            .arg(&file)
            .arg("--target")
            .arg(out.join(name))
            .env("SOURCE_DATE_EPOCH", epoch.to_string())
            .capture()
            .with_context(|| format!("cannot make {name}"))?;
    }
    Ok(names.map(|(_, name)| name).into())
}

/// Every file of the packages, and where each is installed.
fn contents(workspace: &Workspace, tree: &Path, scratch: &Path, epoch: u64) -> Result<Vec<Value>> {
    let mut contents = vec![json!({ "dst": "/etc/edgeutils", "type": "dir", "file_info": { "mode": 0o755 } })];
    let mut add = |from: &Path, to: String, mode: u32, packager: &str| {
        contents.push(json!({ "src": from, "dst": to, "packager": packager, "file_info": { "mode": mode } }));
    };
    for name in files(tree)? {
        let (from, text) = (tree.join(&name), name.to_string_lossy().into_owned());
        let base = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if text.starts_with("bin/") {
            add(&from, format!("/usr/bin/{base}"), 0o755, "");
        } else if let Some(page) = text.strip_prefix("man/") {
            let compressed = scratch.join(format!("{base}.gz"));
            write(&compressed, gzip(&read(&from)?)?)?;
            add(&compressed, format!("/usr/share/man/{page}.gz"), 0o644, "");
        } else if text.starts_with("completions/bash/") {
            add(&from, format!("/usr/share/bash-completion/completions/{base}"), 0o644, "");
        } else if text.starts_with("completions/zsh/") {
            add(&from, format!("/usr/share/zsh/vendor-completions/{base}"), 0o644, "deb");
            add(&from, format!("/usr/share/zsh/site-functions/{base}"), 0o644, "rpm");
        } else if text.starts_with("completions/fish/") {
            add(&from, format!("/usr/share/fish/vendor_completions.d/{base}"), 0o644, "");
        } else if text.starts_with("scripts/") {
            let mode = if text.ends_with(".sh") { 0o755 } else { 0o644 };
            add(&from, format!("/usr/share/edgeutils/{text}"), mode, "");
        } else if text == "copyright" {
            add(&from, "/usr/share/doc/edgeutils/copyright".to_owned(), 0o644, "");
        } else if text == "LICENSE" {
            // Debian has the text itself.
            add(&from, "/usr/share/doc/edgeutils/LICENSE".to_owned(), 0o644, "rpm");
        }
    }
    let changelog = scratch.join("changelog.gz");
    write(&changelog, gzip(changes(&workspace.version, epoch)?.as_bytes())?)?;
    add(&changelog, "/usr/share/doc/edgeutils/changelog.gz".to_owned(), 0o644, "deb");
    let overrides = scratch.join("lintian-overrides");
    write(&overrides, OVERRIDES)?;
    add(&overrides, "/usr/share/lintian/overrides/edgeutils".to_owned(), 0o644, "deb");
    if tree.join("bin/edge-manifest").is_file() {
        // kubectl runs a program of this name for `kubectl edge-manifest`.
        let links = [
            ("edge-manifest", "/usr/bin/kubectl-edge_manifest"),
            ("edge-manifest.1.gz", "/usr/share/man/man1/kubectl-edge_manifest.1.gz"),
        ];
        contents.extend(links.map(|(to, link)| json!({ "src": to, "dst": link, "type": "symlink" })));
    }
    contents.extend(own_dirs(&contents));
    Ok(contents)
}

/// The directories that only this package has: rpm leaves those behind that no package owns.
fn own_dirs(contents: &[Value]) -> Vec<Value> {
    let files = contents.iter().filter_map(|entry| entry["dst"].as_str()).map(Path::new);
    let is_own = |dir: &&Path| dir.starts_with("/usr/share/edgeutils") || dir.starts_with("/usr/share/doc/edgeutils");
    let dirs: BTreeSet<&Path> = files.flat_map(|file| file.ancestors().skip(1)).filter(is_own).collect();
    let dir = |dir| json!({ "dst": dir, "type": "dir", "packager": "rpm", "file_info": { "mode": 0o755 } });
    dirs.into_iter().map(dir).collect()
}

/// Debian's changelog has only the release: what changed is in CHANGELOG.md.
fn changes(version: &str, epoch: u64) -> Result<String> {
    let date = Sh::new("date -u -R -d").arg(format!("@{epoch}")).env("LC_ALL", "C").capture()?;
    Ok(format!(
        "edgeutils ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- {MAINTAINER}  {}\n",
        date.trim()
    ))
}

/// Without a name and a time in it.
pub(super) fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(content).and_then(|()| gzip.finish()).context("cannot compress")
}

/// The program in the cache, built if it is not there.
fn nfpm() -> Result<PathBuf> {
    let dir = debian::cache().map_err(|reason| anyhow!(reason))?.join(format!("nfpm-{NFPM_VERSION}"));
    let program = dir.join("nfpm");
    if program.is_file() {
        return Ok(program);
    }
    if on_path("go").is_none() {
        return Err(hinted(
            "cannot build nfpm, which makes the packages: go is not installed",
            "install Go 1.24.2 or newer: https://go.dev/dl",
        ));
    }
    make_dir(&dir)?;
    let module = format!("{NFPM}@{NFPM_VERSION}");
    Sh::new("go install").arg(module).env("GOBIN", &dir).env("GOFLAGS", "-trimpath").capture()?;
    Ok(program)
}
