//! Where a host keeps its kernel's command line: one file a layout.
//!
//! Each knows how to find its file, what that says about the memory cgroup, and how to plan the
//! edit. What no layout here edits is [`ManualStep`], with the exact step.

mod debian_raspi;
mod extlinux;
mod grub;
mod manual_step;
mod partition;
mod raspberry;
#[cfg(test)]
pub(super) mod testing;

use std::path::{Path, PathBuf};

use edge_host::action::Bytes;
use edge_host::action::RESCUE_SUFFIX;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, Root, State};

pub use debian_raspi::DebianRaspi;
pub use extlinux::{AppendEditor, Extlinux};
pub use grub::Grub;
pub use manual_step::ManualStep;
pub use partition::Partition;
pub use raspberry::Raspberry;

use super::cmdline::{self, ENABLE, OneLine, Said};

const NEW_FILE_MODE: u32 = 0o644;

/// How this host's kernel gets its command line.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum Layout {
    /// Raspberry Pi's firmware, and the file it reads.
    Raspberry(Raspberry),
    /// The same firmware, with a file that Debian's hook writes.
    DebianRaspi(DebianRaspi),
    /// extlinux.conf, read by U-Boot.
    Extlinux(Extlinux),
    /// GRUB as Debian configures it.
    Grub(Grub),
    /// Known, and not edited.
    ManualStep(ManualStep),
    /// It could not be found out, and why.
    Blocked(Error),
    /// Nothing that is known here.
    Unknown,
}

/// Whether the running host is worked on, where commands can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// It is.
    Live,
    /// An image below a directory.
    Image,
}

/// The kernel's state where nobody says a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// On, as in every generic kernel.
    On,
    /// Off: Raspberry Pi's kernels and device trees.
    Off,
}

impl Layout {
    /// Finds it. `model` is the device tree's, where the host is live.
    pub fn find(root: &Root, model: Option<&str>) -> Layout {
        // The order is that of precedence: the first that is there is what boots the machine.
        let found = (|| {
            if let Some(by_hand) = manual_step::ostree(root)? {
                return Ok(Layout::ManualStep(by_hand));
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
            if let Some(by_hand) = manual_step::u_boot(root)? {
                return Ok(Layout::ManualStep(by_hand));
            }
            if let Some(layout) = grub::find(root)? {
                return Ok(layout);
            }
            Ok(manual_step::systemd_boot(root)?.map_or(Layout::Unknown, Layout::ManualStep))
        })();
        found.unwrap_or_else(Layout::Blocked)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Layout::Raspberry(_) => "Raspberry Pi firmware",
            Layout::DebianRaspi(_) => "Debian's raspi-firmware",
            Layout::Extlinux(_) => "extlinux.conf",
            Layout::Grub(_) => "GRUB",
            Layout::ManualStep(by_hand) => by_hand.name,
            Layout::Blocked(_) | Layout::Unknown => "unknown boot loader",
        }
    }

    /// The file that is or would be edited, as the operator reaches it.
    pub fn source(&self) -> Option<String> {
        match self {
            Layout::Raspberry(raspberry) => Some(raspberry.file.shown.clone()),
            Layout::DebianRaspi(debian) => Some(debian.extra.shown.clone()),
            Layout::Extlinux(extlinux) => Some(extlinux.file.shown.clone()),
            Layout::Grub(grub) => Some(grub.source()),
            Layout::ManualStep(by_hand) => by_hand.shown.clone(),
            Layout::Blocked(_) | Layout::Unknown => None,
        }
    }

    /// What the lasting configuration says.
    pub fn said(&self) -> Result<Said> {
        match self {
            Layout::Raspberry(raspberry) => raspberry.said(),
            Layout::DebianRaspi(debian) => debian.said(),
            Layout::Extlinux(extlinux) => extlinux.said(),
            Layout::Grub(grub) => Ok(grub.said()),
            Layout::ManualStep(by_hand) => Ok(by_hand.said),
            Layout::Blocked(error) => Err(error.clone()),
            Layout::Unknown => Ok(Said::Nothing),
        }
    }

    /// What holds where it says nothing.
    pub fn fallback(&self) -> Fallback {
        match self {
            Layout::Raspberry(_) | Layout::DebianRaspi(_) => Fallback::Off,
            _ => Fallback::On,
        }
    }

    /// Plans the edit that turns the memory cgroup on.
    pub fn enable(&self, place: Where, plan: &mut Plan) -> Result<()> {
        match self {
            Layout::Raspberry(raspberry) => raspberry.enable(plan),
            Layout::DebianRaspi(debian) => debian.enable(place, plan),
            Layout::Extlinux(extlinux) => extlinux.enable(plan),
            Layout::Grub(grub) => grub.enable(place, plan),
            Layout::ManualStep(by_hand) => Err(by_hand.refuse()),
            Layout::Blocked(error) => Err(error.clone()),
            Layout::Unknown => Err(Error::refused(
                "cannot turn the memory cgroup on: what gives this host's kernel its command line is not known",
            )
            .hint(format!("add {ENABLE} to the kernel's command line by hand, and reboot"))),
        }
    }

    /// Plans what brings an edit that stands already to the file that is read at boot.
    pub fn bring_over(&self, plan: &mut Plan) {
        match self {
            Layout::DebianRaspi(debian) => debian.bring_over(plan),
            Layout::Grub(grub) => grub.bring_over(plan),
            _ => {}
        }
    }
}

/// A file of the boot configuration, and the one it is kept under before an edit.
#[derive(Debug, Clone)]
pub struct BootFile {
    /// Where it is.
    pub path: PathBuf,
    /// The same as the operator reaches it.
    pub shown: String,
    /// What is there.
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

    /// Its bytes; refused where no file is there.
    fn bytes(&self) -> Result<&[u8]> {
        match self.now.state {
            State::File { .. } => Ok(&self.now.bytes),
            State::Absent => Err(Error::refused(format!("cannot edit {}: it is not there", self.shown))
                .hint("check that the boot partition is the one this system boots from, and mounted")),
            ref other => Err(Error::refused(format!("cannot edit {}: it is {}", self.shown, other.describe()))),
        }
    }

    /// As one command line.
    fn line(&self) -> Result<OneLine<'_>> {
        OneLine::parse_filled(self.bytes()?).map_err(|error| self.refuse(&error))
    }

    /// A refusal with the file's name.
    fn refuse(&self, why: &Error) -> Error {
        let error = Error::refused(format!("cannot edit {}: {why}", self.shown));
        why.hint_text().map_or(error.clone(), |hint| error.hint(hint))
    }

    /// Keeps what stands there now beside it, for a rescue with a card reader: before the edit, and
    /// always what this machine booted with last. One that is there from an earlier run may name a
    /// disk that is gone by now; an undo brings it back.
    fn keep_old(&self, plan: &mut Plan) {
        if self.old.exists() && self.old.bytes == self.now.bytes {
            return;
        }
        let node = Node::File { content: Bytes::Known(self.now.bytes.clone()), mode: NEW_FILE_MODE };
        let why = "what was there, for a rescue with a card reader";
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

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
