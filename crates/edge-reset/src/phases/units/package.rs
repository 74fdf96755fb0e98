//! Whether a file belongs to a package of dpkg or rpm.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use edge_host::{Cmd, Host, Result};

/// Lists of the files of each package of dpkg.
const LISTS: &str = "/var/lib/dpkg/info";
const LIST: &str = "list";
/// The database of rpm, in its places.
const RPM: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];

/// Answers that were given already: the lists of a host are some hundred files.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    known: HashMap<PathBuf, bool>,
}

impl Packages {
    /// Whether a package owns a file.
    ///
    /// Errors: a list of dpkg cannot be read.
    pub(crate) fn own(&mut self, host: &Host, path: &Path) -> Result<bool> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        let is_owned = dpkg_owns(host, path)? || rpm_owns(host, path)?;
        self.known.insert(path.to_path_buf(), is_owned);
        Ok(is_owned)
    }
}

fn dpkg_owns(host: &Host, path: &Path) -> Result<bool> {
    let Some(wanted) = path.to_str() else { return Ok(false) };
    for name in host.root.list(Path::new(LISTS))? {
        let list = Path::new(LISTS).join(&name);
        if list.extension().is_none_or(|end| end != LIST) {
            continue;
        }
        let bytes = host.root.read(&list)?.unwrap_or_default();
        if bytes.split(|byte| *byte == b'\n').any(|line| line == wanted.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Only rpm itself reads its database, and of an image it is not run: there, a unit in the directory of the
/// administrator counts as not of a package.
fn rpm_owns(host: &Host, path: &Path) -> Result<bool> {
    let mut has_database = false;
    for dir in RPM {
        has_database |= host.root.find(Path::new(dir))?.exists() && !host.root.list(Path::new(dir))?.is_empty();
    }
    if !has_database || !host.root.is_live() {
        return Ok(false);
    }
    let asked = Cmd::find("rpm")?.arg("-qf").arg(path).output()?;
    Ok(asked.status.success())
}
