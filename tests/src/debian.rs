//! A minimal Debian tree by mmdebstrap, made once and kept under the hash of its recipe; and where such
//! things are kept, and come from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// The Debian release of trees and machines: the same everywhere, whatever the computer itself runs.
pub const RELEASE: &str = "bookworm";

/// The release after it: an apt that verifies with sqv and without gpg, and a dpkg with other words.
pub const NEXT_RELEASE: &str = "trixie";

/// Ubuntu 22.04, whose archive is not reached from everywhere.
pub const UBUNTU: &str = "jammy";

/// The key that signs Ubuntu's archive since 2018: F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B C93C. Debian 12 has no
/// package of it.
const UBUNTU_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/ubuntu-archive-key.asc");

/// The variable that says where images and trees are kept.
pub const CACHE_VARIABLE: &str = "EDGEUTILS_IMAGES";

/// Required packages and apt, as in the smallest container images.
const VARIANT: &str = "minbase";

/// Run by mmdebstrap on the finished tree $1: no source of packages but a test's own, no network but loopback.
const SETUP: &str = r#"rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/resolv.conf
echo edge-node > "$1/etc/hostname"; printf '127.0.0.1 localhost edge-node\n' > "$1/etc/hosts"
printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d""#;

/// The mirrors come last. Made beside its place and renamed, so that what is
/// there is whole; whoever has the lock may throw away what an earlier one did not finish.
const MAKE: &str = r#"
tree=$1 variant=$2 arch=$3 setup=$4 release=$5; shift 5
if test -d "$tree"; then exit 0; fi
rm -rf --one-file-system "$tree".new-*
mkdir -m 700 "$tree.new-$$"
if ! mmdebstrap --mode=root --format=directory --quiet "--variant=$variant" "--architectures=$arch" \
    "--customize-hook=$setup" "$release" "$tree.new-$$/root" "$@" >&2; then rm -rf --one-file-system "$tree.new-$$"; exit 1; fi
mv "$tree.new-$$" "$tree"
"#;

/// Seconds for one that is made, and for others that wait for it.
const WITHIN: &str = "900";

/// The minimal tree of a release: the directory to put an overlay on. Never written to. Made if it is not there, by
/// one of however many ask at once; says why where that cannot be done.
///
/// The namespaces of the making hold its mounts and its processes, and the lock ends with the last of
/// them: one that is killed half-way leaves a directory that the next one removes.
pub fn tree(release: &str) -> Result<PathBuf, String> {
    tree_with(release, &[])
}

/// The same with these packages, without their documentation.
pub fn tree_with(release: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let arch = output_of("dpkg", &["--print-architecture"])?.trim().to_owned();
    let mut options = Vec::new();
    if !packages.is_empty() {
        options.push(format!("--include={}", packages.join(",")));
        options.extend(["doc", "man", "locale"].map(|dir| format!("--dpkgopt=path-exclude=/usr/share/{dir}/*")));
    }
    let mut recipe = vec![release, &arch, VARIANT, SETUP];
    recipe.extend(options.iter().map(String::as_str));
    let recipe = recipe.join("\n");
    let hash: String = Sha256::digest(recipe).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let tree = cache()?.join(format!("tree-{release}-{arch}-{hash}"));
    if !tree.is_dir() {
        make(&tree, release, &arch, &options)?;
    }
    Ok(tree.join("root"))
}

fn make(tree: &Path, release: &str, arch: &str, options: &[String]) -> Result<(), String> {
    let cannot = |cause: String| format!("cannot make a Debian tree: {cause}");
    let dir = tree.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir).map_err(|cause| cannot(format!("{}: {cause}", dir.display())))?;
    let output = Command::new("flock")
        .args(["--wait", WITHIN])
        .arg(tree.with_extension("lock"))
        .args(["timeout", "--kill-after=5", WITHIN, "unshare", "--mount", "--propagation", "private"])
        .args(["--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-euc", MAKE, "sh"])
        .arg(tree)
        .args([VARIANT, arch, SETUP, release])
        .args(mirrors(release)?)
        .args(options)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|cause| cannot(cause.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    Err(cannot(format!("{}: {}", output.status, printed.trim().lines().last().unwrap_or_default())))
}

/// Where they outlive `cargo clean`: $EDGEUTILS_IMAGES, else edgeutils in the user's cache.
pub fn cache() -> Result<PathBuf, String> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = variable(CACHE_VARIABLE) {
        return Ok(dir);
    }
    let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let none = || format!("cannot find a cache directory: neither {CACHE_VARIABLE} nor HOME is set");
    Ok(caches.ok_or_else(none)?.join("edgeutils"))
}

/// This computer's own mirrors of the release, as sources.list has them; none: mmdebstrap's own.
pub fn mirrors(release: &str) -> Result<Vec<String>, String> {
    if release == UBUNTU {
        let is_amd64 = cfg!(target_arch = "x86_64");
        let archive = if is_amd64 { "archive.ubuntu.com/ubuntu" } else { "ports.ubuntu.com/ubuntu-ports" };
        return Ok(vec![format!("deb [signed-by={UBUNTU_KEY}] http://{archive} {release} main")]);
    }
    const FORMAT: &str = "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)";
    Ok(sources(&output_of("apt-get", &["indextargets", "--format", FORMAT, "Created-By: Packages"])?, release))
}

fn sources(targets: &str, release: &str) -> Vec<String> {
    let mut sources: Vec<String> = Vec::new();
    for line in targets.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["Debian", codename, "main", uri] = words[..] else { continue };
        let source = format!("deb {uri} {codename} main");
        if codename.split('-').next() == Some(release) && !sources.contains(&source) {
            sources.push(source);
        }
    }
    // Updates alone are no release.
    if sources.iter().any(|source| source.ends_with(&format!(" {release} main"))) { sources } else { Vec::new() }
}

fn output_of(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|cause| format!("cannot run {program}: {cause}"))?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cannot run {program}: {}: {}", output.status, printed.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_debians_own_main_of_the_release() {
        let targets = "\
Debian bookworm main http://mirror.example/debian/
Debian bookworm contrib http://mirror.example/debian/
Debian bookworm-security main http://mirror.example/debian-security/
Debian bookworm main http://mirror.example/debian/
Debian trixie main http://mirror.example/debian/
 nodistro main https://vendor.example/
";
        assert_eq!(
            sources(targets, "bookworm"),
            [
                "deb http://mirror.example/debian/ bookworm main",
                "deb http://mirror.example/debian-security/ bookworm-security main",
            ]
        );
        assert!(sources("Debian bookworm-updates main http://mirror.example/debian/", "bookworm").is_empty());
        assert_eq!(sources(targets, "trixie"), ["deb http://mirror.example/debian/ trixie main"]);
    }
}
