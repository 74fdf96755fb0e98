//! The sandboxes at every CRI socket: those of the configurations, and those where the runtimes listen by default.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use edge_cri::{Sandbox, containers_without_cri};
use edge_host::{Host, Result, State};
use serde::Deserialize;

use super::Pods;
use super::runtime::{LATE_HINT, Runtime};
use crate::agents::Agents;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::Row;
use crate::phase::Phase;

const SECTION: &str = "pod-socket";
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
const ENABLE: &str = "remove \"cri\" from disabled_plugins in /etc/containerd/config.toml, restart containerd, and run the \
                      same command again";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Socket {
    path: Option<PathBuf>,
    runtime: String,
    #[serde(default)]
    is_embedded: bool,
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
        pods.add(item.refused(error.message(), "repair or remove that file and run again"), None);
    }
    for socket in found(host, &rows, &agents, pods) {
        let entry = &socket.row.entry;
        let runtime = Rc::new(Runtime::new(socket.path.clone()));
        match runtime.sandboxes() {
            Ok(Some(listed)) => {
                for sandbox in listed {
                    let item = context.decide(item_of(&sandbox, &socket), entry);
                    let runtime = Rc::clone(&runtime);
                    pods.add(item, Some(Box::new(move || runtime.end(&sandbox.id))));
                }
            }
            Ok(None) => without_cri(context, &socket, pods),
            Err(_) if socket.row.own.is_embedded && !runtime.is_late() => {
                let item = context.decide(socket.item(), entry);
                let text = "it is not running; the other phases remove the leftovers of its pods";
                pods.add(if item.fate == Fate::Remove { item.kept(text) } else { item }, None);
            }
            Err(error) => {
                let end = Box::new(move || runtime.end_all());
                pods.add_unknown(host, context, socket.item(), entry, error.cause(), end);
            }
        }
    }
    Ok(())
}

/// A containerd whose CRI is disabled, as that of Docker's packages is, may have pods of the time before.
fn without_cri(context: &Context, socket: &Found<'_>, pods: &mut Pods) {
    let number = match containers_without_cri(&socket.path, COUNTED_WITHIN) {
        Ok(None | Some(0)) => return,
        Ok(Some(number)) => number,
        Err(error) => {
            let item = context.decide(socket.item(), &socket.row.entry);
            let refused = item.clone().refused(error.message(), LATE_HINT);
            return pods.add(if item.fate == Fate::Remove { refused } else { item }, None);
        }
    };
    let containers = if number == 1 { "1 container" } else { &format!("{number} containers") };
    let object = format!("{containers} of pods of {} at {}", socket.row.own.runtime, socket.path.display());
    let item = context.decide(Item { object, ..socket.item() }, &socket.row.entry);
    let item = match item.fate {
        Fate::Remove => {
            let hint = Some(ENABLE.to_owned());
            Item { is_leftover: true, hint, ..item.kept("the CRI is disabled") }
        }
        _ => item,
    };
    pods.add(item, None);
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

impl Found<'_> {
    /// All that is there.
    fn item(&self) -> Item {
        let shown = self.path.display().to_string();
        Item {
            object: format!("all pods of {} at {shown}", self.row.own.runtime),
            proofs: vec![format!("a socket of {}", self.source)],
            ..Item::new(Phase::Pods, "socket", &shown, &[shown.as_bytes()])
        }
    }
}

/// The sockets that exist, each once. One that does not is that of a runtime that does not run: there is no one to ask.
fn found<'r>(host: &Host, rows: &'r [Row<Socket>], agents: &Agents, pods: &mut Pods) -> Vec<Found<'r>> {
    let mut all: Vec<Found<'r>> = Vec::new();
    let default = rows.iter().filter_map(|row| Some((row.own.path.clone()?, row, "the default path".to_owned())));
    let any = rows.iter().find(|row| row.own.path.is_none());
    let configured = any
        .into_iter()
        .flat_map(|row| agents.sockets.iter().map(move |socket| (socket.path.clone(), row, socket.source.clone())));
    for (path, row, source) in default.chain(configured) {
        let socket = host.root.find(&path).and_then(|found| {
            let is_socket = found.state == State::Other;
            Ok(if is_socket { Some(host.root.canonical(&path)?) } else { None })
        });
        match socket {
            Ok(Some(path)) if !all.iter().any(|other| other.path == path) => all.push(Found { path, row, source }),
            Ok(_) => {}
            Err(error) => {
                let item = Found { path, row, source }.item();
                pods.add(item.refused(error.message(), "repair or remove it and run again"), None);
            }
        }
    }
    all
}
