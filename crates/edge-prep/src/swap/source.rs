//! The places that swap comes from, one detector in a file of its own for each.
//!
//! A detector reads and says what it found, whether that brings swap back after a reboot and why,
//! and either the changes that turn it off or the hand step. Turning off is carrying out those
//! changes; the way back is the inverse that each of them has in the plan.

mod armbian_zram;
mod cloud_init;
mod crypttab;
mod dphys_swapfile;
mod fstab;
pub(crate) mod fstab_lines;
mod gpt_auto;
mod manual_step;
mod nvzramconfig;
mod resume;
mod rpi_swap;
mod service;
mod swap_unit;
mod waagent;
mod zram_config;
mod zram_generator;
mod zram_tools;
mod zswap;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use edge_host::{FileSnapshot, Result, Root};
use edge_systemd::is_mask;

use super::active::{Active, is_zram};
pub use fstab_lines::FstabLines;
pub(super) use fstab_lines::{EDITOR as FSTAB_EDITOR, commented};

/// One place that swap comes from, or could come from.
#[derive(Debug, Clone)]
pub struct SwapSource {
    /// The detector: `fstab`, `zram-tools`.
    pub source: &'static str,
    /// The file that says so.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What it turns on, in its own words: `UUID=…`, `zramswap.service`.
    pub what: String,
    /// Which lines of /proc/swaps are its doing.
    pub brings: Brings,
    /// Whether there will be swap from it after a reboot.
    pub after_reboot: AfterReboot,
    /// Why.
    pub why: String,
    /// What turns it off.
    pub remedy: Remedy,
    /// The service that turns its devices on and off, if one does.
    pub service: Option<String>,
}

/// Which active swap a place stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brings {
    /// The one with this path, links resolved.
    Path(PathBuf),
    /// Every zram device that nothing else stands for.
    Zram,
    /// It cannot be told.
    Unknown,
}

/// What a place means for the time after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterReboot {
    /// It turns swap on.
    Back,
    /// It does not: turned off already.
    Off,
    /// It turns none on by itself, but is worth knowing.
    Aside,
}

/// What turns a place off.
#[derive(Debug, Clone)]
pub enum Remedy {
    /// Nothing to do.
    Nothing,
    /// These changes.
    Change(Vec<Change>),
    /// A step that is left to a human, in full.
    ManualStep(String),
}

/// A change of a file.
#[derive(Debug, Clone)]
pub enum Change {
    /// Comment a line.
    Comment {
        /// The file.
        path: PathBuf,
        /// What was found there; shared, as one file may hold many such lines.
        was: Rc<FileSnapshot>,
        /// The line, from 1.
        line: usize,
    },
    /// Make a link.
    Link {
        /// Where.
        path: PathBuf,
        /// What was found there.
        was: FileSnapshot,
        /// Where it points.
        target: &'static str,
    },
    /// Write a file of our own.
    Write {
        /// Where.
        path: PathBuf,
        /// What was found there.
        was: FileSnapshot,
        /// Its text.
        text: String,
    },
    /// Remove a link.
    Remove {
        /// Where.
        path: PathBuf,
        /// What was found there.
        was: FileSnapshot,
    },
}

impl Change {
    /// The path that is changed.
    pub fn path(&self) -> &Path {
        match self {
            Change::Comment { path, .. }
            | Change::Link { path, .. }
            | Change::Write { path, .. }
            | Change::Remove { path, .. } => path,
        }
    }
}

impl SwapSource {
    /// Whether an active swap is this place's doing.
    pub fn stands_for(&self, active: &Active) -> bool {
        match &self.brings {
            Brings::Path(path) => *path == active.path,
            Brings::Zram => is_zram(&active.path),
            Brings::Unknown => false,
        }
    }

    /// `file:line`, or the file alone.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }
}

impl fmt::Display for AfterReboot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AfterReboot::Back => "back after a reboot",
            AfterReboot::Off => "off",
            AfterReboot::Aside => "no swap by itself",
        })
    }
}

/// A detector.
type Detect = fn(&Root) -> Result<Vec<SwapSource>>;

/// All of them. The order is that of the plan.
const DETECTORS: [Detect; 15] = [
    fstab::detect,
    swap_unit::detect,
    dphys_swapfile::detect,
    rpi_swap::detect,
    zram_generator::detect,
    zram_tools::detect,
    zram_config::detect,
    nvzramconfig::detect,
    gpt_auto::detect,
    crypttab::detect,
    cloud_init::detect,
    waagent::detect,
    resume::detect,
    armbian_zram::detect,
    zswap::detect,
];

/// Asks every detector.
pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut found = Vec::new();
    for detect in DETECTORS {
        found.extend(detect(root)?);
    }
    Ok(found)
}

/// The text of a file, links followed; bytes that are no text are shown as such. None where nothing
/// is there or a link to /dev/null masks it, which in an image could not be followed.
fn text(root: &Root, path: impl AsRef<Path>) -> Result<Option<String>> {
    if is_mask(path.as_ref(), &root.find_link(path.as_ref())?) {
        return Ok(None);
    }
    Ok(root.read(path.as_ref())?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The paths of a directory's files with this ending, sorted by name.
fn files(root: &Root, dir: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let dir = Path::new(dir);
    let names = root.list(dir)?;
    Ok(names
        .iter()
        .filter(|name| name.to_str().is_some_and(|name| name.ends_with(ending)))
        .map(|name| dir.join(name))
        .collect())
}
