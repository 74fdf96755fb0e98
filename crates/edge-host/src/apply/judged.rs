//! What became of an action whose record does not say so.

use crate::root::State;

/// How far an interruption let it come, by what is on the host.
pub(super) enum Judged {
    Done(Option<State>),
    NotDone,
    /// A command that has not done its work: the same call runs it.
    Owed,
    Undone,
}
