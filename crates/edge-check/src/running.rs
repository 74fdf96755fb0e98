//! Whether a program runs on this host, also where only root can read which program a process is.

use std::path::Path;

use edge_host::{Process, Result, Root, State, processes};

const PROCESSES: &str = "/proc";
/// Programs of k3s, of which one is a server and one is not, with its name after it has named itself.
const K3S: [&str; 2] = ["k3s", "k3s-server"];
/// The program of MicroK8s that contains an API server, unless this argument turns it off.
const KUBELITE: (&str, &str) = ("kubelite", "--start-control-plane=false");
const API_SERVER: &str = "kube-apiserver";

/// Whether it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    /// A process of it was seen.
    Yes,
    /// All processes were seen, and none is of it.
    No,
    /// Some processes are hidden from this user.
    Unknown,
}

/// A process, as far as this user can read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pid: u32,
    /// The name of its program; where only root can read that, the name that the process has. None if neither is read.
    name: Option<String>,
    /// Its command line.
    arguments: Vec<String>,
}

/// All processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes(Vec<Seen>);

impl Processes {
    /// Reads them. Errors: exit 1 if /proc cannot be read.
    pub(crate) fn read(root: &Root) -> Result<Processes> {
        let all = processes(root)?;
        let seen = |process: &Process<'_>| {
            let dir = Path::new(PROCESSES).join(process.pid().to_string());
            let name = match root.find_link(&dir.join("exe")).map(|link| link.state) {
                Ok(State::Link { .. }) => process.executable()?.file_name()?.to_string_lossy().into_owned(),
                // A thread of the kernel, or a process that has ended.
                Ok(_) => return None,
                Err(_) => match process.name() {
                    Some(name) => name,
                    None => {
                        root.entry_kind(&dir).ok()??;
                        return Some(Seen { pid: process.pid(), ..Seen::default() });
                    }
                },
            };
            Some(Seen { pid: process.pid(), name: Some(name), arguments: process.arguments() })
        };
        let mut found: Vec<Seen> = all.iter().filter_map(seen).collect();
        // With hidepid=2 the processes of other users are not even listed.
        if !all.iter().any(|process| process.pid() == 1) {
            found.push(Seen { pid: 1, ..Seen::default() });
        }
        Ok(Processes(found))
    }

    /// Whether this program runs.
    pub(crate) fn running(&self, program: &str) -> Running {
        self.any(|process| process.name.as_deref() == Some(program))
    }

    /// Whether an API server runs, by itself or in k3s or MicroK8s.
    pub(crate) fn api_server(&self) -> Running {
        self.any(|process| match process.name.as_deref() {
            Some(API_SERVER) => true,
            Some(name) if K3S.contains(&name) => is_server(&process.arguments),
            Some(name) if name == KUBELITE.0 => !process.arguments.iter().any(|argument| argument == KUBELITE.1),
            _ => false,
        })
    }

    fn any(&self, test: impl Fn(&Seen) -> bool) -> Running {
        if self.0.iter().any(test) {
            Running::Yes
        } else if self.0.iter().any(|process| process.name.is_none()) {
            Running::Unknown
        } else {
            Running::No
        }
    }
}

/// Whether the first word after the program is `server`: k3s writes both into its first argument.
fn is_server(arguments: &[String]) -> bool {
    let mut words = arguments.iter().flat_map(|argument| argument.split_whitespace()).skip(1);
    words.find(|word| !word.starts_with('-')) == Some("server")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(processes: &[(Option<&str>, &str)]) -> Processes {
        let seen = |(name, arguments): &(Option<&str>, &str)| Seen {
            pid: 7,
            name: name.map(str::to_owned),
            arguments: arguments.split(',').map(str::to_owned).collect(),
        };
        Processes(processes.iter().map(seen).collect())
    }

    #[test]
    fn program_is_absent_only_if_every_process_is_known() {
        let (edgecore, other) = ((Some("edgecore"), ""), (Some("sh"), ""));
        assert_eq!(of(&[other, edgecore]).running("edgecore"), Running::Yes);
        assert_eq!(of(&[(None, ""), edgecore]).running("edgecore"), Running::Yes);
        assert_eq!(of(&[other]).running("edgecore"), Running::No);
        assert_eq!(of(&[other, (None, "")]).running("edgecore"), Running::Unknown);
    }

    #[test]
    fn api_server_is_one_of_a_control_plane() {
        for (name, arguments, want) in [
            ("kube-apiserver", "kube-apiserver,--secure-port=6443", Running::Yes),
            ("k3s", "/usr/local/bin/k3s server", Running::Yes),
            ("k3s-server", "/usr/local/bin/k3s,server,--disable=traefik", Running::Yes),
            ("k3s", "/usr/local/bin/k3s,--debug,server", Running::Yes),
            ("k3s", "/usr/local/bin/k3s agent", Running::No),
            ("k3s", "/usr/local/bin/k3s,agent,--server,https://192.0.2.1:6443", Running::No),
            ("kubelite", "/snap/microk8s/1/kubelite,--scheduler-args-file=x", Running::Yes),
            ("kubelite", "/snap/microk8s/1/kubelite,--start-control-plane=false", Running::No),
        ] {
            assert_eq!(of(&[(Some(name), arguments)]).api_server(), want, "{arguments}");
        }
    }

    #[test]
    fn processes_of_this_host_are_seen() {
        let root = Root::live().unwrap();
        let own = std::env::current_exe().unwrap().canonicalize().unwrap();
        let all = Processes::read(&root).unwrap();
        assert_eq!(all.running(&own.file_name().unwrap().to_string_lossy()), Running::Yes);
        assert!(all.0.iter().any(|process| process.pid == std::process::id()));
    }
}
