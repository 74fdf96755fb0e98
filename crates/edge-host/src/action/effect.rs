//! Changes that cannot be undone and are neither files nor commands.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Something that cannot be undone and is neither a file nor a command, such as the end of a process.
///
/// The journal keeps only its name. After an interruption the same call plans it again if the new facts ask for it.
pub struct Effect {
    /// What is done: `unmount`, `end` or `delete`.
    pub verb: EffectVerb,
    /// What it is done to.
    pub object: String,
    /// Does it, once.
    pub perform: Box<dyn FnOnce() -> Result<()>>,
}

/// What an [`Effect`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectVerb {
    /// Unmounts a file system.
    Unmount,
    /// Ends a process, a pod or a container.
    End,
    /// Deletes an object of the kernel, such as a link or a control group.
    Delete,
}

impl EffectVerb {
    /// The verb for people and records.
    pub(crate) fn word(self) -> &'static str {
        match self {
            EffectVerb::Unmount => "unmount",
            EffectVerb::End => "end",
            EffectVerb::Delete => "delete",
        }
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Effect({:?} {})", self.verb, self.object)
    }
}
