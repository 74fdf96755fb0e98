//! A component that was started by hand, such as with `nohup cloudcore &`: nothing restarts it after a crash or a reboot.

use std::path::{Path, PathBuf};

use edge_host::{Error, Process, ProcessId, Result, Root, processes};
use edge_kubeedge::Kind;
use edge_systemd::{Scope, Units, quoted_argument, quoted_path, quoted_variable, systemctl};

/// The variables that the unit passes on: those that decide which cluster it connects to, and what edgecore checks. The
/// others are of the shell that it was started in.
const VARIABLES: [&str; 3] = ["KUBECONFIG", "CHECK_EDGECORE_ENVIRONMENT", "DEPLOY_MQTT_CONTAINER"];
const SERVICE: &str = ".service";

/// A process that no unit started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByHand {
    pub(crate) id: ProcessId,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The directory that its relative paths are in; none if it has none.
    directory: Option<PathBuf>,
    variables: Vec<(String, String)>,
    /// Numeric; none for root.
    user: Option<u32>,
}

/// How a component runs on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    /// No process of it was seen outside of containers.
    No,
    /// A unit started it.
    InUnit(String),
    /// It was started by hand.
    ByHand(Box<ByHand>),
}

/// Finds the processes of a component.
///
/// Errors: exit 4 if several were started by hand, or a process of this name cannot be read.
pub(crate) fn find(root: &Root, kind: Kind) -> Result<Runs> {
    let units = Units::read(root, Scope::Now)?;
    let (mut unit, mut by_hand) = (None, Vec::new());
    for process in processes(root)? {
        let Some(program) = process.executable() else {
            // Of another user's process only the name can be read.
            if process.name().is_some_and(|name| name == kind.program()) && process.id().is_some() {
                return Err(unreadable(&process, kind));
            }
            continue;
        };
        if !kind.is_program(&program) {
            continue;
        }
        // In a container its paths are not those of the host, and the container's manager restarts it.
        match (process.shares_mounts(), process.shares_pids()) {
            (Some(true), Some(true)) => {}
            (Some(_), Some(_)) => continue,
            // It has ended.
            _ if process.id().is_none() => continue,
            _ => return Err(unreadable(&process, kind)),
        }
        match unit_of(&units, &process, kind)? {
            Some(name) => unit = Some(name),
            None => by_hand.extend(read(root, &process, program)),
        }
    }
    match (by_hand.len(), unit) {
        (0, None) => Ok(Runs::No),
        (0, Some(unit)) => Ok(Runs::InUnit(unit)),
        (1, None) => Ok(by_hand.pop().map_or(Runs::No, |one| Runs::ByHand(Box::new(one)))),
        (_, unit) => {
            let all: Vec<String> = by_hand.iter().map(|one| one.id.pid().to_string()).collect();
            let beside = unit.map(|unit| format!(", beside {unit}")).unwrap_or_default();
            let what =
                format!("cannot choose a process of {}: started by hand: {}{beside}", kind.program(), all.join(", "));
            Err(Error::refused(what).hint(format!("end those that are not needed: kill {}", all[0])))
        }
    }
}

fn unreadable(process: &Process<'_>, kind: Kind) -> Error {
    let what = format!("cannot read process {} ({}): it belongs to another user", process.pid(), kind.program());
    Error::refused(what).hint("run it as root")
}

/// The unit that runs a process: the one whose control group it is in, if that is the component's own, if a command of it
/// names the program, or if the process is its main process. A session of SSH and a job of cron are in a unit too.
fn unit_of(units: &Units<'_>, process: &Process<'_>, kind: Kind) -> Result<Option<String>> {
    for group in process.cgroups() {
        let Some(name) = group.split('/').rev().find(|part| part.ends_with(SERVICE)) else { continue };
        let unit = units.find(name)?;
        if !unit.exists() {
            continue;
        }
        let commands = units.settings(&unit)?.exec_start();
        let words = commands.iter().flat_map(|command| &command.argv).flat_map(|word| word.split_whitespace());
        let is_named = |word: &str| kind.is_program(Path::new(word));
        if name == kind.unit() || words.into_iter().any(is_named) || main_pid(name)? == Some(process.pid()) {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn main_pid(unit: &str) -> Result<Option<u32>> {
    Ok(systemctl::show(unit, "MainPID")?.get("MainPID").parse().ok())
}

/// None if it has ended.
fn read(root: &Root, process: &Process<'_>, program: PathBuf) -> Option<ByHand> {
    let id = process.id()?;
    let arguments: Vec<String> = process.arguments().into_iter().skip(1).collect();
    let directory = process.directory().filter(|directory| uses(root, directory, &arguments));
    let variables = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), process.variable(name)?)));
    let variables = variables.collect();
    let user = process.user().filter(|user| *user != 0);
    Some(ByHand { id, program, arguments, directory, variables, user })
}

/// Whether an argument names a file in the working directory.
fn uses(root: &Root, directory: &Path, arguments: &[String]) -> bool {
    arguments.iter().any(|argument| {
        let value =
            argument.split_once('=').filter(|_| argument.starts_with('-')).map_or(argument.as_str(), |(_, v)| v);
        !value.is_empty()
            && !value.starts_with(['/', '-'])
            && root.find(&directory.join(value)).is_ok_and(|file| file.exists())
    })
}

impl ByHand {
    /// The command line, for messages and for a shell.
    pub(crate) fn command(&self) -> String {
        let words = std::iter::once(self.program.display().to_string()).chain(self.arguments.iter().cloned());
        words.map(|word| edge_host::quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// A unit that runs the same command, after every exit and at boot.
    ///
    /// Errors: exit 4 if systemd cannot read the command in any form.
    pub(crate) fn unit(&self, kind: Kind) -> Result<String> {
        let mut command = quoted_path(&self.program.to_string_lossy())?;
        for argument in &self.arguments {
            command.push(' ');
            command.push_str(&quoted_argument(argument)?);
        }
        let mut service = format!("ExecStart={command}\n");
        if let Some(directory) = &self.directory {
            // As of a program; systemd reads no quotes here.
            quoted_path(&directory.to_string_lossy())?;
            service.push_str(&format!("WorkingDirectory={}\n", directory.to_string_lossy().replace('%', "%%")));
        }
        for (name, value) in &self.variables {
            quoted_argument(value)?;
            service.push_str(&format!("Environment={}\n", quoted_variable(name, value)));
        }
        if let Some(user) = self.user {
            service.push_str(&format!("User={user}\n"));
        }
        // The programs that edgecore has started, such as mounts of volumes, survive its restart.
        if kind == Kind::EdgeCore {
            service.push_str("KillMode=process\n");
        }
        Ok(format!(
            "# Written by edge-conf unit: the command of a process that was started by hand.\n\
             [Unit]\nDescription=KubeEdge {}\nWants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\n{service}Restart=always\nRestartSec=10\n\n\
             [Install]\nWantedBy=multi-user.target\n",
            kind.program()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand() -> ByHand {
        let root = Root::live().unwrap();
        ByHand {
            id: Process::own(&root).id().unwrap(),
            program: "/usr/local/bin/cloudcore".into(),
            arguments: Vec::new(),
            directory: None,
            variables: Vec::new(),
            user: None,
        }
    }

    #[test]
    fn unit_runs_the_same_command() {
        let plain = by_hand().unit(Kind::CloudCore).unwrap();
        assert!(plain.contains("\n[Service]\nExecStart=/usr/local/bin/cloudcore\nRestart=always\n"), "{plain}");
        let whole = ByHand {
            program: "/opt/kube edge/edgecore".into(),
            arguments: vec!["--config=a b.yaml".into(), "--v=4".into(), "$x;".into()],
            directory: Some("/root/100%".into()),
            variables: vec![("KUBECONFIG".into(), "/root/my \"config\"".into())],
            user: Some(1000),
            ..by_hand()
        };
        let text = whole.unit(Kind::EdgeCore).unwrap();
        let want = "ExecStart=\"/opt/kube edge/edgecore\" \"--config=a b.yaml\" --v=4 \"$$x;\"\n\
                    WorkingDirectory=/root/100%%\nEnvironment=\"KUBECONFIG=/root/my \\\"config\\\"\"\nUser=1000\nKillMode=process\n";
        assert!(text.contains(want), "{text}");
        assert_eq!(whole.command(), "'/opt/kube edge/edgecore' '--config=a b.yaml' --v=4 '$x;'");
        let bad = ByHand { arguments: vec!["a\nb".into()], ..by_hand() };
        assert!(bad.unit(Kind::CloudCore).is_err());
    }
}
