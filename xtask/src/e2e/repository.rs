//! Other software for the machine: signed repositories, one with CRI-O, and CNI plugins on a USB stick.
//!
//! In the package of CRI-O is a stand-in that speaks the CRI's Version and Status; unit, files and layout are upstream's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use edgeutils_tests::standin;
use sha2::{Digest, Sha256};

use super::Place;
use super::disk::GuestFile;
use crate::sh::Sh;
use crate::workspace::{make_dir, read, write};

/// The release in the repository, and its Debian version.
const CRIO: &str = "1.34.2";
const PACKAGE: &str = "1.34.2-1.1";

/// The plugins' release, and those that a bridge network needs.
const CNI: &str = "v1.9.1";
const PLUGINS: &str = "bridge,firewall,host-local,loopback,portmap,tuning";

/// Where the repository is to the machine, below the server's directory.
pub(super) const PLACE: &str = "cri-o/v1.34/deb";

/// Where the machine finds plugins and the repository's key.
pub(super) const STICK: &str = "/media/stick";
pub(super) const KEY: &str = "/media/stick/repository.asc";

const UNIT: &str = "\
[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/crio
ExecStart=/usr/bin/crio $CRIO_CONFIG_OPTIONS
Restart=on-failure
RestartSec=1
TimeoutStartSec=0

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
";

/// CRI-O's own packages configure their policy, too.
const CONFIG: &str = "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n\n[crio.runtime]\n";
const POLICY: &str = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n";

/// A repository, as a user configures it.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) fingerprint: String,
    key: Vec<u8>,
}

impl Repository {
    /// Makes the package, a key and the signed index below `served`.
    pub(super) fn make(place: &Place<'_>) -> Result<Repository> {
        let Place { arch, dir, served, .. } = place;
        let program = standin::build(arch.debian(), CRIO).map_err(|reason| anyhow!("no CRI-O stand-in: {reason}"))?;
        let tree = dir.join("package");
        let control = format!(
            "Package: cri-o\nVersion: {PACKAGE}\nArchitecture: {}\nMaintainer: Test <test@example.invalid>\n\
             Description: Kubernetes CRI-O container runtime, stand-in\n",
            arch.debian()
        );
        write(&tree.join("DEBIAN/control"), control)?;
        write(&tree.join("DEBIAN/conffiles"), "/etc/crio/crio.conf.d/10-crio.conf\n")?;
        write(&tree.join("etc/crio/crio.conf.d/10-crio.conf"), CONFIG)?;
        write(&tree.join("etc/crio/policy.json"), POLICY)?;
        write(&tree.join("usr/lib/systemd/system/crio.service"), UNIT)?;
        write(&tree.join("usr/bin/crio"), read(&program)?)?;
        Sh::new("chmod 755").arg(tree.join("usr/bin/crio")).capture()?;

        let place = served.join(PLACE);
        make_dir(&place)?;
        let package = place.join(format!("cri-o_{PACKAGE}_{}.deb", arch.debian()));
        Sh::new("dpkg-deb --root-owner-group -Zgzip --build").arg(&tree).arg(&package).capture()?;
        let (key, fingerprint) = publish(&place)?;
        Ok(Repository { fingerprint, key })
    }

    /// The files on the stick: the key, and plugins.
    pub(super) fn stick(&self, place: &Place<'_>) -> Result<Vec<GuestFile>> {
        let mut files = plugins(place)?;
        files.push(GuestFile::text(KEY, self.key.clone()));
        Ok(files)
    }
}

/// Where this computer builds plugins for the machines; a later call finds them up to date.
pub(super) fn plugin_dir(place: &Place<'_>) -> Result<PathBuf> {
    Ok(place.workspace.scratch("e2e")?.join(format!("plugins-{}", place.arch.debian())))
}

/// The plugins on the stick.
pub(super) fn plugins(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    place.workspace.build_programs()?;
    let out = plugin_dir(place)?;
    let build = Sh::program(place.workspace.debug_bin().join("edge-cni"))
        .args(["build", "--version", CNI, "--plugins", PLUGINS, "--arch", place.arch.debian(), "--out"])
        .arg(&out);
    build.capture().context("cannot build CNI plugins for the machine")?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&out).context("cannot list the plugins")? {
        let path: PathBuf = entry.context("cannot list the plugins")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mode = if name.ends_with(".json") { 0o644 } else { 0o755 };
        files.push(GuestFile { path: format!("{STICK}/plugins/{name}"), mode, content: read(&path)? });
    }
    Ok(files)
}

/// Makes a repository of the packages in a directory, signed with a new key; the key and its fingerprint.
pub(super) fn publish(place: &Path) -> Result<(Vec<u8>, String)> {
    let mut packages = String::new();
    for entry in std::fs::read_dir(place).context("cannot list the packages")? {
        let package = entry.context("cannot list the packages")?.path();
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        let fields = Sh::new("dpkg-deb --field").arg(&package).capture()?;
        let content = read(&package)?;
        packages.push_str(&format!(
            "{fields}Filename: ./{name}\nSize: {}\nSHA256: {}\n\n",
            content.len(),
            sha256(&content)
        ));
    }
    let date = Sh::new("date -Ru").capture()?.trim().replace("+0000", "UTC");
    let release = format!(
        "Origin: Test\nLabel: test\nDate: {date}\nSHA256:\n {} {} Packages\n",
        sha256(packages.as_bytes()),
        packages.len()
    );
    write(&place.join("Packages"), packages)?;
    write(&place.join("Release"), release)?;
    sign(place)
}

/// Signs `place`/Release with a new key; the key and its fingerprint.
fn sign(place: &Path) -> Result<(Vec<u8>, String)> {
    // A short path: gpg-agent's socket is in it.
    let home = tempfile::Builder::new().prefix("edgeutils-key-").tempdir().context("cannot make a key")?;
    let gpg = || Sh::new("gpg --batch --quiet").arg("--homedir").arg(home.path());
    gpg().args(["--passphrase", "", "--quick-gen-key", "test", "ed25519", "sign", "never"]).capture()?;
    let listed = gpg().args(["--with-colons", "--list-keys"]).capture()?;
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:")).map(|rest| rest.replace(':', ""));
    let fingerprint = fingerprint.ok_or_else(|| anyhow!("gpg printed no fingerprint"))?;
    let signed = place.join("InRelease");
    gpg().args(["--yes", "--clearsign", "--output"]).arg(&signed).arg(place.join("Release")).capture()?;
    let key = gpg().args(["--armor", "--export", &fingerprint]).capture()?;
    Sh::new("gpgconf --homedir").arg(home.path()).args(["--kill", "all"]).capture()?;
    Ok((key.into_bytes(), fingerprint))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
