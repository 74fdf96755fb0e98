//! `edge-pkg settings`: prints the settings of containerd for `edge-conf enable containerd -`.

use edge_host::{Error, Host, Outcome, Result, is_hidden};

use crate::containerd::{Facts, answer};

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    if host.report.is_json() {
        return Err(Error::usage("cannot use --json with settings: its output is not made of records"));
    }
    let facts = Facts::read(host, &[])?;
    if !facts.is_installed {
        return Err(Error::failed("cannot print the settings of containerd: it is not installed")
            .hint("install it: edge-pkg install containerd"));
    }
    let config = facts.config()?;
    if let Some(line) = config.disabled {
        return Err(Error::failed(format!(
            "cannot print the settings of containerd: {}:{line} disables its CRI",
            facts.path.display()
        ))
        .hint("enable it: edge-pkg install containerd"));
    }
    let socket = facts.socket();
    // The daemon's own answer first: its file may have changed since it was started.
    let driver = answer(host, &socket)?.and_then(|answer| answer.driver).unwrap_or(config.driver());
    let socket = format!("unix://{}", socket.display());
    // A blank or line break in it would begin another line or flag.
    if socket.contains(|char: char| char.is_whitespace() || is_hidden(char)) {
        return Err(Error::failed(format!(
            "cannot print grpc.address of {}: {socket:?} contains blanks or invisible characters",
            facts.path.display()
        ))
        .hint("set a path without them"));
    }
    host.report.document(format!("socket={socket}\ncgroupDriver={driver}\n").as_bytes())?;
    Ok(Outcome::default())
}
