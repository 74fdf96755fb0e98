//! Tells the distribution's tools that a reboot is needed, as its packages do.
//!
//! kured and unattended-upgrades act on /run/reboot-required; the names in its .pkgs say who asked.
//! Both are gone with the reboot, so they are no change to the host and not journalled.

use std::path::Path;

use crate::error::{Result, ResultExt};
use crate::host::{Host, Mode};
use crate::root::{LastLink, Meta, State};

const REQUIRED: &str = "/run/reboot-required";
const PACKAGES: &str = "/run/reboot-required.pkgs";
const TEXT: &str = "*** System restart required ***\n";
const META: Meta = Meta { mode: 0o644, owner: None };

/// Sets the flag, live and outside a dry run only.
pub fn require_reboot(host: &Host) -> Result<()> {
    if host.mode == Mode::DryRun || !host.root.is_live() {
        return Ok(());
    }
    host.must_be_prepared()?;
    let names = host.root.read(Path::new(PACKAGES))?.unwrap_or_default();
    let mut names = String::from_utf8_lossy(&names).into_owned();
    if names.lines().any(|name| name == host.tool) && host.root.find(Path::new(REQUIRED))?.state != State::Absent {
        return Ok(());
    }
    if !names.is_empty() && !names.ends_with('\n') {
        names.push('\n');
    }
    names.push_str(host.tool);
    names.push('\n');
    for (path, text) in [(PACKAGES, names.as_str()), (REQUIRED, TEXT)] {
        let path = Path::new(path);
        host.root
            .resolve(path, LastLink::Keep)
            .on("write", path)?
            .replace(text.as_bytes(), META, None)
            .on("write", path)?;
    }
    Ok(())
}
