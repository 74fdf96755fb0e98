//! The machine's disk: Debian by mmdebstrap, made once and kept under the hash of its recipe.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Error, Result};
use edgeutils_tests::debian::{self, RELEASE};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::arch::Arch;
use crate::failure::hinted;
use crate::sh::Sh;
use crate::workspace::{make_dir, read, remove_tree, write};

/// Packages in addition to the essential ones and the kernel: one image for every suite. Services that not every suite
/// uses are disabled in SETUP.
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "cloud-init",
    "containerd",
    "containernetworking-plugins",
    "cron",
    "curl",
    "dbus",
    "dphys-swapfile",
    "iproute2",
    "ipset",
    "iptables",
    "ipvsadm",
    "keepalived",
    "kmod",
    "nfs-common",
    "nfs-kernel-server",
    "nftables",
    "procps",
    "qemu-guest-agent",
    "swapspace",
    "systemd-sysv",
    "systemd-zram-generator",
    "udev",
    "wireguard-tools",
    "zram-tools",
];

/// Run by mmdebstrap on the installed tree.
const SETUP: &str = include_str!("../../data/e2e-setup.sh");

/// The disk's size; the file is sparse. swapspace wants room for all the swap it would like to have.
const DISK: &str = "8G";

/// A disk with Debian, and the kernel that boots it. Never written to: machines work on copies.
#[derive(Debug)]
pub(super) struct Image {
    dir: PathBuf,
}

impl Image {
    /// The image of this architecture from the cache, made if it is not there.
    pub(super) fn get(arch: Arch, log: &Path) -> Result<Image> {
        let image = Image { dir: debian::cache().map_err(Error::msg)?.join(name(arch)) };
        if !image.dir.exists() {
            image.build(arch, log)?;
        }
        Ok(image)
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.dir.join("disk.img")
    }

    pub(super) fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    pub(super) fn initrd(&self) -> PathBuf {
        self.dir.join("initrd.img")
    }

    /// Made in a temporary directory and renamed, so an existing image is complete.
    fn build(&self, arch: Arch, log: &Path) -> Result<()> {
        if !nix::unistd::geteuid().is_root() {
            return Err(hinted("cannot make a disk image: not running as root", "sudo cargo xtask e2e"));
        }
        let started = Instant::now();
        println!("image     {} (once; about {} minutes)", self.dir.display(), if arch.is_native() { 2 } else { 8 });
        let new = self.dir.with_extension(format!("new-{}", std::process::id()));
        make_dir(&new)?;
        let done = build_in(&new, arch, log);
        let tree = remove_tree(&new.join("tree"));
        if done.is_err() {
            remove_tree(&new)?;
        }
        done.and(tree)?;
        match fs::rename(&new, &self.dir) {
            // Another run was faster.
            Err(_) if self.dir.exists() => remove_tree(&new)?,
            renamed => renamed.with_context(|| format!("cannot make {}", self.dir.display()))?,
        }
        println!("          made in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

fn build_in(dir: &Path, arch: Arch, log: &Path) -> Result<()> {
    let tree = dir.join("tree");
    let setup = dir.join("setup.sh");
    fs::write(&setup, SETUP).with_context(|| format!("cannot write {}", setup.display()))?;
    let debootstrap = Sh::new("mmdebstrap --mode=root --variant=minbase --format=directory")
        .arg(format!("--architectures={}", arch.debian()))
        .arg(format!("--include={},{}", arch.kernel_package(), PACKAGES.join(",")))
        .arg(format!("--customize-hook=sh '{}' \"$1\"", setup.display()))
        .arg(RELEASE)
        .arg(&tree)
        .args(debian::mirrors(RELEASE).map_err(Error::msg)?);
    if !debootstrap.logged(log)? {
        let mut hint = format!("see the end of {}", log.display());
        if !arch.is_native() {
            hint.push_str(&format!(
                "; programs for {} must run here: qemu-user-static and its entry in binfmt_misc",
                arch.debian()
            ));
        }
        return Err(hinted(format!("cannot make a Debian tree for {}", arch.debian()), hint));
    }
    let from = tree.join("vmlinuz");
    fs::copy(&from, dir.join("vmlinuz")).with_context(|| format!("cannot copy {}", from.display()))?;
    // Decompressed here once: an emulated processor takes a third of a boot for it.
    let mut initrd = Vec::new();
    let unpacked = GzDecoder::new(read(&tree.join("initrd.img"))?.as_slice()).read_to_end(&mut initrd);
    unpacked.context("cannot decompress initrd.img")?;
    write(&dir.join("initrd.img"), initrd)?;
    let disk = dir.join("disk.img");
    let made = Sh::new("mkfs.ext4 -q -E lazy_itable_init=1 -L root -d").arg(&tree).arg(&disk).arg(DISK).logged(log)?;
    if !made {
        return Err(hinted("cannot make the disk's file system", format!("see the end of {}", log.display())));
    }
    Ok(())
}

/// `debian-bookworm-amd64-` and a hash of its recipe.
fn name(arch: Arch) -> String {
    let recipe = [RELEASE, arch.debian(), arch.kernel_package(), &PACKAGES.join(" "), DISK, SETUP].join("\n");
    let hash: String = Sha256::digest(recipe).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("debian-{RELEASE}-{}-{hash}", arch.debian())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architecture_has_an_image_of_its_own() {
        assert_ne!(name(Arch::Amd64), name(Arch::Arm64));
        assert!(name(Arch::Arm64).starts_with("debian-bookworm-arm64-"));
    }
}
