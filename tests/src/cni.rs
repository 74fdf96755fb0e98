//! CNI plugins for the tests: tiny programs for any architecture, and the real plugins. edge-cni builds those into the
//! target directory, where they and Go's caches are kept for the next run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::tool::{Ran, Tool};
use crate::tree::Tree;

/// The Go module of the plugins.
pub const MODULE: &str = "github.com/containernetworking/plugins";

/// The machine number of amd64 in an ELF header.
pub const AMD64: u8 = 62;
/// The machine number of arm64 in an ELF header.
pub const ARM64: u8 = 183;

/// The header of a static program for this machine, followed by the text.
pub fn tiny(machine: u8, text: &str) -> Vec<u8> {
    [&crate::standin::elf(64, machine), text.as_bytes()].concat()
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a directory with these plugins in the format of `edge-cni build`.
pub fn fake_build(dir: &Path, version: &str, arch: &str, plugins: &[(&str, Vec<u8>)]) {
    std::fs::create_dir_all(dir).unwrap();
    let mut listed = serde_json::Map::new();
    for (name, bytes) in plugins {
        std::fs::write(dir.join(name), bytes).unwrap();
        listed.insert((*name).to_owned(), serde_json::json!({"sha256": sha256(bytes), "size": bytes.len()}));
    }
    let manifest = serde_json::json!({"format": 1, "source": "a test", "version": version, "sum": null, "arch": arch,
        "go": "go1.26", "requested": [], "plugins": listed});
    std::fs::write(dir.join("edge-cni.json"), manifest.to_string()).unwrap();
}

/// The directory of builds and of Go's caches, in the target directory, so that `cargo clean` removes them.
fn cache() -> PathBuf {
    // target/PROFILE/deps/this-test
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().join("cni")
}

/// Whether the go command is installed.
pub fn can_build() -> bool {
    Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
}

/// Whether go is not installed; the test is then recorded as skipped.
pub fn no_go(test: &str) -> bool {
    let missing = !can_build();
    if missing {
        crate::skip(test, "go is not on the PATH");
    }
    missing
}

/// edge-cni with the PATH of the test, and with Go's caches in the target directory.
pub fn builder() -> Tool {
    let cache = cache();
    std::fs::create_dir_all(&cache).unwrap();
    let mut tool = Tool::new("edge-cni").env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for name in ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY"] {
        if let Some(value) = std::env::var_os(name) {
            tool = tool.env(name, value);
        }
    }
    tool.env("HOME", std::env::var_os("HOME").unwrap_or_else(|| "/".into()))
        .env("GOCACHE", cache.join("go-build"))
        .env("GOMODCACHE", cache.join("go-mod"))
        // Otherwise the module cache is read-only, and `cargo clean` cannot remove it.
        .env("GOFLAGS", "-modcacherw")
}

/// The real plugins of a release, built once.
pub fn built(version: &str, arch: &str, plugins: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let out = cache().join(format!("{version}-{arch}"));
    let args = ["build", "--version", version, "--arch", arch, "--plugins", plugins, "--out"];
    builder().args(args).arg(&out).run().expect(0);
    out
}

/// A checkout of the module with one small plugin and without a vendor directory.
pub fn folder(tree: &Tree) -> String {
    let main = "package main\n\nvar name = \"tiny\"\n\nfunc main() {\n\tprintln(name)\n}\n";
    tree.write("src/go.mod", format!("module {MODULE}\n\ngo 1.14\n"));
    tree.write("src/plugins/main/tiny/main.go", main);
    tree.write("src/plugins/main/windows/main.go", main);
    for kind in ["meta", "ipam"] {
        tree.write(&format!("src/plugins/{kind}/README.md"), "nothing yet");
    }
    tree.at("src").to_str().unwrap().to_owned()
}

/// The architecture that the tests run on, by Go's name.
pub fn own_arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// Makes the tree an image for this machine: adds a shell for it.
pub fn image_for(tree: &Tree, machine: u8) {
    tree.write("bin/sh", tiny(machine, "a shell"));
}

/// Runs a shell script in private namespaces, with empty /opt, /run, /var and /mnt, and with an overlay on /etc, so that
/// the host is not changed. `cni` runs edge-cni and prints its exit code.
pub fn script(text: &str) -> Ran {
    const PRELUDE: &str = r#"
        exec 2>&1
        mkdir -p /mnt
        for dir in /opt /run /var /mnt; do mount -t tmpfs -o size=256m,mode=755 tmpfs "$dir" || exit 99; done
        mkdir /mnt/upper /mnt/work && mount -t overlay o -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc || exit 98
        cd /mnt && ip link set lo up
        cni() { "$EDGE_CNI" --force-namespace "$@"; echo "exit $?"; }
    "#;
    let output = Command::new("timeout")
        .args(["--kill-after=1", "300", "unshare", "-mnu", "--propagation", "private", "--"])
        .args(["sh", "-uc", &format!("{PRELUDE}{text}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("EDGE_CNI", crate::tool::path("edge-cni"))
        .output()
        .unwrap();
    Ran::of(&output)
}
