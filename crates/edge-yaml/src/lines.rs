//! Finds the lines of many paths: each mapping is indexed once, and the lines are counted once.

use crate::tree::{Id, Key, Kind, Tree};
use crate::{Path, Step};
use std::collections::HashMap;

/// Mappings with at most so many entries are searched without an index.
const FEW: usize = 16;
/// Most merge keys and aliases that are followed for one step.
const MAX_HOPS: usize = 16;

/// Finds the lines of paths.
pub(crate) struct Lines<'a> {
    text: &'a str,
    tree: &'a Tree,
    /// Where each line begins.
    starts: Vec<usize>,
    /// The entry of each key, of the larger mappings that were looked up so far.
    keys: HashMap<Id, HashMap<&'a str, usize>>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str, tree: &'a Tree) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, tree, starts, keys: HashMap::new() }
    }

    /// The line, from 1, of the entry at a path; aliases and merge keys are followed.
    pub(crate) fn of(&mut self, path: &Path) -> Option<usize> {
        let mut node = self.tree.root?;
        let mut at = None;
        for step in path.steps() {
            let (owner, index) = self.find_merged(node, step, 0)?;
            let entry = &self.tree.nodes[owner].entries()[index];
            node = entry.value;
            at = Some(entry.start);
        }
        at.map(|offset| self.starts.partition_point(|start| *start <= offset))
    }

    fn find_merged(&mut self, node: Id, step: &Step, hops: usize) -> Option<(Id, usize)> {
        if hops > MAX_HOPS {
            return None;
        }
        if let Kind::Alias(target) = self.tree.nodes[node].kind {
            return self.find_merged(target?, step, hops + 1);
        }
        if let Some(index) = self.find(node, step) {
            return Some((node, index));
        }
        let Step::Key(_) = step else { return None };
        let merge = self.find(node, &Step::Key("<<".to_owned()))?;
        let tree = self.tree;
        let source = tree.nodes[node].entries()[merge].value;
        if let Kind::Seq(_, items) = &tree.nodes[source].kind {
            return items.iter().find_map(|item| self.find_merged(item.value, step, hops + 1));
        }
        self.find_merged(source, step, hops + 1)
    }

    fn find(&mut self, node: Id, step: &Step) -> Option<usize> {
        let (tree, text) = (self.tree, self.text);
        let entries = tree.nodes[node].entries();
        let (Kind::Map(..), Step::Key(key)) = (&tree.nodes[node].kind, step) else {
            return tree.find(text, node, step);
        };
        if entries.len() <= FEW {
            return tree.find(text, node, step);
        }
        let index = self.keys.entry(node).or_insert_with(|| {
            // As `Tree::find`: the last one counts, and a string before a number of the same look.
            let of = |other: bool| {
                let is_of =
                    move |(_, entry): &(usize, &crate::tree::Entry)| matches!(entry.key, Key::Other(..)) == other;
                entries.iter().enumerate().filter(is_of).filter_map(|(i, entry)| Some((entry.key.text(text)?, i)))
            };
            of(true).chain(of(false)).collect()
        });
        index.get(key.as_str()).copied()
    }
}
