//! The primitive changes. Units, rules, links and packages are built from these above.

mod effect;
mod seconds;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::effect::{Effect, EffectVerb};
pub use crate::cmd::Script;
use crate::error::Result;
use crate::root::{FileSnapshot, Inode, State};

/// One change, with what it is for.
#[derive(Debug)]
pub struct Action {
    /// What is done.
    pub kind: ActionKind,
    /// Why, in a few words: printed behind the action.
    pub why: String,
    /// Lines that show the change itself (`modules.edgeStream.enable: false -> true`), already free
    /// of secrets.
    pub details: Vec<String>,
    /// Whether it is of use only together with the next action, such as a key with its certificate.
    ///
    /// A group of such writes is made, written and fsynced beside its places before the first file is
    /// renamed: a failure until then, such as a full file system, changes nothing. After a kill between
    /// two renames the next call resumes, as always. Commands, removals, kernel values and
    /// [`Node::Large`] end a group. Of effects, a group is recorded at once.
    pub with_next: bool,
    /// What it belongs to, in a plan of several phases.
    pub tag: Option<Tag>,
}

/// What an action belongs to: fields of its record, and the first column of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Names what is changed, the same in every call.
    pub id: String,
    /// The phase of the plan.
    pub phase: &'static str,
    /// Changes if it is replaced by another of the same name.
    pub fingerprint: String,
}

/// What an action does. [`crate::journal::Change`] is its record, with the same variants.
#[derive(Debug)]
pub enum ActionKind {
    /// Write a file or a symbolic link.
    Write(Write),
    /// Remove a file, a symbolic link or an empty directory.
    Remove(Remove),
    /// Remove a file or a directory with everything below it.
    RemoveTree(RemoveTree),
    /// Change the permission bits of a file, and nothing else of it.
    Mode(SetMode),
    /// Set a value in a kernel file, live only.
    Set(SetValue),
    /// Run a command.
    Run(Run),
    /// Have a program carry out a script.
    Transaction(Transaction),
    /// Do something that cannot be undone, live only.
    Effect(Effect),
}

/// A file or link that is written.
#[derive(Debug)]
pub struct Write {
    /// Absolute path below the root.
    pub path: PathBuf,
    /// What the facts found there; anything else at the time of writing is exit 4.
    pub was: FileSnapshot,
    /// What is written.
    pub node: Node,
    /// How it is undone.
    pub inverse: Inverse,
}

/// What a write puts in place.
pub enum Node {
    /// A regular file. An existing one keeps its mode, owner and extended attributes.
    File {
        /// Its bytes.
        content: Bytes,
        /// Mode of a new file.
        mode: u32,
    },
    /// A regular file with a secret in it, such as a password: 0600 whatever mode the one before had,
    /// and never written in place. An undo restores the mode with the content.
    Secret {
        /// Its bytes.
        content: Bytes,
    },
    /// A regular file with a private key: the one before is never copied into the journal, and becomes
    /// `NAME.old` (0600) when the run has ended.
    PrivateKey {
        /// Its bytes.
        content: Bytes,
    },
    /// A regular file of a user with credentials, such as a kubeconfig: 0600, parent directories that are made for it
    /// 0700, all owned by the user. The one before is kept beside the journal. No symbolic link is followed to it.
    OfUser {
        /// Its bytes.
        content: Vec<u8>,
        /// Numeric user and group.
        owner: (u32, u32),
    },
    /// A symbolic link with this text.
    Link(String),
    /// The private key that is there already, in another form: `NAME.old` stays, and the previous file is kept.
    SameKey(Vec<u8>),
    /// A regular file that is too large for memory and journal, such as a program: written in pieces to a
    /// temporary name and renamed, so that a program in use can be replaced. A link is replaced itself. The
    /// previous file is kept until its run is pruned or undone.
    Large {
        /// Writes its bytes.
        content: ContentWriter,
        /// What they must be, in hex; anything else is not put in place.
        sha256: String,
        /// Its mode, whatever the previous one was; the owner is the caller.
        mode: u32,
    },
}

/// Writes the bytes of a large file, once, when the action is done.
pub type ContentWriter = Box<dyn FnOnce(&mut dyn io::Write) -> Result<()>>;

/// Bytes that are known when the plan is made, or only when it is applied (a new key).
pub enum Bytes {
    /// Known.
    Known(Vec<u8>),
    /// Made once, when the action is done.
    Made(Box<dyn FnOnce() -> Result<Vec<u8>>>),
}

/// How a write is undone. The journal keeps it as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inverse {
    /// The previous content is restored, if the file is still exactly as we left it.
    Whole,
    /// The same while the file is as we left it; otherwise the [`crate::Editor`] of this kind reverts
    /// the edit alone, whatever else has changed.
    Edit {
        /// Names the editor.
        kind: String,
        /// What the editor needs; it goes into the journal as it is.
        data: Value,
        /// The parts of the file that were edited, such as key paths: runs that touch other parts
        /// do not prevent an undo.
        parts: Vec<String>,
    },
    /// The file stays while the [`crate::Editor`] of this kind needs it, such as the only copy of something.
    Keep {
        /// Names the editor.
        kind: String,
        /// What the editor needs; it goes into the journal as it is.
        data: Value,
    },
}

/// A path that is removed.
#[derive(Debug)]
pub struct Remove {
    /// Absolute path below the root; a link is removed itself.
    pub path: PathBuf,
    /// What the facts found there.
    pub was: FileSnapshot,
    /// Whether a file is kept beside the journal, whatever its size: for what
    /// [`crate::Root::find_large`] found. Otherwise the journal holds a copy of up to [`MAX_COPY`].
    pub aside: bool,
}

/// A path that is removed with everything below it. If something is mounted there, it is not touched (exit 4).
#[derive(Debug, Clone)]
pub struct RemoveTree {
    /// Absolute path below the root; a link is removed itself.
    pub path: PathBuf,
    /// What the facts found there.
    pub was: Inode,
    /// Whether it is moved to the trash beside it, from which an undo restores it; otherwise it is deleted at once.
    pub to_trash: bool,
    /// What must be gone before, such as the directories that a configuration names: if one of them could not be
    /// removed, this is refused (exit 4), so that the next call finds it again.
    pub after: Vec<PathBuf>,
}

/// Permission bits that a regular file must have.
#[derive(Debug, Clone)]
pub struct SetMode {
    /// Absolute path below the root; a link is followed.
    pub path: PathBuf,
    /// What the facts found there.
    pub was: FileSnapshot,
    /// The permission bits.
    pub mode: u32,
}

/// A kernel value.
#[derive(Debug, Clone)]
pub struct SetValue {
    /// The file, such as a sysctl's below /proc/sys.
    pub path: PathBuf,
    /// Its value before, without surrounding white space.
    pub was: String,
    /// Its new value.
    pub value: String,
}

/// A command, how to know whether it is done, and how to undo it. The journal keeps it as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Program and arguments; the program is looked for before the first change.
    pub argv: Vec<String>,
    /// Exit status 0 says that it is done; without a probe it is run again after an interruption.
    pub probe: Option<Vec<String>>,
    /// The command that undoes it.
    pub inverse: Option<Vec<String>>,
    /// When an undo runs the inverse.
    #[serde(default, rename = "turn")]
    pub undo_order: UndoOrder,
    /// How long it may take.
    #[serde(rename = "seconds", with = "seconds")]
    pub deadline: Duration,
}

impl Run {
    /// A command without a probe that an undo leaves as it is.
    pub fn new<W: Into<String>>(argv: impl IntoIterator<Item = W>, deadline: Duration) -> Run {
        Run { argv: words(argv), probe: None, inverse: None, undo_order: UndoOrder::Reverse, deadline }
    }

    /// The same with a command whose exit status 0 says that it is done.
    #[must_use]
    pub fn with_probe<W: Into<String>>(self, argv: impl IntoIterator<Item = W>) -> Run {
        Run { probe: Some(words(argv)), ..self }
    }

    /// The same with the command that undoes it, and when an undo runs that.
    #[must_use]
    pub fn undone_by<W: Into<String>>(self, undo_order: UndoOrder, argv: impl IntoIterator<Item = W>) -> Run {
        Run { inverse: Some(words(argv)), undo_order, ..self }
    }
}

fn words<W: Into<String>>(argv: impl IntoIterator<Item = W>) -> Vec<String> {
    argv.into_iter().map(Into::into).collect()
}

/// A script that is carried out whole or not at all, such as a table's new rules for iptables-restore.
///
/// An undo goes by the facts of that moment and not by an inverse that was fixed beforehand: an
/// [`crate::Editor`] of its kind makes the reverting script from what is there then.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// What is run.
    pub script: Script,
    /// What it changes, for messages and to tell whether two runs changed the same: `table nat of iptables-nft`, or the
    /// part of one owner of it, `table nat of iptables-nft#EDGEUTILS-STREAM`.
    pub object: String,
    /// Names the editor.
    pub kind: String,
    /// What the editor needs; it goes into the journal as it is.
    pub data: Value,
}

/// When an undo runs the inverse of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UndoOrder {
    /// In the reverse of the plan's order: what was started last is stopped first.
    #[default]
    Reverse,
    /// After everything else: a reload that must see the files as they were.
    Last,
    /// After even that: a restart of what was reloaded.
    Finally,
}

/// How an action can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// The previous state is restored byte for byte.
    Exact,
    /// By a command that reverts it.
    Inverse,
    /// It cannot be undone.
    None,
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Undo::Exact => "exact",
            Undo::Inverse => "inverse",
            Undo::None => "none",
        })
    }
}

/// Suffix of a copy of a file, to repair a host without this program: an undo keeps it if the file itself
/// could not be restored.
pub const RESCUE_SUFFIX: &str = ".edgeutils-old";

/// Larger copies are not kept, and the action says `undo: none`.
pub const MAX_COPY: usize = 1 << 20;

impl Action {
    /// What an undo can promise.
    pub fn undo(&self) -> Undo {
        match &self.kind {
            ActionKind::Write(Write { was, node, .. })
                if was.bytes.len() > MAX_COPY
                    && !matches!(
                        node,
                        Node::PrivateKey { .. } | Node::OfUser { .. } | Node::SameKey(_) | Node::Large { .. }
                    ) =>
            {
                Undo::None
            }
            ActionKind::Remove(Remove { was, aside, .. })
                if was.state == State::Other || (!aside && was.bytes.len() > MAX_COPY) =>
            {
                Undo::None
            }
            ActionKind::RemoveTree(RemoveTree { to_trash: false, .. })
            | ActionKind::Effect(_)
            | ActionKind::Write(Write { inverse: Inverse::Keep { .. }, .. }) => Undo::None,
            ActionKind::Write(_)
            | ActionKind::Remove(_)
            | ActionKind::RemoveTree(_)
            | ActionKind::Mode(_)
            | ActionKind::Set(_) => Undo::Exact,
            ActionKind::Run(run) if run.inverse.is_some() => Undo::Inverse,
            ActionKind::Transaction(_) => Undo::Inverse,
            ActionKind::Run(_) => Undo::None,
        }
    }

    /// The verb for people and records.
    pub fn verb(&self) -> &'static str {
        match &self.kind {
            ActionKind::Write(Write { node: Node::Link(_), .. }) => "link",
            ActionKind::Write(_) => "write",
            ActionKind::Remove(_) => "remove",
            ActionKind::RemoveTree(RemoveTree { to_trash: true, .. }) => "trash",
            ActionKind::RemoveTree(_) => "delete",
            ActionKind::Mode(_) => "chmod",
            ActionKind::Set(_) => "set",
            ActionKind::Run(_) | ActionKind::Transaction(_) => "run",
            ActionKind::Effect(effect) => effect.verb.word(),
        }
    }

    /// Whether it can be written to a temporary name together with others.
    pub(crate) fn can_be_staged(&self) -> bool {
        matches!(&self.kind, ActionKind::Write(write) if !matches!(write.node, Node::Large { .. }))
    }

    /// The path it changes, if it changes one.
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            ActionKind::Write(write) => Some(&write.path),
            ActionKind::Remove(remove) => Some(&remove.path),
            ActionKind::RemoveTree(tree) => Some(&tree.path),
            ActionKind::Mode(set) => Some(&set.path),
            ActionKind::Set(set) => Some(&set.path),
            ActionKind::Run(_) | ActionKind::Transaction(_) | ActionKind::Effect(_) => None,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::File { content, mode } => write!(f, "File({content:?}, {mode:o})"),
            Node::Secret { .. } => f.write_str("Secret"),
            Node::PrivateKey { .. } => f.write_str("PrivateKey"),
            Node::OfUser { owner: (uid, gid), .. } => write!(f, "OfUser({uid}:{gid})"),
            Node::SameKey(_) => f.write_str("SameKey"),
            Node::Link(target) => write!(f, "Link({target})"),
            Node::Large { sha256, mode, .. } => write!(f, "Large({sha256}, {mode:o})"),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bytes::Known(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Bytes::Made(_) => f.write_str("made when applied"),
        }
    }
}
