//! Splices that wait until the text is needed, so that it is read once for many edits.

use crate::Step;
use crate::edit::Edit;
use crate::source::Splice;
use crate::tree::{Kind, Tree};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

/// The splices of edits that do not depend on each other. What is asked for each edit takes the time of its own path,
/// however many wait.
#[derive(Default)]
pub(crate) struct Pending<'e> {
    paths: BTreeSet<&'e [Step]>,
    /// Collections that get or lose an entry.
    collections: HashSet<&'e [Step]>,
    /// Values that are added, removed or replaced: the current tree does not know what is in them.
    unknown: HashSet<&'e [Step]>,
    splices: Vec<Splice>,
    /// The end of the splice that begins at an offset. No two overlap, so these are in order, too.
    ends: BTreeMap<usize, usize>,
}

impl<'e> Pending<'e> {
    /// Adds the splices of an edit. `depth` steps lead to the collection that gets or loses an entry, all of them to a
    /// value that is replaced.
    pub(crate) fn add(&mut self, path: &'e [Step], depth: usize, splices: Vec<Splice>) {
        self.paths.insert(path);
        if depth < path.len() {
            self.collections.insert(&path[..depth]);
        }
        self.unknown.insert(&path[..path.len().min(depth + 1)]);
        for splice in &splices {
            let end = self.ends.entry(splice.start).or_default();
            *end = splice.end.max(*end);
        }
        self.splices.extend(splices);
    }

    /// Whether the place of this edit is no longer known from the current tree.
    pub(crate) fn disturbs(&self, edit: &Edit, text: &str, tree: &Tree) -> bool {
        let steps = edit.path().steps();
        let from = (Bound::Included(steps), Bound::Unbounded);
        if self.paths.range::<[Step], _>(from).next().is_some_and(|path| path.starts_with(steps)) {
            return true;
        }
        // In a collection with another number of entries, only what is inside a key of it has its place.
        let is_inside_key = |depth: usize| {
            let node = steps[..depth].iter().try_fold(tree.root, |node, step| {
                let id = node?;
                Some(tree.find(text, id, step).map(|i| tree.nodes[id].entries()[i].value))
            });
            (steps.len() > depth + 1 || edit.value().is_some())
                && node.flatten().is_some_and(|id| {
                    matches!(tree.nodes[id].kind, Kind::Map(..)) && tree.find(text, id, &steps[depth]).is_some()
                })
        };
        (0..=steps.len()).any(|depth| {
            let outer = &steps[..depth];
            self.unknown.contains(outer)
                || (depth < steps.len() && self.collections.contains(outer) && !is_inside_key(depth))
        })
    }

    /// Whether a splice overlaps or is next to one of these.
    pub(crate) fn touches(&self, splice: &Splice) -> bool {
        self.ends.range(..=splice.end).next_back().is_some_and(|(_, end)| splice.start <= *end)
    }

    /// The text with the splices applied; none waits after that.
    pub(crate) fn apply(&mut self, text: &str) -> String {
        let mut all = std::mem::take(self).splices;
        all.sort_by_key(|splice| (splice.start, splice.end));
        let mut out = String::with_capacity(text.len() + 256);
        let mut at = 0;
        for splice in all {
            out.push_str(&text[at..splice.start]);
            out.push_str(&splice.text);
            at = splice.end;
        }
        out.push_str(&text[at..]);
        out
    }
}
