//! rpi-swap (Raspberry Pi OS from Trixie on): a generator that sets up zram, a file, or both.
//!
//! Turned off by our own drop-in; its configuration and other drop-ins are not changed.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{effective_files, value};

use super::{AtBoot, Devices, SwapSource, drop_in, show};

const GENERATORS: [&str; 2] =
    ["/usr/lib/systemd/system-generators/rpi-swap-generator", "/lib/systemd/system-generators/rpi-swap-generator"];
const CONFIG: &str = "/etc/rpi/swap.conf";
const DROPINS: [&str; 2] = ["/etc/rpi/swap.conf.d", "/usr/lib/rpi/swap.conf.d"];
const OURS: &str = "/etc/rpi/swap.conf.d/90-edgeutils.conf";
const TEXT: &str = "# Created by edge-prep: swap is off; `edge-prep undo` removes it.\n[Main]\nMechanism=none\n";
const SECTION: &str = "Main";
const KEY: &str = "Mechanism";
const NONE: &str = "none";
/// Its swap file by default.
const SWAP_FILE: &str = "/var/swap";
/// Its mechanism by default.
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
    let setting = format!("{KEY}={mechanism}");
    let at_boot = if mechanism == NONE { AtBoot::Disabled } else { AtBoot::Enabled };
    let devices = if mechanism == "swapfile" { Devices::Path(SWAP_FILE.into()) } else { Devices::AnyZram };
    let ours = Path::new(OURS);
    // A file that is read after ours takes precedence.
    let is_later = DROPINS.iter().any(|dir| file.starts_with(dir)) && file.file_name() > ours.file_name();
    let step = format!("set {KEY}={NONE} in {}, which takes precedence over a drop-in", show(root, &file));
    let mut found = SwapSource { devices, ..SwapSource::new("rpi-swap", file, &setting, at_boot).because(&setting) };
    if is_later {
        found = found.manual_step(step);
    } else if at_boot == AtBoot::Enabled {
        found.actions = drop_in(OURS, root.find(ours)?, TEXT.to_owned(), &format!("{setting} of rpi-swap"));
    }
    Ok(vec![found])
}
