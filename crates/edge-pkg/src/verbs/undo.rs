//! `edge-pkg undo`, which is refused where it would harm running containers.

use edge_host::{Editor, Error, Host, Mode, Outcome, Result, UndoArgs, undo};
use edge_systemd::systemctl;

use crate::containerd::{DRAIN, Facts, PACKAGES, UNIT, running};
use crate::docker;

/// It may use apt, and waits for others that do.
pub(crate) fn run(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    let mut containers = Containers::default();
    if !args.list && host.root.is_live() {
        containers.running = running(host, &Facts::read(host, &[])?.socket())?;
        containers.of_docker = docker::running(host, &docker::Facts::read(host)?, true)?;
        if host.mode == Mode::Apply && edge_apt::status_if_any(host)?.is_some() {
            edge_apt::wait(host, edge_apt::DEFAULT_WAIT)?;
        }
    }
    undo::run(host, args, &[&edge_apt::PackageRemovals, &containers])
}

/// Refuses to restart or remove containerd or Docker with an earlier configuration while containers run: those of one cgroup driver
/// cannot be stopped under the other.
#[derive(Debug, Default)]
struct Containers {
    /// What runs under containerd, for a message.
    running: Option<String>,
    /// What runs under Docker.
    of_docker: Option<String>,
}

impl Editor for Containers {
    fn kind(&self) -> &'static str {
        "containers"
    }

    fn check_command(&self, argv: &[String]) -> Result<()> {
        let all = [
            ("containerd", UNIT, PACKAGES, &self.running, DRAIN),
            ("Docker", docker::UNIT, docker::PACKAGES, &self.of_docker, docker::STOP),
        ];
        for (name, unit, packages, running, hint) in all {
            let Some(running) = running else { continue };
            let what = match argv {
                [program, verb, .., of] if program == "systemctl" && of == unit => {
                    if verb == "stop" {
                        "stopped"
                    } else {
                        "restarted"
                    }
                }
                [shell, _, script] if shell == "sh" && script.ends_with(&systemctl::try_restart(unit)) => "restarted",
                [shell, _, script] if shell == "sh" && *script == systemctl::stop_if_loaded(unit) => "stopped",
                [program, _, names @ ..]
                    if program == "dpkg" && names.iter().any(|name| packages.contains(&name.as_str())) =>
                {
                    "removed"
                }
                _ => continue,
            };
            return Err(Error::refused(format!("{name} would be {what}: {running}")).hint(hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_refuse_what_would_harm_them() {
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let running = || Some("1 container is running: web".to_owned());
        let containers = Containers { running: running(), of_docker: running() };
        for (line, said) in [
            (
                "systemctl try-restart -- containerd.service",
                "containerd would be restarted: 1 container is running: web",
            ),
            ("systemctl stop -- containerd.service", "containerd would be stopped: 1 container is running: web"),
            ("dpkg --remove containerd runc", "containerd would be removed: 1 container is running: web"),
            ("systemctl try-restart -- docker.service", "Docker would be restarted: 1 container is running: web"),
            ("dpkg --remove docker.io", "Docker would be removed: 1 container is running: web"),
        ] {
            assert_eq!(containers.check_command(&argv(line)).unwrap_err().message(), said);
            assert!(Containers::default().check_command(&argv(line)).is_ok());
        }
        for run in [systemctl::restart_no_block(UNIT), systemctl::start_no_block(UNIT)] {
            let inverse = run.inverse.unwrap();
            assert!(containers.check_command(&inverse).is_err(), "{inverse:?}");
        }
        for line in ["dpkg --remove kubelet kubeadm", "systemctl daemon-reload", "apt-mark unhold containerd"] {
            assert!(containers.check_command(&argv(line)).is_ok(), "{line}");
        }
    }
}
