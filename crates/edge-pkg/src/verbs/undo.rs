//! `edge-pkg undo`, which is refused where it would harm running containers.

use edge_host::{Editor, Error, Host, Mode, Outcome, Result, UndoArgs, undo};

use crate::containerd::{DRAIN, Facts, PACKAGES, UNIT, running};

/// It may use apt, and waits for others that do.
pub(crate) fn run(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    let mut containers = Containers { running: None };
    if !args.list && host.root.is_live() {
        containers.running = running(host, &Facts::read(host, &[])?.socket())?;
        if host.mode == Mode::Apply && edge_apt::status_if_any(host)?.is_some() {
            edge_apt::wait(host, edge_apt::DEFAULT_WAIT)?;
        }
    }
    undo::run(host, args, &[&edge_apt::PackageRemovals, &containers])
}

/// Refuses to restart or remove containerd with an earlier configuration while containers run: those of one cgroup driver
/// cannot be stopped under the other.
#[derive(Debug)]
struct Containers {
    /// What runs, for a message.
    running: Option<String>,
}

impl Editor for Containers {
    fn kind(&self) -> &'static str {
        "containers"
    }

    fn check_command(&self, argv: &[String]) -> Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        let what = match argv {
            [program, .., unit] if program == "systemctl" && unit == UNIT => "restarted",
            [program, _, names @ ..]
                if program == "dpkg" && names.iter().any(|name| PACKAGES.contains(&name.as_str())) =>
            {
                "removed"
            }
            _ => return Ok(()),
        };
        Err(Error::refused(format!("containerd would be {what}: {running}")).hint(DRAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_refuse_what_would_harm_them() {
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let containers = Containers { running: Some("1 container is running: web".to_owned()) };
        for (line, said) in [
            (
                "systemctl try-restart -- containerd.service",
                "containerd would be restarted: 1 container is running: web",
            ),
            ("systemctl stop -- containerd.service", "containerd would be restarted: 1 container is running: web"),
            ("dpkg --remove containerd runc", "containerd would be removed: 1 container is running: web"),
        ] {
            assert_eq!(containers.check_command(&argv(line)).unwrap_err().message(), said);
            assert!(Containers { running: None }.check_command(&argv(line)).is_ok());
        }
        for line in ["dpkg --remove kubelet kubeadm", "systemctl daemon-reload", "apt-mark unhold containerd"] {
            assert!(containers.check_command(&argv(line)).is_ok(), "{line}");
        }
    }
}
