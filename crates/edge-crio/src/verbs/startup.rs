//! Waits until CRI-O is started, and reports whether it works.

use std::path::Path;
use std::time::Duration;

use edge_cri::Answer;
use edge_host::{Error, Host, Result};
pub(crate) use edge_systemd::startup::Start;
use edge_systemd::startup::{self, Waiting};

use crate::config::{Current, Effective};
use crate::facts::socket_path;
use crate::version::Version;
use crate::{cni, log, unit};

const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Waits until the daemon answers on its socket.
pub(crate) fn wait(host: &mut Host, socket: &str, start: &Start, within: Duration) -> Result<Answer> {
    let path = Path::new(socket_path(socket));
    let hint = "see the log above; for known causes: edge-crio check";
    let waiting = Waiting { unit: unit::UNIT, name: "CRI-O", start, within, hint };
    startup::wait(host, &waiting, &|| edge_cri::ask(path, ASK_WITHIN), &|| log::last_fatal().ok().flatten())
}

/// Reports the running release and what it is not ready for. Fails if it cannot run containers.
pub(crate) fn report(host: &mut Host, answer: &Answer, config: &Effective, requested: Version) -> Result<()> {
    host.report.line(&format!(
        "{} {} answers on {} (CRI {}{})",
        answer.name,
        answer.version,
        socket_path(config.socket()),
        answer.api,
        answer.driver.map(|driver| format!(", {driver} cgroups")).unwrap_or_default()
    ));
    if let Some(runs) = version_of(answer).filter(|runs| !requested.matches(*runs)) {
        host.report
            .warning(&format!("CRI-O {runs} is running instead of {requested}: for the cause, run edge-crio check"));
    }
    let network = cni::Network::read(host)?;
    for cause in network.errors() {
        host.report.warning(&format!("pods get no network yet: {}: {}", cause.file, cause.text));
        host.report.hint(cause.hint.as_deref().unwrap_or("for details: edge-cni check"));
    }
    if !answer.runtime_ready.is_met {
        return Err(Error::failed(format!("cannot run containers: CRI-O reports: {}", answer.runtime_ready.message)));
    }
    Ok(())
}

/// The running release, if the answer contains a valid version.
pub(crate) fn version_of(answer: &Answer) -> Option<Version> {
    answer.version.split(['-', '+']).next()?.parse().ok()
}

/// The current configuration.
pub(crate) fn configuration(host: &Host) -> Result<Effective> {
    Ok(Current::read(host)?.effective)
}
