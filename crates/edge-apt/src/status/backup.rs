//! The copies of dpkg's status file: dpkg's own of the previous state, and those of each day.

use std::path::{Path, PathBuf};

use edge_host::{Error, MAX_READ, Result, Root, quoted};

use super::STATUS;
use super::damage::damage;

/// dpkg keeps the previous state here.
const OLD: &str = "/var/lib/dpkg/status-old";
/// Where the damaged one is kept, as it may have the newest changes.
const DAMAGED: &str = "/var/lib/dpkg/status.damaged";
/// dpkg-db-backup (before Debian 12 cron.daily/dpkg) keeps those of the last days here: `dpkg.status.0`, the newest
/// one, and `dpkg.status.1.gz` and so on.
const DAILY: &str = "/var/backups";
const DAILY_NAME: &str = "dpkg.status.";
/// What dpkg has beside its status file where it has installed packages.
const DATABASE: [&str; 2] = ["/var/lib/dpkg/info", OLD];
const PROGRAMS: [&str; 2] = ["/usr/bin/dpkg", "/bin/dpkg"];

/// Whether dpkg is installed, by its programs or its database.
pub(super) fn has_dpkg(root: &Root) -> Result<bool> {
    Ok(has_any(root, &PROGRAMS)? || has_database(root)?)
}

/// Whether dpkg has installed packages, by what it has beside its status file.
pub(super) fn has_database(root: &Root) -> Result<bool> {
    Ok(has_any(root, &DATABASE)? || !daily(root)?.is_empty())
}

fn has_any(root: &Root, paths: &[&str]) -> Result<bool> {
    for path in paths {
        if root.find(Path::new(path))?.exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The error for a status file that is missing, empty or damaged, with the command that restores it.
pub(super) fn error(root: &Root, why: &str, is_there: bool) -> Error {
    let shown = |path: &Path| quoted(&root.display(path).display().to_string());
    let (status, damaged) = (shown(Path::new(STATUS)), shown(Path::new(DAMAGED)));
    let text = format!("cannot read dpkg's status file {}: {why}", root.display(Path::new(STATUS)).display());
    let error = Error::failed(text);
    let Some(backup) = best(root) else {
        return error.hint(format!(
            "restore it from a backup of this host: neither {OLD} nor {DAILY}/{DAILY_NAME}* is a valid copy of it"
        ));
    };
    let keep = if is_there { format!("cp -p {status} {damaged} && ") } else { String::new() };
    let from = shown(&backup);
    let restore = if is_zipped(&backup) { format!("zcat {from} > {status}") } else { format!("cp -p {from} {status}") };
    error.hint(format!("restore the state before the last change, or of the last backup: {keep}{restore}"))
}

/// The newest copy that dpkg can read.
fn best(root: &Root) -> Option<PathBuf> {
    let daily = daily(root).unwrap_or_default();
    let all = std::iter::once(PathBuf::from(OLD)).chain(daily);
    all.into_iter().find(|path| read(root, path).is_some_and(|text| damage(&text).is_none()))
}

/// The daily copies, the newest first.
fn daily(root: &Root) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in root.list(Path::new(DAILY))? {
        let number = name.to_str().and_then(|name| name.strip_prefix(DAILY_NAME));
        if let Some(number) = number.and_then(|rest| rest.strip_suffix(".gz").unwrap_or(rest).parse::<u32>().ok()) {
            found.push((number, Path::new(DAILY).join(name)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn is_zipped(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn read(root: &Root, path: &Path) -> Option<String> {
    let bytes = root.read(path).ok()??;
    let text = if is_zipped(path) { edge_fetch::unzip(&bytes, MAX_READ)? } else { bytes };
    Some(String::from_utf8_lossy(&text).into_owned())
}
