//! Pods: the sandboxes that the container runtimes list at their CRI sockets, and the containers of Docker.
//!
//! The runtime itself stops and removes a sandbox: it has the CNI plugins delete the network, and unmounts. A runtime
//! that does not answer is an error, and the others are asked anyway.

mod docker;
mod sockets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_cri::{remove_sandbox, stop_sandbox};
use edge_host::action::{Effect, EffectVerb, Run};
use edge_host::{Host, Plan, Result};

use super::PhaseFacts;
use crate::context::Context;
use crate::item::Item;

/// For each of the two calls that end a sandbox, and for a container of Docker.
const WITHIN: Duration = Duration::from_secs(30);

struct Pods {
    items: Vec<Item>,
    /// What ends each of them.
    ends: Vec<End>,
}

/// How something is ended.
enum End {
    /// It is not, whatever is chosen.
    Never,
    /// A sandbox, by its ID at a socket.
    Sandbox { socket: PathBuf, id: String },
    /// All sandboxes at a socket that did not answer: it may answer now.
    Socket(PathBuf),
    /// A container of Docker, by its ID.
    Container(String),
}

pub(super) fn check(context: &Context) -> Result<()> {
    docker::check(context)?;
    sockets::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    let mut pods = Pods { items: Vec::new(), ends: Vec::new() };
    sockets::read(host, context, &mut pods)?;
    docker::read(host, context, &mut pods)?;
    Ok(Some(Box::new(pods)))
}

impl Pods {
    fn add(&mut self, item: Item, end: End) {
        self.items.push(item);
        self.ends.push(end);
    }
}

impl PhaseFacts for Pods {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        for (item, end) in self.items.iter().zip(self.ends) {
            if !chosen.iter().any(|chosen| chosen.id == item.id) {
                continue;
            }
            let object = item.object.clone();
            let effect = |perform| Effect { verb: EffectVerb::End, object, perform };
            let action = match end {
                End::Never => continue,
                End::Sandbox { socket, id } => {
                    plan.effect(effect(Box::new(move || end_sandbox(&socket, &id))), item.why())
                }
                End::Socket(socket) => plan.effect(effect(Box::new(move || end_all(&socket))), item.why()),
                // Its volumes stay: only --volumes would remove them.
                End::Container(id) => plan.run(Run::new(["docker", "rm", "--force", &id], WITHIN), item.why()),
            };
            item.tag(action);
        }
        Ok(())
    }
}

/// Stops and removes a sandbox. A stop that fails, such as one of a network that cannot be deleted, is followed by the
/// removal anyway: its error is that of both if the sandbox remains.
fn end_sandbox(socket: &Path, id: &str) -> Result<()> {
    let stopped = stop_sandbox(socket, id, WITHIN);
    match (stopped, remove_sandbox(socket, id, WITHIN)) {
        (_, Ok(())) => Ok(()),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
    }
}

fn end_all(socket: &Path) -> Result<()> {
    let mut ended = Ok(());
    for sandbox in sockets::list(socket)?.unwrap_or_default() {
        ended = end_sandbox(socket, &sandbox.id).or_else(|error| ended.and(Err(error)));
    }
    ended
}
