//! Everything that turns swap on, with one detector in its own file for each.
//!
//! A detector reads and returns what it found, whether that re-enables swap at boot and why, and
//! either the actions that turn it off or the manual step.

mod armbian_zram;
mod boot_scripts;
mod cloud_config;
mod cloud_init;
mod cron;
mod crypttab;
mod dphys_swapfile;
mod fstab;
pub(crate) mod fstab_lines;
mod gpt_auto;
mod key_value;
mod nvzramconfig;
mod own_service;
mod resume;
mod rpi_swap;
mod script;
mod service;
mod shell;
mod swap_unit;
mod swapspace;
mod waagent;
mod zram_config;
mod zram_generator;
mod zram_tools;
mod zswap;

use std::fmt;
use std::path::{Path, PathBuf};

use edge_host::action::Bytes;
use edge_host::{Action, FileSnapshot, Inverse, Node, Plan, Result, Root, quoted};
use edge_systemd::{Link, MASK, PulledIn, is_mask};

use super::active::{Active, is_zram};
pub use fstab_lines::FstabLines;

const NEW_FILE_MODE: u32 = 0o644;

/// Something that turns swap on, or could.
#[derive(Debug)]
pub struct SwapSource {
    /// The detector: `fstab`, `zram-tools`.
    pub source: &'static str,
    /// The file that configures it.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What it turns on, as it is written there: `UUID=…`, `zramswap.service`.
    pub what: String,
    /// Which lines of /proc/swaps come from it.
    pub devices: Devices,
    /// Whether it enables swap at boot.
    pub at_boot: AtBoot,
    /// Whether that is some time after the boot, by a periodic job.
    pub is_later: bool,
    /// Why.
    pub why: String,
    /// What keeps it off at boot. Where several sources share a file, the first one has the action.
    pub actions: Vec<Action>,
    /// What the user has to do instead.
    pub manual_step: Option<String>,
    /// The service that turns its devices on and off, if one does.
    pub service: Option<String>,
}

/// Which active swap comes from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// The one with this path, links resolved.
    Path(PathBuf),
    /// Every zram device that no other source provides.
    AnyZram,
    /// Every file below this directory.
    Below(PathBuf),
    /// Those that the text of a script names.
    Text(String),
    /// Not known.
    Unknown,
}

/// What a source does at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBoot {
    /// It turns swap on.
    Enabled,
    /// It is already turned off.
    Disabled,
    /// It does not turn swap on by itself, but is related.
    Related,
}

impl SwapSource {
    fn new(source: &'static str, file: impl Into<PathBuf>, what: impl Into<String>, at_boot: AtBoot) -> SwapSource {
        SwapSource {
            source,
            file: file.into(),
            line: None,
            what: what.into(),
            devices: Devices::Unknown,
            at_boot,
            is_later: false,
            why: String::new(),
            actions: Vec::new(),
            manual_step: None,
            service: None,
        }
    }

    fn because(self, why: impl Into<String>) -> SwapSource {
        SwapSource { why: why.into(), ..self }
    }

    /// Adds the manual step, unless the source is off already.
    fn manual_step(self, step: impl Into<String>) -> SwapSource {
        let step = (self.at_boot != AtBoot::Disabled).then(|| step.into());
        SwapSource { manual_step: step, ..self }
    }

    /// When it enables swap.
    pub fn when(&self) -> &'static str {
        if self.is_later { "after the boot" } else { "at boot" }
    }

    /// Its name after a preposition: `by a service`, `by cron`.
    pub fn named(&self) -> String {
        match self.source {
            "service" | "swap unit" | "udev rule" => format!("a {}", self.source),
            "init script" => format!("an {}", self.source),
            "local.d" => "a script in local.d".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Whether an active swap comes from this source.
    pub fn provides(&self, active: &Active) -> bool {
        match &self.devices {
            Devices::Path(path) => *path == active.path,
            Devices::AnyZram => is_zram(&active.path),
            Devices::Below(dir) => active.path.starts_with(dir),
            Devices::Text(text) if is_zram(&active.path) => text.contains("zram"),
            Devices::Text(text) => active.path.to_str().is_some_and(|path| names(text, path)),
            Devices::Unknown => false,
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

/// Whether a text names this path, and not only a longer one.
fn names(text: &str, path: &str) -> bool {
    let continues = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_/".contains(c));
    text.match_indices(path).any(|(at, _)| !continues(&text[at + path.len()..]))
}

impl fmt::Display for AtBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AtBoot::Enabled => "enabled",
            AtBoot::Disabled => "disabled",
            AtBoot::Related => "related",
        })
    }
}

/// A detector.
type Detect = fn(&Root) -> Result<Vec<SwapSource>>;

/// All detectors, in the order of the plan.
const DETECTORS: [Detect; 19] = [
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
    swapspace::detect,
    own_service::detect,
    boot_scripts::detect,
    cron::detect,
    zswap::detect,
];

/// Calls every detector. The files are named as the caller sees them.
pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut found = Vec::new();
    for detect in DETECTORS {
        found.extend(detect(root)?);
    }
    for source in &mut found {
        source.file = root.display(&source.file);
    }
    Ok(found)
}

/// For the fuzz target.
pub(crate) fn script_swap(text: &str) -> Option<usize> {
    shell::quoted_command(text);
    shell::Script::read(text).turns_on.map(|(line, _)| line)
}

/// A path for a manual step.
fn show(root: &Root, path: impl AsRef<Path>) -> String {
    let shown = root.display(path.as_ref()).display().to_string();
    // Of the root itself.
    shown.strip_suffix('/').filter(|shown| !shown.is_empty()).map_or(shown.clone(), str::to_owned)
}

/// A call of systemctl for a unit of the host or image.
fn systemctl(root: &Root, words: &str, unit: &str) -> String {
    let image = if root.is_live() { String::new() } else { format!(" --root={}", quoted(&show(root, "/"))) };
    format!("systemctl{image} {words} {}", quoted(unit))
}

/// Why a unit is started that is not enabled itself.
fn pulled_in(root: &Root, by: &PulledIn) -> String {
    format!("{} by {} ({}:{})", by.how, by.by, show(root, &by.file), by.line)
}

/// The manual step that keeps another unit from starting this one; systemd of a running host must be reloaded.
fn unhook(root: &Root, by: &PulledIn) -> String {
    let reload = if root.is_live() { ", then run systemctl daemon-reload" } else { "" };
    format!("remove {} from {}= in {}:{}{reload}", by.unit, by.key, show(root, &by.file), by.line)
}

/// Masks a unit by a link to /dev/null.
fn mask(path: PathBuf, was: FileSnapshot, what: &str) -> Vec<Action> {
    let mut plan = Plan::new();
    plan.write(path, was, Node::Link(MASK.to_owned()), Inverse::Whole, format!("masks {what}"));
    plan.actions
}

/// Removes the links that enable a unit.
fn disable(links: Vec<Link>, what: &str) -> Vec<Action> {
    let mut plan = Plan::new();
    for Link { path, itself } in links {
        plan.remove(path, itself, format!("disables {what}"));
    }
    plan.actions
}

/// Writes a drop-in of our own; its lines without comments are the details.
fn drop_in(path: &str, was: FileSnapshot, text: String, what: &str) -> Vec<Action> {
    let mut plan = Plan::new();
    let details = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: NEW_FILE_MODE };
    plan.write(path, was, node, Inverse::Whole, format!("turns off {what}")).details = details;
    plan.actions
}

/// The text of a file, links followed, with replacements for bytes that are not UTF-8. None where there is
/// no file or a link to /dev/null masks it, which in an image could not be followed.
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
