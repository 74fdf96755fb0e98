//! Private keys that one run has replaced more than once: the key from before the run is the one that is kept.

use crate::journal::{Change, Entry, WriteChange};

/// Joins the changes of one run to the same key, so that an undo restores the key from before the first of them. A
/// key of the interrupted part of the run was not kept.
///
/// `entries` begin with the newest.
pub(super) fn joined(entries: Vec<Entry>) -> Vec<Entry> {
    let mut joined: Vec<Entry> = Vec::new();
    for entry in entries {
        let later = replacing(&entry).and_then(|change| {
            let same = |other: &WriteChange| other.path == change.path;
            joined.iter_mut().find(|later| replacing(later).is_some_and(same))
        });
        match (later.map(|later| &mut later.intent.change), &entry.intent.change) {
            (Some(Change::Write(later)), Change::Write(earlier)) => later.before = earlier.before.clone(),
            _ => joined.push(entry),
        }
    }
    joined
}

fn replacing(entry: &Entry) -> Option<&WriteChange> {
    match &entry.intent.change {
        Change::Write(change) if change.kept_old => Some(change),
        _ => None,
    }
}
