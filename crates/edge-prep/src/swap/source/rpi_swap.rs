//! rpi-swap (Raspberry Pi OS from Trixie on): a generator that sets up zram, a file, or both.
//!
//! Turned off by a drop-in of our own; its configuration and other drop-ins stay.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{effective_files, value};

use super::{AfterReboot, Brings, Change, Remedy, SwapSource};

const GENERATORS: [&str; 2] =
    ["/usr/lib/systemd/system-generators/rpi-swap-generator", "/lib/systemd/system-generators/rpi-swap-generator"];
const CONFIG: &str = "/etc/rpi/swap.conf";
const DROPINS: [&str; 2] = ["/etc/rpi/swap.conf.d", "/usr/lib/rpi/swap.conf.d"];
const OURS: &str = "/etc/rpi/swap.conf.d/90-edgeutils.conf";
const TEXT: &str = "# Made by edge-prep: swap is off; `edge-prep undo` takes it back.\n[Main]\nMechanism=none\n";
const SECTION: &str = "Main";
const KEY: &str = "Mechanism";
const NONE: &str = "none";
/// Where its swap file is unless it is told otherwise.
const SWAP_FILE: &str = "/var/swap";
/// What it does without any setting.
const DEFAULT: &str = "auto";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut generator = None;
    for path in GENERATORS.map(Path::new) {
        if generator.is_none() && root.find_link(path)?.exists() {
            generator = Some(path.to_path_buf());
        }
    }
    let Some(generator) = generator else { return Ok(Vec::new()) };
    let mut settings = Vec::new();
    for file in std::iter::once(PathBuf::from(CONFIG)).chain(effective_files(root, &DROPINS)?) {
        let text = super::text(root, &file)?.unwrap_or_default();
        if let Some(mechanism) = value(&text, SECTION, KEY) {
            settings.push((file, mechanism));
        }
    }
    let (file, mechanism) = settings.pop().unwrap_or_else(|| (generator, DEFAULT.to_owned()));
    let ours = Path::new(OURS);
    let (after_reboot, remedy) = if mechanism == NONE {
        (AfterReboot::Off, Remedy::Nothing)
    } else if DROPINS.iter().any(|dir| file.starts_with(dir)) && file.file_name() > ours.file_name() {
        // Ours would be read before it and not count.
        let hand = format!("{} is read last and sets {KEY}={mechanism}: make it {KEY}={NONE}", file.display());
        (AfterReboot::Back, Remedy::ManualStep(hand))
    } else {
        let was = root.find(ours)?;
        (
            AfterReboot::Back,
            Remedy::Change(vec![Change::Write { path: ours.to_path_buf(), was, text: TEXT.to_owned() }]),
        )
    };
    Ok(vec![SwapSource {
        source: "rpi-swap",
        file,
        line: None,
        why: format!("{KEY}={mechanism}"),
        what: format!("{KEY}={mechanism}"),
        brings: if mechanism == "swapfile" { Brings::Path(PathBuf::from(SWAP_FILE)) } else { Brings::Zram },
        after_reboot,
        remedy,
        service: None,
    }])
}
