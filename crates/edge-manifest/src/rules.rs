//! The edits: each rule says what is to be changed in an object, and this module changes the stream.

pub mod calico_vxlan;
pub mod flannel;
pub mod keep_off_edge;
pub mod metrics_server;

use edge_host::{Error, Result};
use edge_yaml::{Edit, Step, Value};

use crate::complete::require_complete;
use crate::notes::Notes;
use edge_objects::end::End;
use edge_objects::object::{Manager, Object};
use edge_objects::stream::{not_edited, nothing_in, parts};

/// A kind of edit.
pub trait Rule {
    /// The changes of an object. Errors: exit 4 if it cannot be changed safely.
    fn changes(&mut self, object: &Object<'_>, notes: &mut Notes) -> Result<Vec<Change>>;

    /// Called after all objects. `changed` says whether something was changed. Errors: exit 1 if the input has nothing
    /// that the rule is for.
    fn finish(&mut self, changed: bool, notes: &mut Notes) -> Result<()>;
}

/// A change of an object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The steps from the object to the value.
    pub steps: Vec<Step>,
    /// The new value; none removes it.
    pub value: Option<Value>,
    /// What is changed, for a line of a dry run.
    pub detail: String,
}

/// An object that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its title.
    pub title: String,
    /// The line of its document.
    pub line: usize,
    /// Its changes, a line each.
    pub details: Vec<String>,
}

/// The result of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// The whole stream.
    pub text: String,
    /// The objects that were changed, in order.
    pub changed: Vec<Changed>,
    /// The notes.
    pub notes: Vec<String>,
}

impl Change {
    /// Sets a value.
    pub fn set(steps: Vec<Step>, value: impl Into<Value>, detail: impl Into<String>) -> Change {
        Change { steps, value: Some(value.into()), detail: detail.into() }
    }

    /// Removes a value.
    pub fn unset(steps: Vec<Step>, detail: impl Into<String>) -> Change {
        Change { steps, value: None, detail: detail.into() }
    }
}

/// Applies a rule to a stream; `name` is its name in messages.
///
/// # Errors
/// Exit 1 if the input is not a manifest, is incomplete or has nothing that the rule is for; 4 if it cannot be read or
/// edited safely.
pub fn filter(rule: &mut dyn Rule, name: &str, text: &str) -> Result<Filtered> {
    let mut end = End::of(name, text)?;
    let mut out = String::with_capacity(text.len() + text.len() / 16 + 256);
    let mut changed = Vec::new();
    let mut notes = Notes::default();
    let mut is_empty = true;
    for part in parts(name, text)? {
        let Some(read) = part.read(name)? else {
            // The frame of a List, which is an object, too.
            is_empty = false;
            end.frame();
            out.push_str(part.slice.text);
            continue;
        };
        let value = read.value();
        is_empty = is_empty && value.is_null();
        end.document(&value);
        let mut edits = Vec::new();
        for object in read.objects(name, &value)? {
            require_complete(name, &object, read.line)?;
            let changes =
                rule.changes(&object, &mut notes).map_err(|error| of_object(error, name, &object, read.line))?;
            if changes.is_empty() {
                continue;
            }
            let title = object.title();
            if let Some(Manager::Owner(kind, owner)) = object.manager() {
                notes.about(left_to_owner(kind, owner), &title);
                continue;
            }
            note_what_reverts_it(&object, &title, &mut notes);
            changed.push(Changed {
                title,
                line: read.line,
                details: changes.iter().map(|change| change.detail.clone()).collect(),
            });
            edits.extend(changes.into_iter().enumerate().filter_map(|(round, change)| {
                let path = object.path(change.steps)?;
                let edit = match change.value {
                    Some(value) => Edit::Set { path, value },
                    None => Edit::Unset { path },
                };
                Some((round, edit))
            }));
        }
        // Two edits of one list need the text between them, and it is read again for it: once for all objects.
        edits.sort_by_key(|(round, _)| *round);
        let edits: Vec<Edit> = edits.into_iter().map(|(_, edit)| edit).collect();
        if edits.is_empty() {
            out.push_str(part.slice.text);
        } else {
            let edited = read.document.apply(&edits).map_err(|error| not_edited(name, read.line, error))?;
            out.push_str(&edited.text);
        }
    }
    if is_empty {
        return Err(nothing_in(name));
    }
    end.require()?;
    rule.finish(!changed.is_empty(), &mut notes).map_err(|error| match error.verb() {
        "" => error,
        verb => {
            let verb = verb.to_owned();
            error.with_action(&verb, name)
        }
    })?;
    Ok(Filtered { text: out, changed, notes: notes.texts() })
}

/// The cause of a rule, with the object and where it is.
fn of_object(error: Error, name: &str, object: &Object<'_>, line: usize) -> Error {
    let cause = format!("line {line}: {}: {}", object.title(), error.message());
    error.with_cause(&cause).with_action("edit", name)
}

fn left_to_owner(kind: &str, owner: &str) -> String {
    let advice = match kind {
        "Installation" => "; set spec.calicoNodeDaemonSet or spec.calicoNetwork there",
        _ => "; change it there",
    };
    format!("left unchanged: it is managed by {kind} {owner}, which would revert the change{advice}")
}

/// What will undo an edit, and how the result must be sent.
fn note_what_reverts_it(object: &Object<'_>, title: &str, notes: &mut Notes) {
    if object.is_from_cluster() {
        notes.add("the input was read from a cluster: send the result with kubectl replace -f -, as kubectl apply would record its status and resourceVersion");
    }
    if object.manager() == Some(Manager::Helm) {
        notes.about("the next helm upgrade reverts the change; use edge-manifest as its --post-renderer", title);
    } else if object.is_from_cluster() && object.was_applied() {
        notes.about(
            "the next kubectl apply of its original manifest reverts the change; pass that manifest through edge-manifest, too",
            title,
        );
    }
    if object.namespace == "kube-system" && object.name == "kube-proxy" {
        notes.about("kubeadm upgrade reverts the change; run this again after each one", title);
    }
}
