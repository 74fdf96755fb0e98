//! A container runtime, which stops and removes its sandboxes. One that does not answer any more costs each of its
//! sandboxes no further wait.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use edge_cri::{Sandbox, remove_sandbox, sandboxes, stop_sandbox};
use edge_host::{Error, Result};

const ENDED_WITHIN: Duration = Duration::from_secs(30);
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// What the runtimes say if a CNI plugin, its program or its configuration fails: containerd and CRI-O.
const NETWORK: &str = "failed to destroy network";
const NETWORK_HINT: &str = "the runtime deletes a network with a configuration in /etc/cni/net.d and the plugins that it \
                            names: restore them, or write one with edge-cni conf bridge";
/// What edge_cri says of a server that is not one of the CRI.
const NOT_GRPC: &str = "no valid gRPC answer";
const NOT_GRPC_HINT: &str = "it is not a container runtime; to see which program listens there: ss -xlp src ";
pub(super) const LATE_HINT: &str = "restart the container runtime";
const DEAD_HINT: &str =
    "start the container runtime and run again, or remove the socket if the runtime is not installed any more";
const QUERY: &str = "query the container runtime at";

/// A runtime at a socket.
pub(super) struct Runtime {
    socket: PathBuf,
    /// For each call that ends a sandbox, and for a list.
    within: (Duration, Duration),
    state: Cell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Answers,
    /// It did not answer about one sandbox, which may be that one's fault: such as of a shim that hangs.
    IsLate,
    /// It does not answer at all.
    Silent,
}

impl Runtime {
    pub(super) fn new(socket: PathBuf) -> Runtime {
        Runtime { socket, within: (ENDED_WITHIN, LISTED_WITHIN), state: Cell::new(State::Answers) }
    }

    /// All sandboxes, by the names of their pods; none if the server does not support the CRI.
    pub(super) fn sandboxes(&self) -> Result<Option<Vec<Sandbox>>> {
        let listed = sandboxes(&self.socket, self.within.1);
        let mut all = listed.map_err(|error| self.noted(error))?;
        if let Some(all) = &mut all {
            let by_name = |sandbox: &Sandbox| (sandbox.namespace.clone(), sandbox.name.clone(), sandbox.id.clone());
            all.sort_by_cached_key(by_name);
        }
        Ok(all)
    }

    /// Stops and removes a sandbox. A stop that fails, such as one of a network that cannot be deleted, is followed by
    /// the removal anyway: its error is that of both if the sandbox remains. One without an answer is not: the removal
    /// would wait for the same.
    pub(super) fn end(&self, id: &str) -> Result<()> {
        self.looks_again(id)?;
        let stopped = stop_sandbox(&self.socket, id, self.within.0);
        let ended = match stopped {
            Err(error) if is_late(&error) => Err(error),
            stopped => match (stopped, remove_sandbox(&self.socket, id, self.within.0)) {
                (_, Ok(())) => Ok(()),
                (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
            },
        };
        ended.map_err(|error| self.noted(error))
    }

    /// Whether it did not answer in time, in contrast to one that is not running.
    pub(super) fn is_late(&self) -> bool {
        self.state.get() != State::Answers
    }

    /// All of them: where they were not known when the plan was made.
    pub(super) fn end_all(&self) -> Result<()> {
        let mut ended = Ok(());
        let Some(all) = self.sandboxes()? else {
            return Err(Error::cannot("end the pods at", &self.socket, "it does not support the CRI any more")
                .hint("run the command again"));
        };
        for sandbox in all {
            ended = self.end(&sandbox.id).or_else(|error| ended.and(Err(error)));
        }
        ended
    }

    /// After a call without an answer, whether the runtime still answers others.
    fn looks_again(&self, id: &str) -> Result<()> {
        if self.state.get() == State::IsLate {
            let answers = sandboxes(&self.socket, self.within.1).is_ok();
            self.state.set(if answers { State::Answers } else { State::Silent });
        }
        if self.state.get() == State::Silent {
            let object = format!("{id} at {}", self.socket.display());
            let error = Error::cannot("stop the pod sandbox", object, "the runtime does not answer");
            return Err(error.hint(LATE_HINT));
        }
        Ok(())
    }

    fn noted(&self, error: Error) -> Error {
        let hint = match error.cause() {
            _ if is_late(&error) => {
                self.state.set(State::IsLate);
                LATE_HINT.to_owned()
            }
            cause if cause.contains(NETWORK) => NETWORK_HINT.to_owned(),
            cause if cause.starts_with(NOT_GRPC) => format!("{NOT_GRPC_HINT}{}", self.socket.display()),
            _ if error.verb() == QUERY => DEAD_HINT.to_owned(),
            // The runtime says why.
            _ => return error,
        };
        error.hint(hint)
    }
}

fn is_late(error: &Error) -> bool {
    error.io_kind() == Some(ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn runtime_that_does_not_answer_costs_two_waits() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let within = (Duration::from_secs(1), Duration::from_secs(1));
        let runtime = Runtime { within, ..Runtime::new(dir.path().join("s")) };
        let begin = Instant::now();
        let causes: Vec<String> = (0..100).map(|_| runtime.end("a").unwrap_err().cause().to_owned()).collect();
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert_eq!(causes[0], "no answer within 1 s");
        assert!(causes[1..].iter().all(|cause| cause == "the runtime does not answer"), "{causes:?}");
        assert!(runtime.is_late());
    }
}
