//! Files and directories that root itself cannot change: immutable ones, and those that can only be appended to
//! (chattr(1)).

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::shell::quoted;

/// How to unlock what keeps these paths from being changed: each itself, or the directory that it is in. None if
/// nothing does.
pub(crate) fn unlock_hint<P: AsRef<Path>>(paths: &[P]) -> Option<String> {
    let mut flags = StatxAttributes::empty();
    let mut locked: Vec<PathBuf> = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        for place in [Some(path), path.parent()].into_iter().flatten() {
            let own = lock_of(place);
            if !own.is_empty() {
                flags |= own;
                locked.extend((!locked.iter().any(|known| known == place)).then(|| place.to_path_buf()));
                break;
            }
        }
    }
    if locked.is_empty() {
        return None;
    }
    let immutable = if flags.contains(StatxAttributes::IMMUTABLE) { "i" } else { "" };
    let append = if flags.contains(StatxAttributes::APPEND) { "a" } else { "" };
    let places: Vec<String> = locked.iter().map(|place| quoted(&place.display().to_string())).collect();
    Some(format!("make it changeable (chattr -{immutable}{append} {}), then run the command again", places.join(" ")))
}

fn lock_of(path: &Path) -> StatxAttributes {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    let locks = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
    found.map_or(StatxAttributes::empty(), |stat| stat.stx_attributes & locks)
}
