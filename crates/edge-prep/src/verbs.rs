//! What each verb does; `undo` is edge-host's.

mod apply;
mod check;
mod status;

pub(crate) use apply::apply;
pub(crate) use check::check;
pub(crate) use status::status;
