//! Access control lists in the kernel's format, as not every machine has setfacl.

use std::path::Path;

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NOBODY: u32 = u32::MAX;

/// The list that a file has.
pub const ACCESS: &str = "system.posix_acl_access";
/// The list that what is made in a directory inherits.
pub const DEFAULT: &str = "system.posix_acl_default";

/// `u::rwx,u:UID:PERM,g::r-x,m::PERM,o::r-x`, which is what `setfacl -m u:UID:PERM` makes.
pub fn for_user(uid: u32, perm: u16) -> Vec<u8> {
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, perm, id) in
        [(USER_OBJ, 7, NOBODY), (USER, perm, uid), (GROUP_OBJ, 5, NOBODY), (MASK, perm, NOBODY), (OTHER, 5, NOBODY)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(perm.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// What the list of a file allows a user that it names, the mask applied.
pub fn allows(path: &Path, uid: u32) -> u16 {
    let Ok(Some(list)) = xattr::get(path, ACCESS) else { return 0 };
    let entries: Vec<(u16, u16, u32)> = list[4..]
        .chunks_exact(8)
        .map(|entry| {
            let half = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
            (half(0), half(2), u32::from_le_bytes(entry[4..8].try_into().unwrap()))
        })
        .collect();
    let mask = entries.iter().find(|(tag, ..)| *tag == MASK).map_or(7, |(_, perm, _)| *perm);
    entries.iter().find(|(tag, _, id)| *tag == USER && *id == uid).map_or(0, |(_, perm, _)| perm & mask)
}
