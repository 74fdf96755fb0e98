//! Prints an action: planned, done, or read from the journal.

use serde_json::json;

use super::{Report, Status};
use crate::action::{Action, ActionKind, Tag};
use crate::secret::redact_args;

/// Width of the first column of a plan of several phases.
const COLUMN: usize = 10;

/// An action as it is printed, also one from the journal.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) verb: String,
    pub(crate) object: String,
    pub(crate) why: String,
    pub(crate) undo: Option<String>,
    pub(crate) details: Vec<String>,
    pub(crate) tag: Option<Tag>,
}

impl Shown {
    pub(crate) fn of(action: &Action) -> Shown {
        let object = match (&action.kind, action.path()) {
            (ActionKind::Set(set), _) => format!("{} to {}", set.path.display(), set.value),
            (ActionKind::RemoveTree(tree), _) if tree.to_trash => format!("{} to the trash", tree.path.display()),
            (ActionKind::Effect(effect), _) => effect.object.clone(),
            (ActionKind::Run(run), _) => redact_args(&run.argv).join(" "),
            (ActionKind::Transaction(transaction), _) => redact_args(&transaction.script.argv).join(" "),
            (_, Some(path)) => path.display().to_string(),
            (_, None) => String::new(),
        };
        Shown {
            verb: action.verb().to_owned(),
            object,
            why: action.why.clone(),
            undo: Some(action.undo().to_string()),
            details: action.details.clone(),
            tag: action.tag.clone(),
        }
    }
}

/// What a record calls an action, for people: as a verb and as its past.
fn words(verb: &str) -> (&str, &str) {
    match verb {
        "write" => ("write", "wrote"),
        "link" => ("link", "linked"),
        "remove" => ("remove", "removed"),
        "trash" => ("move", "moved"),
        "delete" => ("delete", "deleted"),
        "unmount" => ("unmount", "unmounted"),
        "end" => ("end", "ended"),
        "restore" => ("restore", "restored"),
        "revert-edit" => ("revert the edit of", "reverted the edit of"),
        "run" => ("run", "ran"),
        other => (other, other),
    }
}

impl Report {
    /// A line of a plan of several phases, with a first column.
    pub fn line_of(&mut self, phase: &str, text: &str) {
        self.line(&format!("{phase:COLUMN$} {text}"));
    }

    /// One action of a plan, an apply or an undo.
    pub(crate) fn action(&mut self, shown: &Shown, status: Status) {
        if matches!(status, Status::Planned | Status::Done) {
            self.changes += 1;
        }
        let (verb, past) = words(&shown.verb);
        let word = match status {
            Status::Planned => format!("would {verb}"),
            Status::Done => past.to_owned(),
            Status::Failed => format!("could not {verb}"),
            Status::Refused => format!("refused to {verb}"),
            Status::Skipped => "skipped".to_owned(),
        };
        let why = if shown.why.is_empty() { String::new() } else { format!(": {}", shown.why) };
        let undo = shown.undo.as_ref().map(|undo| format!("  [undo: {undo}]")).unwrap_or_default();
        let line = format!("{word} {}{why}{undo}", shown.object);
        match &shown.tag {
            Some(tag) => self.line_of(tag.phase, &line),
            None => self.line(&line),
        }
        for detail in &shown.details {
            self.line(&format!("    {detail}"));
        }
        let mut record = json!({"do": shown.verb, "object": shown.object, "why": shown.why, "undo": shown.undo,
                   "details": shown.details, "status": status.word()});
        if let Some(Tag { id, phase, fingerprint }) = &shown.tag {
            record["id"] = json!(id);
            record["phase"] = json!(phase);
            record["fingerprint"] = json!(fingerprint);
        }
        self.record("action", record);
    }
}
