//! The flag by which Debian and Ubuntu say that a reboot is needed; a reboot removes it, so it is not journalled.

use std::path::Path;

use edge_host::{Host, Mode, Result, State};

const REQUIRED: &str = "/run/reboot-required";
const PACKAGES: &str = "/run/reboot-required.pkgs";
const TEXT: &str = "*** System restart required ***\n";

/// Sets the flag, live and outside a dry run only.
pub(crate) fn require(host: &Host) -> Result<()> {
    if host.mode == Mode::DryRun || !host.root.is_live() {
        return Ok(());
    }
    let names = host.root.read(Path::new(PACKAGES))?.unwrap_or_default();
    let mut names = String::from_utf8_lossy(&names).into_owned();
    let is_set = host.root.find(Path::new(REQUIRED))?.state != State::Absent;
    if is_set && names.lines().any(|name| name == host.tool()) {
        return Ok(());
    }
    if !names.is_empty() && !names.ends_with('\n') {
        names.push('\n');
    }
    names.push_str(host.tool());
    names.push('\n');
    host.write_until_reboot(Path::new(PACKAGES), names.as_bytes())?;
    host.write_until_reboot(Path::new(REQUIRED), TEXT.as_bytes())
}
