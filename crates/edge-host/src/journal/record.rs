//! The records of the journal: self-contained lines of JSON, paths relative to the root.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Inverse, Run};
use crate::root::{Content, LastLink, State};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub(crate) enum Record {
    /// First line of each run.
    Run(Header),
    /// What is about to be done, and what stood there before.
    Intent(Box<Intent>),
    /// A command is about to be run. Files tell by themselves whether they were written.
    Begun { seq: usize },
    /// A command was run and failed.
    Failed { seq: usize },
    /// It is done.
    Done {
        seq: usize,
        /// What stands there now, where it was not known before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<State>,
    },
    /// It was never done: an interruption came first.
    Void { seq: usize },
    /// All of the run is done, and the keys that it replaced get the name of the previous one.
    Finished,
    /// The run is complete.
    End,
    /// The user keeps what the run did: an undo that names no run passes it over.
    Kept,
    /// An undo begins: what it leaves half-done is looked for until the run is closed again.
    Reverting,
    /// A file is about to be restored in place: both sides, to complete a half-written one.
    Undoing { seq: usize, from: Content, to: Content },
    /// One action is taken back.
    Undone { seq: usize },
    /// The whole run is taken back.
    Reverted,
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) run: u64,
    pub(crate) tool: String,
    pub(crate) version: String,
    /// A label only: order is by run number, as a board without a clock starts in 1970.
    pub(crate) time: String,
    /// Digest of the call, so that the same call continues an interrupted run.
    pub(crate) request: String,
    /// The arguments of the call, for people; what is secret in them is redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) args: Vec<String>,
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
        /// The file is kept whole under its checksum.
        #[serde(default, skip_serializing_if = "is_false")]
        aside: bool,
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
}

/// A file or link that is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WriteChange {
    pub(crate) path: String,
    /// Where links led at that time, if anywhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    pub(crate) before: State,
    /// Copy of what stood there; none for private keys and files over a mebibyte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Content>,
    /// None where the content is made when applied; `Done` brings it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<State>,
    /// The new bytes, for a write in place: a half-written one is recognised and completed. Erased when
    /// the run ends, as they may hold a new secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_place: Option<Content>,
    /// The new bytes of a small file without secrets, so that a refused undo can show what was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wrote: Option<Content>,
    /// Directories that are made on the way, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<String>,
    pub(crate) inverse: Inverse,
    /// The previous file stays beside as NAME.old.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) kept_old: bool,
    /// The same private key in another form: what stood there is kept whole under its checksum.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) aside: bool,
    /// A large file: a link in its place is replaced itself, and what stood there is kept whole
    /// under its checksum.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) large: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl WriteChange {
    /// Whether a link in its place is replaced itself.
    pub(crate) fn last_link(&self) -> LastLink {
        let is_link = matches!(self.after, Some(State::Link { .. }));
        if self.large || is_link { LastLink::Keep } else { LastLink::Follow }
    }
}

impl Change {
    /// How its path was resolved.
    pub(crate) fn last_link(&self) -> LastLink {
        match self {
            Change::Write(change) => change.last_link(),
            Change::Remove { .. } => LastLink::Keep,
            _ => LastLink::Follow,
        }
    }

    /// What this change touched, for telling whether two runs met: a path, or `path#part`.
    pub(crate) fn things(&self) -> Vec<String> {
        match self {
            Change::Write(WriteChange { path, inverse: Inverse::Edit { parts, .. }, .. }) => {
                parts.iter().map(|part| format!("{path}#{part}")).collect()
            }
            Change::Write(WriteChange { path, .. })
            | Change::Remove { path, .. }
            | Change::Mode { path, .. }
            | Change::Set { path, .. } => vec![path.clone()],
            Change::Run(Run { argv, .. }) => vec![format!("command {}", argv.join(" "))],
            Change::Transaction { object, .. } => vec![object.clone()],
        }
    }

    /// The command line, if one is run.
    pub(crate) fn argv(&self) -> Option<&[String]> {
        match self {
            Change::Run(Run { argv, .. }) | Change::Transaction { argv, .. } => Some(argv),
            _ => None,
        }
    }

    /// The checksum under which the file that stood there is kept whole, if it is.
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

    /// Removes what only a recovery needs: the run is closed.
    pub(crate) fn erase_new_content(&mut self) {
        if let Change::Write(change) = self {
            change.in_place = None;
        }
    }

    /// Removes all content: what was never carried out needs none.
    pub(crate) fn forget_content(&mut self) {
        match self {
            Change::Write(change) => (change.content, change.in_place, change.wrote) = (None, None, None),
            Change::Remove { content, .. } => *content = None,
            _ => {}
        }
    }

    /// What is kept for ever of a run that is forgotten: what was there first, and nothing that we made of it.
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
            | Change::Mode { path, .. }
            | Change::Set { path, .. } => Some(path),
            Change::Run(_) | Change::Transaction { .. } => None,
        }
    }
}

/// Whether two things overlap: the same, or one holds the other (a file its keys, a key its children).
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let holds = |outer: &str, inner: &str| match inner.strip_prefix(outer) {
        Some("") => true,
        Some(rest) => rest.starts_with('#') || (outer.contains('#') && rest.starts_with(['.', '['])),
        None => false,
    };
    // Commands run again do not stand in each other's way.
    !a.starts_with("command ") && (holds(a, b) || holds(b, a))
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn a_file_holds_its_keys_and_a_key_its_children() {
        for (a, b, want) in [
            ("etc/x", "etc/x", true),
            ("etc/x", "etc/x#a.b", true),
            ("etc/x#a", "etc/x#a.b", true),
            ("etc/x#a", "etc/x#a[0]", true),
            ("etc/x#a", "etc/x#ab", false),
            ("etc/x#a.b", "etc/x#a.c", false),
            ("etc/x", "etc/xy", false),
            ("etc/x", "etc/x.d", false),
            ("command systemctl daemon-reload", "command systemctl daemon-reload", false),
        ] {
            assert_eq!(overlap(a, b), want, "{a} {b}");
            assert_eq!(overlap(b, a), want, "{b} {a}");
        }
    }
}
