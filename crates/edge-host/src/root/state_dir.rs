//! The directory of the journal and the lock: of the tree, or of the user who edits files without being root.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::Root;
use crate::error::{Error, Result};
use crate::out::others_can_replace;

/// The lock is next to the journal that it protects: a tree has one lock, whether it is used as the running system,
/// by `--root /` or through a bind mount.
const SYSTEM_DIR: &str = "/var/lib/edgeutils";
/// Everyone may read the files of the utilities in it; the journal has its own mode.
const SYSTEM_MODE: u32 = 0o755;
/// Name and default of the variable in the XDG Base Directory Specification 0.8, which also requires this mode.
const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
const DEFAULT_IN_HOME: &str = ".local/state";
const USER_NAME: &str = "edgeutils";
const USER_MODE: u32 = 0o700;
const USER_HINT: &str = "use a directory of your own for the journal: export XDG_STATE_HOME=DIR";

impl Root {
    /// Whether journal and lock are the caller's own: on the running system, of a user other than root. A tree that is
    /// named by `--root` has its journal inside, whoever owns it.
    pub(crate) fn has_user_state(&self) -> bool {
        self.is_live() && !geteuid().is_root()
    }

    /// The user who called sudo, whose own runs are in another journal.
    pub(crate) fn sudo_user(&self) -> Option<String> {
        let user = env::var("SUDO_USER").ok().filter(|user| self.is_live() && user != "root");
        user.filter(|_| geteuid().is_root())
    }

    /// The directory of the journal and the lock.
    ///
    /// Errors: exit 4 where neither XDG_STATE_HOME nor HOME is set, and where another user can replace the directory.
    pub(crate) fn state_dir(&self) -> Result<PathBuf> {
        if !self.has_user_state() {
            return Ok(PathBuf::from(SYSTEM_DIR));
        }
        let dir = user_dir(env::var_os(XDG_STATE_HOME), env::var_os("HOME")).ok_or_else(|| {
            Error::refused(
                "cannot find a directory for the journal: neither XDG_STATE_HOME nor HOME is an absolute path",
            )
            .hint(USER_HINT)
        })?;
        let is_others = others_can_replace("use", &dir);
        if is_others.map_err(|error| error.hint(USER_HINT))? {
            return Err(Error::refused(format!(
                "cannot use {}: a parent directory belongs to another user or is writable by others",
                dir.display()
            ))
            .hint(USER_HINT));
        }
        Ok(dir)
    }

    /// The mode of that directory, and of missing parent directories.
    pub(crate) fn state_mode(&self) -> u32 {
        if self.has_user_state() { USER_MODE } else { SYSTEM_MODE }
    }

    /// An error of a file in that directory. A user is not advised to become root for a change of their own files.
    pub(crate) fn state_error(&self, verb: &str, path: impl AsRef<Path>, cause: &std::io::Error) -> Error {
        let error = Error::io(verb, path, cause);
        match error.errno() {
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) if self.has_user_state() => error.hint(USER_HINT),
            _ => error,
        }
    }
}

/// As the specification has it, a relative path is ignored.
fn user_dir(state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(state_home).or_else(|| Some(absolute(home)?.join(DEFAULT_IN_HOME)))?;
    Some(base.join(USER_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_of_a_user_is_where_the_specification_has_it() {
        for (state_home, home, want) in [
            (Some("/s"), Some("/home/a"), Some("/s/edgeutils")),
            (None, Some("/home/a"), Some("/home/a/.local/state/edgeutils")),
            (Some(""), Some("/home/a"), Some("/home/a/.local/state/edgeutils")),
            (Some("relative"), Some("/"), Some("/.local/state/edgeutils")),
            (Some("relative"), None, None),
            (None, Some("home"), None),
            (None, None, None),
        ] {
            let os = |value: Option<&str>| value.map(OsString::from);
            assert_eq!(user_dir(os(state_home), os(home)), want.map(PathBuf::from), "{state_home:?} {home:?}");
        }
    }
}
