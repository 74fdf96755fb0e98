//! `edge-pkg install`, one file for each thing.

mod containerd;
mod docker;
mod kubernetes;

use edge_host::{Error, Exit, Host, Outcome, Result};

use crate::cli::Install;

pub(crate) fn run(host: &mut Host, what: &Install) -> Result<Outcome> {
    match what {
        Install::Kubernetes(args) => kubernetes::run(host, args),
        Install::Containerd(args) => containerd::run(host, args),
        Install::Docker(args) => docker::run(host, args),
    }
}

/// Refuses (exit 4) `(--hold, --offline)` where no package is installed or held: in an image, or for a program without
/// a package.
fn refuse_ignored(host: &Host, name: &str, has_package: bool, (hold, offline): (bool, bool)) -> Result<()> {
    let option = match (hold, offline) {
        (true, _) => "--hold",
        (_, true) => "--offline",
        _ => return Ok(()),
    };
    let cause = match has_package {
        true => "packages are not changed with --root, as their scripts would run as root on this host".to_owned(),
        false => format!("the installed {name} is not from a package"),
    };
    if has_package && host.root.is_live() {
        return Ok(());
    }
    Err(Error::refused(format!("cannot use {option}: {cause}")).hint(format!("omit {option}")))
}

/// An error in the configuration that is found after the package was installed: with exit 4 nothing would have changed.
fn after_install(error: Error, was_installed: bool) -> Error {
    if was_installed || error.exit() != Exit::Refused { error } else { error.with_exit(Exit::Failed) }
}
