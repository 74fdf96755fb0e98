//! The user who called sudo: a build runs with the rights, home and caches of this user.

use std::path::PathBuf;

use edge_host::{Error, Result, ResultExt};
use nix::unistd::{Gid, Uid, User as Account, geteuid, setgroups, setresgid, setresuid};

/// The user of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    gid: u32,
    pub(super) home: PathBuf,
}

impl User {
    /// The user who called sudo; none where root or the user runs this directly.
    pub(crate) fn of_sudo() -> Result<Option<User>> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
        let (Some(uid), Some(gid)) = (number("SUDO_UID"), number("SUDO_GID")) else { return Ok(None) };
        if uid == 0 || !geteuid().is_root() {
            return Ok(None);
        }
        let account = Account::from_uid(Uid::from_raw(uid)).ok().flatten();
        let home = account.map(|account| account.dir).ok_or_else(|| {
            Error::failed(format!("cannot build as user {uid}, who called sudo: the account does not exist"))
                .hint("run it without sudo: a build changes nothing on the host")
        })?;
        Ok(Some(User { uid, gid, home }))
    }

    /// Drops root permanently: from here on this process and its children have only this user's rights.
    ///
    /// Links could misdirect what root does in directories of another user.
    pub(crate) fn drop_root(&self) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        // The user comes last, as only root may set groups.
        let dropped = setgroups(&[gid]).and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid));
        dropped.on("become user", uid.to_string())
    }
}
