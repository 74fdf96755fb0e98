//! The records of the journal: lines of JSON, with paths relative to the root.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{EffectVerb, Inverse, Run};
use crate::root::{Content, Inode, LastLink, State, Trash};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub(crate) enum Record {
    /// First line of each run.
    Run(Header),
    /// What is about to be done, and the state before.
    Intent(Box<Intent>),
    /// A command is about to be run. Files need no such record: their content shows whether they were written.
    Begun { seq: usize },
    /// A command was run and failed.
    Failed { seq: usize },
    /// It is done.
    Done {
        seq: usize,
        /// The state after it, if it was not known before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<State>,
    },
    /// It was never done, because of an interruption.
    Void { seq: usize },
    /// The whole run is done, and the keys that it replaced become `NAME.old`.
    Finished,
    /// The run is complete.
    End,
    /// The user keeps the run: an undo without a number skips it.
    Kept,
    /// An undo begins: it may leave something half-done until the run is closed again.
    Reverting,
    /// A file is about to be restored in place: old and new content, to complete it if it is half-written.
    Undoing { seq: usize, from: Content, to: Content },
    /// One action is undone.
    Undone { seq: usize },
    /// The whole run is undone.
    Reverted,
    /// What it moved to the trash is about to be deleted from there, and is not restored any more.
    Purged { seq: usize },
}

/// The first record of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) run: u64,
    pub(crate) tool: String,
    pub(crate) version: String,
    /// Only for display: runs are ordered by number, as a board without a clock starts in 1970.
    pub(crate) time: String,
    /// Digest of the call, so that the same call continues an interrupted run.
    pub(crate) request: String,
    /// The arguments of the call, for display; secrets are redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) args: Vec<String>,
    /// It changed nothing but files that the user had named, so its undo needs neither root nor the host itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) only_named_files: bool,
}

/// One action before it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) seq: usize,
    pub(crate) why: String,
    pub(crate) undo: String,
    pub(crate) change: Change,
}

/// The record of an [`crate::action::ActionKind`], with all that its undo needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant, reason = "most changes are writes")]
pub(crate) enum Change {
    Write(WriteChange),
    Remove {
        path: String,
        before: State,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Content>,
        /// The file is kept under its checksum.
        #[serde(default, skip_serializing_if = "is_false")]
        aside: bool,
    },
    /// A path with everything below it, in the trash of the run.
    Trash {
        path: String,
        inode: Inode,
        /// Which trash of the run, if the name of the usual one was taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
    },
    /// The same, deleted.
    Delete {
        path: String,
        inode: Inode,
    },
    /// Permission bits alone.
    Mode {
        path: String,
        before: State,
        mode: u32,
    },
    Set {
        path: String,
        before: String,
        after: String,
    },
    Run(Run),
    Transaction {
        argv: Vec<String>,
        object: String,
        kind: String,
        data: Value,
    },
    /// What cannot be undone.
    Effect {
        verb: EffectVerb,
        object: String,
    },
}

/// A file or link that is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WriteChange {
    pub(crate) path: String,
    /// The path that links led to at that time, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    pub(crate) before: State,
    /// The previous content; none for private keys and files larger than 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Content>,
    /// None if the content is made when applied; then `Done` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<State>,
    /// The new bytes of a write in place, to recognize and complete a half-written file. Erased when the run ends,
    /// as they may contain a new secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_place: Option<Content>,
    /// The new bytes of a small file without secrets, so that a refused undo can show what was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wrote: Option<Content>,
    /// Parent directories that are made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<String>,
    pub(crate) inverse: Inverse,
    /// The previous file is kept as NAME.old.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) kept_old: bool,
    /// The same private key in another encoding, or a file of a user: the previous file is kept under its checksum.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) aside: bool,
    /// A large file: a link is replaced itself, and the previous file is kept under its checksum.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) large: bool,
    /// A file of this user and group: no link is followed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<(u32, u32)>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl WriteChange {
    /// Whether a link in its place is replaced itself.
    pub(crate) fn last_link(&self) -> LastLink {
        let is_link = matches!(self.after, Some(State::Link { .. }));
        if self.large || is_link || self.owner.is_some() { LastLink::Keep } else { LastLink::Follow }
    }
}

impl Change {
    /// How its path was resolved.
    pub(crate) fn last_link(&self) -> LastLink {
        match self {
            Change::Write(change) => change.last_link(),
            Change::Remove { .. } | Change::Trash { .. } | Change::Delete { .. } => LastLink::Keep,
            _ => LastLink::Follow,
        }
    }

    /// What this change touched, to tell whether two runs changed the same: a path, or `path#part`.
    pub(crate) fn things(&self) -> Vec<String> {
        match self {
            Change::Write(WriteChange { path, inverse: Inverse::Edit { parts, .. }, .. }) => {
                parts.iter().map(|part| format!("{path}#{part}")).collect()
            }
            Change::Trash { path, .. } | Change::Delete { path, .. } => vec![format!("{path}{BELOW}")],
            Change::Write(WriteChange { path, .. })
            | Change::Remove { path, .. }
            | Change::Mode { path, .. }
            | Change::Set { path, .. } => vec![path.clone()],
            Change::Run(Run { argv, .. }) => vec![format!("command {}", argv.join(" "))],
            Change::Transaction { object, .. } => vec![object.clone()],
            Change::Effect { .. } => Vec::new(),
        }
    }

    /// The trash that it uses, if it uses one.
    pub(crate) fn trash(&self, run: u64) -> Trash {
        let number = if let Change::Trash { number, .. } = self { *number } else { None };
        Trash { run, number }
    }

    /// What it moves there.
    pub(crate) fn trashed(&self) -> Option<(&str, Inode)> {
        if let Change::Trash { path, inode, .. } = self { Some((path, *inode)) } else { None }
    }

    /// Whether it can neither be undone nor be seen on the host afterwards.
    pub(crate) fn is_effect(&self) -> bool {
        matches!(self, Change::Effect { .. })
    }

    /// The command line, if one is run.
    pub(crate) fn argv(&self) -> Option<&[String]> {
        match self {
            Change::Run(Run { argv, .. }) | Change::Transaction { argv, .. } => Some(argv),
            _ => None,
        }
    }

    /// The checksum under which the previous file is kept, if it is.
    pub(crate) fn aside(&self) -> Option<&str> {
        match self {
            Change::Write(
                WriteChange { large: true, before: State::File { sha256, .. }, .. }
                | WriteChange { aside: true, before: State::File { sha256, .. }, .. },
            )
            | Change::Remove { aside: true, before: State::File { sha256, .. }, .. } => Some(sha256),
            _ => None,
        }
    }

    /// Removes what only a recovery needs, when the run is closed.
    pub(crate) fn erase_new_content(&mut self) {
        if let Change::Write(change) = self {
            change.in_place = None;
        }
    }

    /// Removes all content, of a change that was never carried out.
    pub(crate) fn forget_content(&mut self) {
        match self {
            Change::Write(change) => (change.content, change.in_place, change.wrote) = (None, None, None),
            Change::Remove { content, .. } => *content = None,
            _ => {}
        }
    }

    /// What is kept forever of a pruned run: the state before it, and nothing of what it wrote.
    pub(crate) fn into_first_state(mut self) -> Change {
        if let Change::Write(change) = &mut self {
            (change.in_place, change.wrote, change.inverse) = (None, None, Inverse::Whole);
        }
        self
    }

    /// The path, if one is changed.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Change::Write(WriteChange { path, .. })
            | Change::Remove { path, .. }
            | Change::Trash { path, .. }
            | Change::Delete { path, .. }
            | Change::Mode { path, .. }
            | Change::Set { path, .. } => Some(path),
            Change::Run(_) | Change::Transaction { .. } | Change::Effect { .. } => None,
        }
    }
}

/// After the path of a tree: everything below it is changed too.
const BELOW: &str = "/";

/// Whether two things overlap: they are equal, or one contains the other (a tree its files, a file its keys, a key its
/// children).
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let contains = |outer: &str, inner: &str| match inner.strip_prefix(outer) {
        Some("") => true,
        Some(_) if outer.ends_with(BELOW) => true,
        Some(rest) => rest.starts_with('#') || (outer.contains('#') && rest.starts_with(['.', '['])),
        None => outer.strip_suffix(BELOW) == Some(inner),
    };
    // The same command in two runs is not a conflict.
    !a.starts_with("command ") && (contains(a, b) || contains(b, a))
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn overlap_of_a_file_with_its_keys_and_a_key_with_its_children() {
        for (a, b, want) in [
            ("etc/x", "etc/x", true),
            ("etc/x", "etc/x#a.b", true),
            ("etc/x#a", "etc/x#a.b", true),
            ("etc/x#a", "etc/x#a[0]", true),
            ("etc/x#a", "etc/x#ab", false),
            ("etc/x#a.b", "etc/x#a.c", false),
            ("etc/x", "etc/xy", false),
            ("etc/x", "etc/x.d", false),
            ("etc/x/", "etc/x", true),
            ("etc/x/", "etc/x/y/z#a", true),
            ("etc/x/", "etc/x/y/", true),
            ("etc/x/", "etc/xy", false),
            ("etc/x/", "etc/xy/", false),
            // The rules of two owners in a table; older versions recorded the table alone.
            ("table nat of iptables-nft#A", "table nat of iptables-nft#B", false),
            ("table nat of iptables-nft#A", "table nat of iptables-nft", true),
            ("table nat of iptables-nft#A", "table nat of iptables-legacy", false),
            ("command systemctl daemon-reload", "command systemctl daemon-reload", false),
        ] {
            assert_eq!(overlap(a, b), want, "{a} {b}");
            assert_eq!(overlap(b, a), want, "{b} {a}");
        }
    }
}
