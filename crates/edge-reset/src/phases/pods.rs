//! Pods: the sandboxes that the container runtimes list at their CRI sockets, and the containers of Docker.
//!
//! The runtime itself stops and removes a sandbox: it has the CNI plugins delete the network, and unmounts. A runtime
//! that does not answer is an error, and the others are asked anyway.

mod docker;
mod runtime;
mod sockets;

use edge_host::action::{Effect, EffectVerb};
use edge_host::{Host, Mode, Plan, Result};

use super::PhaseFacts;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::Entry;

#[derive(Default)]
struct Pods {
    items: Vec<Item>,
    /// What ends each of them; none if nothing does, whatever is chosen.
    ends: Vec<Option<End>>,
}

type End = Box<dyn FnOnce() -> Result<()>>;

pub(super) fn check(context: &Context) -> Result<()> {
    docker::check(context)?;
    sockets::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let mut pods = Pods::default();
    sockets::read(host, context, &mut pods)?;
    docker::read(host, context, &mut pods)?;
    Ok(Some(Box::new(pods)))
}

/// Whether these are pods, or may be, apart from those that other programs use.
pub(crate) fn remain<'i>(mut items: impl Iterator<Item = &'i Item>) -> bool {
    items.any(|item| item.fate != Fate::Keep || item.is_leftover)
}

impl Pods {
    fn add(&mut self, item: Item, end: Option<End>) {
        self.items.push(item);
        self.ends.push(end);
    }

    /// What is there is not known: it is asked for once more when it is ended.
    fn add_unknown(&mut self, host: &Host, context: &Context, item: Item, entry: &Entry, cause: &str, end: End) {
        let item = context.decide(item, entry);
        let when = if host.mode == Mode::Apply { "at first it did not answer" } else { "it does not answer" };
        let text = [item.text.clone(), format!("{when}: {cause}")];
        let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        self.add(Item { text, ..item }, Some(end));
    }
}

impl PhaseFacts for Pods {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        for (item, end) in self.items.iter().zip(self.ends) {
            let Some(perform) = end.filter(|_| chosen.iter().any(|chosen| chosen.id == item.id)) else { continue };
            item.tag(plan.effect(Effect { verb: EffectVerb::End, object: item.object.clone(), perform }, item.why()));
        }
        Ok(())
    }
}
