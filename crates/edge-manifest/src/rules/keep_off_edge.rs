//! `keep-off-edge`: workloads require nodes without the label of edge nodes.

use std::collections::BTreeSet;

use edge_host::Result;

use super::{Change, Rule};
use crate::catalog::is_edge_workload;
use crate::cli::Kind;
use crate::notes::Notes;
use crate::pod::{EDGE, Pod, Reach, expression, expression_steps, expressions, in_term, is_workload};
use edge_objects::object::Object;

/// The rule.
#[derive(Debug, Default)]
pub struct KeepOffEdge {
    kinds: Vec<&'static str>,
    also: Vec<String>,
    seen: BTreeSet<String>,
    has_workload: bool,
}

impl KeepOffEdge {
    /// For DaemonSets and workloads of these kinds; those of EdgeMesh and KubeEdge only if they are named.
    pub fn new(kinds: &[Kind], also: &[String]) -> KeepOffEdge {
        let mut names = vec![Kind::DaemonSet.name()];
        names.extend(kinds.iter().map(|kind| kind.name()));
        KeepOffEdge { kinds: names, also: also.to_vec(), ..KeepOffEdge::default() }
    }
}

impl Rule for KeepOffEdge {
    fn changes(&mut self, object: &Object<'_>, notes: &mut Notes) -> Result<Vec<Change>> {
        if !is_workload(object) || !self.kinds.contains(&object.kind.as_ref()) {
            return Ok(Vec::new());
        }
        let Some(pod) = Pod::of(object) else { return Ok(Vec::new()) };
        self.has_workload = true;
        let is_named = self.also.iter().any(|name| name == object.name);
        if is_named {
            self.seen.insert(object.name.to_owned());
        }
        let title = object.title();
        let open = match pod.reach() {
            Reach::KeptOff => return Ok(Vec::new()),
            Reach::WantsEdge => {
                notes.about("left unchanged: it selects edge nodes", &title);
                return Ok(Vec::new());
            }
            Reach::Nowhere => {
                notes.about("left unchanged: none of its nodeSelectorTerms matches any node", &title);
                return Ok(Vec::new());
            }
            Reach::Reaches(open) => open,
        };
        if is_edge_workload(object)? && !is_named {
            notes.about("left unchanged: it is for edge nodes; --also NAME keeps it off, too", &title);
            return Ok(Vec::new());
        }
        let required = expression(EDGE, "DoesNotExist", &[]);
        let change = |term: usize, index: usize, place: &str| {
            Change::set(
                expression_steps(term, index),
                required.clone(),
                format!("requires {EDGE} DoesNotExist {place}"),
            )
        };
        let terms = pod.terms();
        if terms.is_empty() {
            return Ok(vec![change(0, 0, "in a new term")]);
        }
        Ok(open.iter().map(|&term| change(term, expressions(&terms[term]), &in_term(term, terms.len()))).collect())
    }

    fn finish(&mut self, _: bool, notes: &mut Notes) -> Result<()> {
        if !self.has_workload {
            notes.add(format!("the input has no {}: nothing was changed", self.kinds.join(" or ")));
        }
        for name in self.also.iter().filter(|name| !self.seen.contains(*name)) {
            notes.add(format!("--also {name}: the input has no workload of this name"));
        }
        Ok(())
    }
}
