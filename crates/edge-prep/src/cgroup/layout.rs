//! Where a host keeps its kernel's command line: one file for each layout.
//!
//! Each finds its file, reads its option for the memory cgroup, and plans the edit. A layout that is
//! recognized and not edited is a [`ManualStep`] with the exact command.

mod debian_raspi;
mod extlinux;
mod grub;
mod manual_step;
mod partition;
mod raspberry;
mod systemd_boot;
#[cfg(test)]
pub(super) mod testing;
mod u_boot;
mod u_boot_menu;

use std::path::{Path, PathBuf};

use edge_host::action::Bytes;
use edge_host::action::RESCUE_SUFFIX;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, ResultExt, Root, State};

pub use debian_raspi::DebianRaspi;
pub use extlinux::{AppendEditor, Extlinux};
pub use grub::Grub;
pub use manual_step::ManualStep;
pub use partition::Partition;
pub use raspberry::Raspberry;

use super::cmdline::{self, ENABLE, MemoryOption, OneLine};

const NEW_FILE_MODE: u32 = 0o644;
const BOOT: &str = "/boot";

/// How a host's kernel gets its command line.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum Layout {
    /// Raspberry Pi's firmware, and the file that it reads.
    Raspberry(Raspberry),
    /// The same firmware, with a file that Debian's hook generates.
    DebianRaspi(DebianRaspi),
    /// extlinux.conf, read by U-Boot.
    Extlinux(Extlinux),
    /// GRUB as Debian configures it.
    Grub(Grub),
    /// Recognized, and not edited.
    ManualStep(ManualStep),
    /// It could not be determined: why, and the mount point of the partition that is not there.
    Blocked(Error, Option<String>),
    /// None of the known ones.
    Unknown,
}

impl Layout {
    /// Finds the layout of a host. `model` is the device tree's, where the host is live.
    pub fn find(root: &Root, model: Option<&str>) -> Layout {
        // In order of precedence: the first one that is there boots the machine.
        let found = (|| {
            if let Some(manual_step) = manual_step::ostree(root)? {
                return Ok(Layout::ManualStep(manual_step));
            }
            if let Some(debian) = debian_raspi::find(root)? {
                return Ok(Layout::DebianRaspi(debian));
            }
            if let Some(raspberry) = raspberry::find(root, model)? {
                return Ok(Layout::Raspberry(raspberry));
            }
            if let Some(layout) = extlinux::find(root)? {
                return Ok(layout);
            }
            for find in [u_boot::find, u_boot::flash_kernel] {
                if let Some(manual_step) = find(root)? {
                    return Ok(Layout::ManualStep(manual_step));
                }
            }
            if let Some(layout) = grub::find(root)? {
                return Ok(layout);
            }
            for find in [systemd_boot::find, u_boot::boot_script] {
                if let Some(manual_step) = find(root)? {
                    return Ok(Layout::ManualStep(manual_step));
                }
            }
            // Nothing: the partition may not be mounted.
            partition::check(root, Path::new(BOOT))?;
            Ok(Layout::Unknown)
        })();
        found.unwrap_or_else(|error| Layout::Blocked(error, partition::missing(root)))
    }

    /// Its usual name.
    pub fn name(&self) -> &str {
        match self {
            Layout::Raspberry(_) => "Raspberry Pi firmware",
            Layout::DebianRaspi(_) => "Debian's raspi-firmware",
            Layout::Extlinux(_) => "extlinux.conf",
            Layout::Grub(_) => "GRUB",
            Layout::ManualStep(manual_step) => manual_step.name,
            Layout::Blocked(..) | Layout::Unknown => "unknown boot loader",
        }
    }

    /// The file that is or would be edited, with the root prefix.
    pub fn source(&self) -> Option<String> {
        match self {
            Layout::Raspberry(raspberry) => Some(raspberry.file.shown.clone()),
            Layout::DebianRaspi(debian) => Some(debian.extra.shown.clone()),
            Layout::Extlinux(extlinux) => Some(extlinux.file.shown.clone()),
            Layout::Grub(grub) => Some(grub.source()),
            Layout::ManualStep(manual_step) => manual_step.shown.clone(),
            Layout::Blocked(_, place) => place.clone(),
            Layout::Unknown => None,
        }
    }

    /// The option for the memory cgroup in the boot configuration.
    pub fn memory_option(&self) -> Result<MemoryOption> {
        match self {
            Layout::Raspberry(raspberry) => raspberry.memory_option(),
            Layout::DebianRaspi(debian) => debian.memory_option(),
            Layout::Extlinux(extlinux) => extlinux.memory_option(),
            Layout::Grub(grub) => Ok(grub.memory_option()),
            Layout::ManualStep(manual_step) => Ok(manual_step.option),
            Layout::Blocked(error, _) => Err(error.clone()),
            Layout::Unknown => Ok(MemoryOption::Unknown),
        }
    }

    /// Whether its kernels have the memory cgroup off without an option: Raspberry Pi's have, generic ones do not.
    pub fn is_off_by_default(&self) -> bool {
        matches!(self, Layout::Raspberry(_) | Layout::DebianRaspi(_))
    }

    /// Plans the edit that turns the memory cgroup on; commands are planned for a live host only.
    pub fn enable(&self, is_live: bool, plan: &mut Plan) -> Result<()> {
        match self {
            Layout::Raspberry(raspberry) => raspberry.enable(plan),
            Layout::DebianRaspi(debian) => debian.enable(is_live, plan),
            Layout::Extlinux(extlinux) => extlinux.enable(plan),
            Layout::Grub(grub) => grub.enable(is_live, plan),
            Layout::ManualStep(manual_step) => Err(manual_step.refuse()),
            Layout::Blocked(error, _) => Err(error.clone()),
            Layout::Unknown => {
                Err(Error::refused("cannot turn the memory cgroup on: the boot loader of this host is unknown")
                    .hint(format!("add {ENABLE} to the kernel's command line, then reboot")))
            }
        }
    }

    /// The command that is left to be run where only a generated file disables the memory cgroup.
    pub(super) fn generate_step(&self) -> Option<&str> {
        match self {
            Layout::Grub(grub) => grub.generate_step(),
            _ => None,
        }
    }

    /// Whether a file of an image must be generated by the user before the memory cgroup is on.
    pub(super) fn has_manual_step(&self) -> bool {
        matches!(self, Layout::Grub(grub) if grub.has_manual_step())
    }

    /// Plans the command that generates the file read at boot, where that lacks an earlier edit.
    pub fn regenerate_if_outdated(&self, plan: &mut Plan) {
        match self {
            Layout::DebianRaspi(debian) => debian.regenerate_if_outdated(plan),
            Layout::Grub(grub) => grub.regenerate_if_outdated(plan),
            _ => {}
        }
    }
}

/// A file of the boot configuration, and its rescue copy.
#[derive(Debug, Clone)]
pub struct BootFile {
    /// Its path below the root.
    pub path: PathBuf,
    /// Its path with the root prefix, for messages.
    pub shown: String,
    /// Its content and state.
    pub now: FileSnapshot,
    old: FileSnapshot,
}

impl BootFile {
    fn read(root: &Root, path: &Path) -> Result<BootFile> {
        Ok(BootFile {
            path: path.to_path_buf(),
            shown: root.display(path).display().to_string(),
            now: root.find(path)?,
            old: root.find(&old_path(path))?,
        })
    }

    /// Its bytes; refused where no file exists. `verb` is for the error: `read` or `edit`.
    fn bytes(&self, verb: &str) -> Result<&[u8]> {
        match self.now.state {
            State::File { .. } => Ok(&self.now.bytes),
            State::Absent => Err(Error::refused(format!("cannot {verb} {}: it does not exist", self.shown))
                .hint("check that the partition this system boots from is mounted: findmnt")),
            ref other => Err(Error::refused(format!("cannot {verb} {}: it is {}", self.shown, other.describe()))),
        }
    }

    /// Its content as one command line.
    fn line(&self, verb: &str) -> Result<OneLine<'_>> {
        OneLine::parse_filled(self.bytes(verb)?).on(verb, &self.shown)
    }

    /// Plans a copy of the current file beside it, for a rescue with a card reader. A copy of an earlier
    /// run is replaced, as it may name a disk that no longer exists; an undo restores it.
    fn keep_old(&self, plan: &mut Plan) {
        if self.old.exists() && self.old.bytes == self.now.bytes {
            return;
        }
        let node = Node::File { content: Bytes::Known(self.now.bytes.clone()), mode: NEW_FILE_MODE };
        let why = "previous command line, for a rescue with a card reader";
        plan.write(old_path(&self.path), self.old.clone(), node, Inverse::Whole, why);
    }
}

fn old_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(RESCUE_SUFFIX);
    path.with_file_name(name)
}

/// The inverse of a token added to a file that is one command line.
fn token_inverse(before: &str) -> Inverse {
    Inverse::Edit { kind: cmdline::EDITOR.to_owned(), data: cmdline::record(before), parts: vec![ENABLE.to_owned()] }
}
