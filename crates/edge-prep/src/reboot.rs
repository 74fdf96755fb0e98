//! The files that tell Debian's and Ubuntu's tools that a reboot is needed. A reboot removes them, so they are
//! not in the journal.

use std::path::Path;

use edge_host::{Host, Mode, Result, State};

const REQUIRED: &str = "/run/reboot-required";
const PACKAGES: &str = "/run/reboot-required.pkgs";
const TEXT: &str = "*** System restart required ***\n";

/// Writes the files, on a live host and not in a dry run.
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
