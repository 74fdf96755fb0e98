//! The sandboxes at every CRI socket: those of the configurations, and those where the runtimes listen by default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_cri::{Sandbox, sandboxes};
use edge_host::{Host, Result, State};
use serde::Deserialize;

use super::{End, Pods};
use crate::agents::Agents;
use crate::context::Context;
use crate::item::Item;
use crate::ownership::Row;
use crate::phase::Phase;

const SECTION: &str = "pod-socket";
const LISTED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Socket {
    path: Option<PathBuf>,
    runtime: String,
}

/// A socket that exists, with the entry that decides about its pods, and what names it.
struct Found<'r> {
    path: PathBuf,
    row: &'r Row<Socket>,
    source: String,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Socket>(SECTION).map(drop)
}

pub(super) fn read(host: &Host, context: &Context, pods: &mut Pods) -> Result<()> {
    let rows: Vec<Row<Socket>> = context.ownership.rows(SECTION)?;
    let agents = Agents::read(host, &context.renamed)?;
    for error in agents.unknown.iter().take(1) {
        let name = "sockets in a configuration that cannot be read";
        let item = Item::new(Phase::Pods, "socket", name, &[]);
        pods.add(item.refused(error.message(), "repair or remove that file and run again"), End::Never);
    }
    for socket in found(host, &rows, &agents)? {
        let runtime = &socket.row.own.runtime;
        let shown = socket.path.display();
        match list(&socket.path) {
            Ok(listed) => {
                for sandbox in listed.unwrap_or_default() {
                    let item = item_of(&sandbox, &socket);
                    pods.add(
                        context.decide(item, &socket.row.entry),
                        End::Sandbox { socket: socket.path.clone(), id: sandbox.id },
                    );
                }
            }
            Err(error) => {
                let item = Item {
                    object: format!("all pods of {runtime} at {shown}"),
                    proofs: vec![format!("a socket of {}", socket.source)],
                    ..Item::new(Phase::Pods, "socket", &shown.to_string(), &[shown.to_string().as_bytes()])
                };
                let item = context.decide(item, &socket.row.entry);
                let text = [item.text.as_str(), error.message()].map(str::to_owned);
                let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
                pods.add(Item { text, ..item }, End::Socket(socket.path.clone()));
            }
        }
    }
    Ok(())
}

/// None if the server does not support the CRI.
pub(super) fn list(socket: &Path) -> Result<Option<Vec<Sandbox>>> {
    let hint =
        "start the container runtime and run again, or remove the socket if the runtime is not installed any more";
    sandboxes(socket, LISTED_WITHIN).map_err(|error| error.hint(hint))
}

fn item_of(sandbox: &Sandbox, socket: &Found<'_>) -> Item {
    let pod = format!("{}/{}", sandbox.namespace, sandbox.name);
    let state = if sandbox.is_ready { "" } else { ", stopped" };
    Item {
        object: format!("pod {pod}"),
        proofs: vec![format!("{} lists it at {}{state}", socket.row.own.runtime, socket.path.display())],
        ..Item::new(Phase::Pods, "pod", &format!("{pod}/{}", sandbox.id), &[sandbox.id.as_bytes()])
    }
}

/// The sockets that exist, each once. One that does not is that of a runtime that does not run: there is no one to ask.
fn found<'r>(host: &Host, rows: &'r [Row<Socket>], agents: &Agents) -> Result<Vec<Found<'r>>> {
    let mut all: Vec<Found<'r>> = Vec::new();
    let default = rows.iter().filter_map(|row| Some((row.own.path.clone()?, row, "the default path".to_owned())));
    let any = rows.iter().find(|row| row.own.path.is_none());
    let configured = any
        .into_iter()
        .flat_map(|row| agents.sockets.iter().map(move |socket| (socket.path.clone(), row, socket.source.clone())));
    for (path, row, source) in default.chain(configured) {
        let is_socket = host.root.find(&path)?.state == State::Other;
        let canonical = host.root.canonical(&path)?;
        if is_socket && !all.iter().any(|other| other.path == canonical) {
            all.push(Found { path: canonical, row, source });
        }
    }
    Ok(all)
}
