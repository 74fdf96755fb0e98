//! What is at a path, in a form that can be compared later and kept in the journal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::attributes::Xattrs;

/// What is at a path at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase", deny_unknown_fields)]
pub enum State {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// SHA-256 of its bytes, in hex.
        sha256: String,
        /// Permission bits, set-id bits included.
        mode: u32,
        /// Owner's number.
        uid: u32,
        /// Group's number.
        gid: u32,
        /// Its extended attributes; none if they are not recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        xattrs: Option<Box<Xattrs>>,
    },
    /// A symbolic link.
    Link {
        /// Its text.
        target: String,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner's number.
        uid: u32,
        /// Group's number.
        gid: u32,
        /// Its extended attributes; none if they are not recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        xattrs: Option<Box<Xattrs>>,
    },
    /// A socket, device or pipe.
    Other,
}

/// Permission bits, owner and group.
type Rights = (u32, u32, u32);

impl State {
    /// Whether both have the same bytes (or link text, or nothing), whatever their mode and owner.
    pub fn same_content(&self, other: &State) -> bool {
        match (self, other) {
            (State::File { sha256: a, .. }, State::File { sha256: b, .. }) => a == b,
            (State::Directory { .. }, State::Directory { .. }) => true,
            (a, b) => a == b,
        }
    }

    /// Whether mode, owner and extended attributes are the same, as far as both are recorded.
    pub(crate) fn same_rights(&self, other: &State) -> bool {
        let (Some((rights, xattrs)), Some((others, other_xattrs))) = (self.rights(), other.rights()) else {
            return true;
        };
        rights == others && (xattrs.is_none() || other_xattrs.is_none() || xattrs == other_xattrs)
    }

    /// Whether it is a file as the caller installs it: with this checksum and mode, owned by the caller.
    pub fn is_installed(&self, sum: &str, with: u32) -> bool {
        let own = (geteuid().as_raw(), getegid().as_raw());
        matches!(self, State::File { sha256, mode, uid, gid, .. } if sha256 == sum && *mode == with && (*uid, *gid) == own)
    }

    /// Mode, owner and extended attributes, if it has them.
    pub(crate) fn rights(&self) -> Option<(Rights, Option<&Xattrs>)> {
        match self {
            State::File { mode, uid, gid, xattrs, .. } | State::Directory { mode, uid, gid, xattrs } => {
                Some(((*mode, *uid, *gid), xattrs.as_deref()))
            }
            State::Absent | State::Link { .. } | State::Other => None,
        }
    }

    /// A few words for messages: `a file`, `nothing`.
    pub fn describe(&self) -> &'static str {
        match self {
            State::Absent => "nothing",
            State::File { .. } => "a file",
            State::Link { .. } => "a symbolic link",
            State::Directory { .. } => "a directory",
            State::Other => "a device, socket or pipe",
        }
    }
}

/// Bytes in a journal record: readable where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// UTF-8 text as it is.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Content {
    /// Wraps bytes for a record.
    pub(crate) fn of(bytes: &[u8]) -> Content {
        match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The bytes again; `None` if the record is damaged.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Content::Text(text) => Some(text.clone().into_bytes()),
            Content::Base64(code) => STANDARD.decode(code).ok(),
        }
    }
}

/// SHA-256 in hex, the identity of a file's content.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}

/// A short checksum, to compare for equality.
pub(crate) fn digest(bytes: &[u8]) -> String {
    sha256(bytes)[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(xattrs: &str) -> State {
        serde_json::from_str(&format!(r#"{{"is":"file","sha256":"00","mode":420,"uid":0,"gid":0{xattrs}}}"#)).unwrap()
    }

    #[test]
    fn same_rights_ignores_attributes_that_are_not_recorded() {
        let (old, none) = (file(""), file(r#","xattrs":{}"#));
        let some = file(r#","xattrs":{"user.a":{"text":"b"},"security.capability":{"base64":"AQI="}}"#);
        assert!(old.same_rights(&none) && some.same_rights(&old) && !some.same_rights(&none));
        for state in [&old, &none, &some] {
            let again: State = serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap();
            assert_eq!(again, *state);
        }
    }
}
