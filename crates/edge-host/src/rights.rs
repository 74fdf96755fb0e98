//! Giving up root's rights for what needs none.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::error::{Result, ResultExt};

/// From here on this process, and what it starts, has the rights of this user and group alone.
///
/// For work on the operator's own files under sudo: what root does in directories of another user
/// can be led astray by links. There is no way back.
pub fn become_user(uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // In this order: the last step takes away the right to the other two.
    let given_up = setgroups(&[gid]).and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid));
    given_up.on("become user", uid.to_string())
}
