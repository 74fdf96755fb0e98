//! State files of the utilities below /var/lib/edgeutils: used only if no other user can have written them.
//!
//! These files decide what may be removed and what counts as installed, which other users of the host or of an image
//! must not be able to influence.

use std::path::Path;

use nix::unistd::geteuid;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::lock;
use crate::root::{LastLink, Root, State};

const OTHERS_WRITE: u32 = 0o022;

impl Root {
    /// Makes `path` a directory that only its owner can enter, or refuses (exit 4) what is there instead.
    pub fn private_dir(&self, path: &Path) -> Result<()> {
        lock::private_dir(self, path)
    }

    /// Whether `path` is a directory of root or the caller that others cannot write to; false if it does not exist.
    /// Anything else is refused (exit 4).
    pub fn is_private(&self, path: &Path) -> Result<bool> {
        let resolved = self.resolve(path, LastLink::Keep).map_err(|cause| self.path_error("read", path, &cause))?;
        lock::is_private(self, path, &resolved)
    }

    /// Reads a state file; none if it does not exist.
    ///
    /// Refused (exit 4) if it or its directory is a link, belongs to another user, or is writable by others.
    pub fn read_own(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        if !self.is_private(path.parent().unwrap_or(path))? {
            return Ok(None);
        }
        let found = self.find_link(path)?;
        let refused = |why: &str| {
            Error::cannot("use", self.display(path), why)
                .with_exit(Exit::Refused)
                .hint("check who created it and remove it; edgeutils creates it owned by the caller with mode 0644")
        };
        match found.state {
            State::Absent => Ok(None),
            State::File { mode, uid, .. } if [0, geteuid().as_raw()].contains(&uid) && mode & OTHERS_WRITE == 0 => {
                Ok(Some(found.bytes))
            }
            State::File { .. } => Err(refused("it belongs to another user or is writable by others")),
            other => Err(refused(&format!("it is {}, not a file", other.describe()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir_all, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn read_own_accepts_only_files_that_others_cannot_have_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        let (record, parent) = (dir.path().join("var/lib/own/x.json"), dir.path().join("var/lib/own"));
        let read = || root.read_own(Path::new("/var/lib/own/x.json"));
        assert_eq!(read().unwrap(), None);
        create_dir_all(&parent).unwrap();
        assert_eq!(read().unwrap(), None);
        write(&record, "own").unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&record, 0o644);
        mode(&parent, 0o755);
        assert_eq!(read().unwrap().as_deref(), Some(b"own".as_slice()));
        let refused = |what: &str| assert_eq!(read().unwrap_err().exit(), Exit::Refused, "{what}");
        for (path, wrong, right) in [(&record, 0o664, 0o644), (&record, 0o646, 0o644), (&parent, 0o777, 0o700)] {
            mode(path, wrong);
            refused("others may write");
            mode(path, right);
        }
        if geteuid().is_root() {
            for path in [&record, &parent] {
                chown(path, Some(1000), None).unwrap();
                refused("of another user");
                chown(path, Some(0), None).unwrap();
            }
        }
        assert!(read().unwrap().is_some());
        std::fs::rename(&record, parent.join("y.json")).unwrap();
        symlink("y.json", &record).unwrap();
        refused("a link");
        std::fs::rename(&parent, dir.path().join("var/lib/other")).unwrap();
        symlink("other", &parent).unwrap();
        refused("a link to its directory");
    }
}
