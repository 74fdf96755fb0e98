//! Containers that dockershim and keadm made with Docker, recognized by name and label.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use edge_host::{Cmd, Error, Host, Pattern, Result};
use serde::Deserialize;

use super::Pods;
use crate::context::Context;
use crate::item::Item;
use crate::phase::Phase;

const SECTION: &str = "pod-container";
const DOCKER: &str = "docker";
/// Without it the daemon does not run, and neither do its containers.
const SOCKET: &str = "/run/docker.sock";
const REMOVED_WITHIN: Duration = Duration::from_secs(30);
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// The container that keeps the namespaces of a pod: it is removed after the others.
const PAUSE: &str = "k8s_POD_";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    name: Option<Pattern>,
    label: String,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Container>(SECTION).map(drop)
}

pub(super) fn read(host: &Host, context: &Context, pods: &mut Pods) -> Result<()> {
    let rows = context.ownership.rows::<Container>(SECTION)?;
    if !host.root.find(Path::new(SOCKET))?.exists() {
        return Ok(());
    }
    if Cmd::find(DOCKER).is_err() {
        let item = Item::new(Phase::Pods, "socket", "docker", &[]);
        let hint = Some("install the docker command and run again".to_owned());
        let item = Item { object: "containers of Docker".to_owned(), hint, is_leftover: true, ..item };
        pods.add(item.kept("docker is not installed, so whether any are of pods is unknown"), None);
        return Ok(());
    }
    let daemon = Rc::new(Daemon::default());
    for row in rows {
        match labelled(&row.own) {
            Ok(listed) => {
                for (id, name) in listed {
                    let item = Item {
                        object: format!("container {name}"),
                        proofs: vec![format!("label {}", row.own.label)],
                        ..Item::new(Phase::Pods, "container", &format!("docker/{name}"), &[id.as_bytes()])
                    };
                    pods.add(
                        context.decide(item, &row.entry),
                        Some(Box::new({
                            let daemon = Rc::clone(&daemon);
                            move || daemon.remove(&id)
                        })),
                    );
                }
            }
            Err(error) => {
                let label = row.own.label.clone();
                let item = Item {
                    object: format!("all containers of Docker with the label {label}"),
                    proofs: vec![format!("the socket {SOCKET}")],
                    ..Item::new(Phase::Pods, "socket", &format!("docker/{label}"), &[label.as_bytes()])
                };
                let daemon = Rc::clone(&daemon);
                let end = Box::new(move || {
                    // The first error, after all were tried.
                    let mut ended = Ok(());
                    for (id, _) in labelled(&row.own)? {
                        ended = daemon.remove(&id).or_else(|error| ended.and(Err(error)));
                    }
                    ended
                });
                pods.add_unknown(host, context, item, &row.entry, &format!("docker ps: {}", error.cause()), end);
            }
        }
    }
    Ok(())
}

/// The daemon. One that does not answer costs the wait for one container, not for each.
#[derive(Default)]
struct Daemon {
    is_late: Cell<bool>,
}

impl Daemon {
    /// Removes a container. Its volumes stay: only --volumes would remove them.
    fn remove(&self, id: &str) -> Result<()> {
        if self.is_late.get() {
            return Err(Error::cannot("remove the container", id, "Docker does not answer")
                .hint("restart Docker: systemctl restart docker"));
        }
        let begin = Instant::now();
        let removed = Cmd::find(DOCKER)?.args(["rm", "--force", id]).deadline(REMOVED_WITHIN).run();
        self.is_late.set(removed.is_err() && begin.elapsed() >= REMOVED_WITHIN);
        removed.map(drop)
    }
}

/// ID and name of each container of an entry, also of those that have ended.
fn labelled(container: &Container) -> Result<Vec<(String, String)>> {
    let filter = format!("label={}", container.label);
    let ps = ["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}} {{.Names}}"];
    let output = Cmd::find(DOCKER)?.args(ps).deadline(LISTED_WITHIN).run()?;
    let mut found = listed(&output.stdout)
        .ok_or_else(|| Error::cannot("read the output of", "docker ps", "not in the expected format"))?;
    found.retain(|(_, name)| container.name.as_ref().is_none_or(|pattern| pattern.matches(name)));
    found.sort_by_key(|(_, name)| name.starts_with(PAUSE));
    Ok(found)
}

/// None if a line is not `ID NAME`.
fn listed(text: &str) -> Option<Vec<(String, String)>> {
    let line = |line: &str| {
        let (id, name) = line.split_once(' ')?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && !name.is_empty() && !name.contains(' ')).then(|| (id.to_owned(), name.to_owned()))
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_an_id_and_a_name_in_each_line() {
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(listed("0a1b k8s_a_b\n2c x\n"), Some(vec![pair("0a1b", "k8s_a_b"), pair("2c", "x")]));
        assert_eq!(listed(""), Some(vec![]));
        for odd in ["0a1b\n", "0a1b a b\n", "error: x\n", "\n"] {
            assert_eq!(listed(odd), None, "{odd}");
        }
    }
}
