//! What was found on the host: one thing, to whom it belongs, how that is proven, and what is done with it.

use edge_host::{Action, Report, Tag};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::creator::Creator;
use crate::phase::Phase;

/// Digits of a fingerprint.
const DIGITS: usize = 16;

/// What is done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is removed.
    Remove,
    /// It is kept.
    Keep,
    /// Its removal would do harm.
    Refuse,
}

impl Fate {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Fate::Remove => "remove",
            Fate::Keep => "keep",
            Fate::Refuse => "refuse",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Names it, the same in every call: `links/cni0`.
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// What it is: `bridge`, `unit`, `directory`.
    pub(crate) kind: &'static str,
    /// Its name, for people.
    pub(crate) object: String,
    /// What makes such things.
    pub(crate) creators: Vec<Creator>,
    /// What was seen that proves it.
    pub(crate) proofs: Vec<String>,
    pub(crate) fate: Fate,
    /// Why it is kept or refused, or what is said of it otherwise; may be empty.
    pub(crate) text: String,
    /// What the user can do: of an item that is left to another program, the command that removes it.
    pub(crate) hint: Option<String>,
    /// Whether it is left for the hint's command, so that the host is not clean yet.
    pub(crate) is_leftover: bool,
    /// Changes if it is replaced by another of the same name.
    pub(crate) fingerprint: String,
    /// The phase before which its removal is not possible or not complete.
    pub(crate) depends_on: Option<Phase>,
}

impl Item {
    /// An item that is removed, from what identifies it.
    pub(crate) fn new(phase: Phase, kind: &'static str, name: &str, identity: &[&[u8]]) -> Item {
        Item {
            id: format!("{phase}/{name}"),
            phase,
            kind,
            object: name.to_owned(),
            creators: Vec::new(),
            proofs: Vec::new(),
            fate: Fate::Remove,
            text: String::new(),
            hint: None,
            is_leftover: false,
            fingerprint: fingerprint(identity),
            depends_on: None,
        }
    }

    /// The same, kept.
    #[must_use]
    pub(crate) fn kept(self, why: impl Into<String>) -> Item {
        Item { fate: Fate::Keep, text: why.into(), ..self }
    }

    /// The same, refused.
    #[must_use]
    pub(crate) fn refused(self, why: impl Into<String>, hint: impl Into<String>) -> Item {
        Item { fate: Fate::Refuse, text: why.into(), hint: Some(hint.into()), ..self }
    }

    /// Marks an action as that of this item.
    pub(crate) fn tag(&self, action: &mut Action) {
        action.tag = Some(Tag { id: self.id.clone(), phase: self.phase.name(), fingerprint: self.fingerprint.clone() });
    }

    /// Why it is removed, as its action says it: `made by kube-proxy`.
    pub(crate) fn why(&self) -> String {
        let names: Vec<&str> = self.creators.iter().map(Creator::title).collect();
        let by = if names.is_empty() { String::new() } else { format!("made by {}", names.join(", ")) };
        [by.as_str(), &self.text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// A line or a record of `scan`.
    pub(crate) fn report(&self, report: &mut Report) {
        let names: Vec<&str> = self.creators.iter().map(Creator::title).collect();
        let parts = [names.join(", "), self.proofs.join(", "), self.text.clone()];
        let text = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("; ");
        let text = if text.is_empty() { text } else { format!(": {text}") };
        report.line_of(self.phase.name(), &format!("{} {}{text}", self.fate.word(), self.object));
        self.record(report);
    }

    /// Its record.
    pub(crate) fn record(&self, report: &mut Report) {
        report.record(
            "item",
            json!({"id": self.id, "kind": self.kind, "object": self.object,
                   "creators": self.creators.iter().map(Creator::name).collect::<Vec<_>>(), "proofs": self.proofs,
                   "phase": self.phase.name(), "fate": self.fate.word(), "text": self.text, "hint": self.hint}),
        );
    }
}

/// A digest of what identifies a thing.
pub(crate) fn fingerprint(identity: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in identity {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..DIGITS].to_owned()
}
