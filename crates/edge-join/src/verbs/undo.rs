//! `undo`.

use edge_host::{Host, Outcome, Result, UndoArgs, undo};
use edge_kubeedge::edit::editor::SettingsEditor;

pub(crate) fn run(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    undo::run(host, args, &[&SettingsEditor])
}
