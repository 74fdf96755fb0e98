//! The stand-in for CRI-O: a daemon that implements the CRI for the tests, and bundles that contain it, in upstream's
//! layout.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/go/cri-standin");

/// The unit of upstream's bundle, which is for another distribution and another directory.
pub const UNIT: &str = "[Unit]\nDescription=Container Runtime Interface for OCI (CRI-O)\nAfter=network.target\n\n\
[Service]\nType=notify\nEnvironmentFile=-/etc/sysconfig/crio\nEnvironment=GOTRACEBACK=crash\n\
ExecStart=/usr/local/bin/crio \\\n          $CRIO_CONFIG_OPTIONS \\\n          $CRIO_RUNTIME_OPTIONS\n\
ExecReload=/bin/kill -s HUP $MAINPID\nTimeoutStartSec=0\nRestart=on-failure\nRestartSec=1\n\n\
[Install]\nWantedBy=multi-user.target\nAlias=cri-o.service\n";
const CONF: &str = "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n\n[crio.runtime]\ndefault_runtime = \"crun\"\n\n\
[crio.runtime.runtimes.crun]\nruntime_path = \"/usr/libexec/crio/crun\"\nmonitor_path = \"/usr/libexec/crio/conmon\"\n";

/// Builds the daemon for an architecture, by Go's name. Errors: why it cannot be built on this machine.
pub fn build(arch: &str, version: &str) -> Result<PathBuf, String> {
    compile("crio", ".", arch, version)
}

/// Builds the stand-in for edgecore, which runs real pods (tests/go/cri-standin/edgecore). Errors: as [`build`].
pub fn edgecore(arch: &str, version: &str) -> Result<PathBuf, String> {
    compile("edgecore", "./edgecore", arch, version)
}

fn compile(name: &str, package: &str, arch: &str, version: &str) -> Result<PathBuf, String> {
    // The modules of the CRI come from Go's proxy.
    let flags = [("GOFLAGS", "-mod=readonly -trimpath")];
    go_build(Path::new(SOURCE), "standin", [name, package, arch, version], &format!("main.version={version}"), &flags)
}

/// Builds a Go program below a directory of the target directory, and returns its path. `what` is its name, its package,
/// the architecture by Go's name, and its version; `variable` is set in it. Errors: why it cannot be built.
pub(crate) fn go_build(
    source: &Path,
    dir: &str,
    [name, package, arch, version]: [&str; 4],
    variable: &str,
    environment: &[(&str, &str)],
) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let dir = own.ancestors().nth(2).ok_or("no target directory")?.join(dir).join(format!("{arch}-{version}"));
    fs::create_dir_all(&dir).map_err(|cause| cause.to_string())?;
    let built = dir.join(name);
    // Go does not rebuild what is up to date. Tests that run at the same time build separate files.
    static BUILDS: AtomicUsize = AtomicUsize::new(0);
    let number = BUILDS.fetch_add(1, Ordering::Relaxed);
    let fresh = dir.join(format!("{name}-{}-{number}", std::process::id()));
    let output = Command::new("go")
        .args(["build", "-buildvcs=false", "-ldflags", &format!("-s -w -X {variable}"), "-o"])
        .arg(&fresh)
        .arg(package)
        .current_dir(source)
        .envs([("CGO_ENABLED", "0"), ("GOOS", "linux"), ("GOARCH", arch)])
        .envs(environment.iter().copied())
        .output()
        .map_err(|cause| format!("cannot run go: {cause}"))?;
    if !output.status.success() {
        return Err(format!("cannot build {name}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&fresh, &built).map_err(|cause| cause.to_string())?;
    Ok(built)
}

/// The ELF header of a static program with 32 or 64 bits, for a machine number.
pub const fn elf(bits: u8, machine: u8) -> [u8; 64] {
    let mut head = [0; 64];
    (head[0], head[1], head[2], head[3]) = (0x7f, b'E', b'L', b'F');
    (head[4], head[5], head[6]) = (bits / 32, 1, 1);
    (head[16], head[18], head[20]) = (2, machine, 1);
    head
}

/// A program for amd64.
pub const AMD64: &[u8] = &elf(64, 62);
/// A program for arm64.
pub const ARM64: &[u8] = &elf(64, 183);
/// A program for 32-bit ARM.
pub const ARM32: &[u8] = &elf(32, 40);

/// A tar archive that is being written.
#[allow(missing_debug_implementations, reason = "the encoder has none")]
pub struct Archive {
    tar: Builder<GzEncoder<File>>,
    path: PathBuf,
}

impl Archive {
    /// An empty archive at `path`.
    pub fn at(path: &Path) -> Archive {
        let file = File::create(path).unwrap();
        Archive { tar: Builder::new(GzEncoder::new(file, Compression::none())), path: path.to_path_buf() }
    }

    /// Adds a regular file; the name is not checked or changed.
    #[must_use]
    pub fn file(self, name: &str, mode: u32, bytes: &[u8]) -> Archive {
        self.entry(name, EntryType::Regular, mode, bytes, "")
    }

    /// Adds an entry of any kind.
    #[must_use]
    pub fn entry(mut self, name: &str, kind: EntryType, mode: u32, bytes: &[u8], link: &str) -> Archive {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        self.tar.append(&header, bytes).unwrap();
        self
    }

    /// Adds bytes that are not part of a file, such as padding.
    #[must_use]
    pub fn tail(mut self, bytes: &[u8]) -> Archive {
        std::io::Write::write_all(self.tar.get_mut(), bytes).unwrap();
        self
    }

    /// Adds the header of a file of this size without its content.
    #[must_use]
    pub fn promise(mut self, name: &str, size: u64) -> Archive {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_mode(0o755);
        header.set_size(size);
        header.set_cksum();
        self.tar.append(&header, std::io::empty()).unwrap();
        self
    }

    /// Completes the archive and returns its SHA-256.
    pub fn finish(self) -> String {
        self.tar.into_inner().unwrap().finish().unwrap();
        sha256(&self.path)
    }
}

/// Writes a bundle of this release to `dir`, in upstream's layout and with the program as crio. Returns its path and
/// SHA-256.
pub fn bundle(dir: &Path, version: &str, arch: &str, program: &[u8]) -> (PathBuf, String) {
    let path = dir.join(format!("cri-o.{arch}.v{version}.tar.gz"));
    let mut archive = Archive::at(&path).entry("cri-o/", EntryType::Directory, 0o755, b"", "");
    let release = format!("of {version}\n");
    let options = format!("CRIO_CONFIG_OPTIONS=\n# {version}\n");
    let files: [(&str, u32, &[u8]); 18] = [
        ("bin/crio", 0o755, program),
        ("bin/pinns", 0o755, release.as_bytes()),
        ("bin/crictl", 0o755, release.as_bytes()),
        ("bin/conmon", 0o755, release.as_bytes()),
        ("bin/crun", 0o755, release.as_bytes()),
        ("cni-plugins/bridge", 0o755, program),
        ("cni-plugins/host-local", 0o755, program),
        ("etc/10-crio.conf", 0o644, CONF.as_bytes()),
        ("etc/crio", 0o644, options.as_bytes()),
        ("etc/crictl.yaml", 0o644, b"runtime-endpoint: unix:///var/run/crio/crio.sock\n"),
        ("contrib/crio.service", 0o644, UNIT.as_bytes()),
        ("contrib/policy.json", 0o644, b"{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n"),
        ("contrib/registries.conf", 0o644, b"unqualified-search-registries = [\"docker.io\"]\n"),
        ("contrib/10-crio-bridge.conflist.disabled", 0o644, b"{}\n"),
        ("man/crio.8", 0o644, b".TH crio 8\n"),
        ("completions/bash/crio", 0o644, b"complete crio\n"),
        ("install", 0o755, b"#!/bin/sh\ntouch /edgeutils-install-was-run\n"),
        ("Makefile", 0o644, b"all:\n"),
    ];
    for (name, mode, bytes) in files {
        archive = archive.file(&format!("cri-o/{name}"), mode, bytes);
    }
    let sum = archive.finish();
    (path, sum)
}

/// The SHA-256 of a file, in hex.
pub fn sha256(path: &Path) -> String {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
