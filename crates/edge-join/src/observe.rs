//! Waits until a join has succeeded: edgecore has been running for ten seconds, it is connected to the hub, and from 1.20
//! on cloudcore knows the node. Nothing less is reported as success.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result, SocketOwner, redact, socket_owners, sockets};
use edge_kubeedge::Minor;
use edge_pki::cert::Certificate;
use edge_systemd::startup::Start;
use edge_systemd::systemctl;

use crate::certificate::without_tokens;
use crate::facts::{self, cloud};
use crate::plan::unit::UNIT;
use crate::request::Cloud;

/// edgecore ends a few seconds after its start where its configuration, runtime or certificate is wrong.
const STABLE: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(250);
const REPORT_EVERY: Duration = Duration::from_secs(15);
/// systemd restarts it every ten seconds; after so many restarts it is not waited for.
const MAX_RESTARTS: u32 = 3;
const LOG_LINES: u32 = 40;
/// The first version of cloudcore that says which nodes there are (kubeedge v1.20 `cloudhub/servers/httpserver`).
const KNOWS_NODES: Minor = Minor::new(20);
const UPTIME: &str = "/proc/uptime";
const MICROS: f64 = 1e6;

/// What is waited for.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) name: &'a str,
    pub(crate) version: Minor,
    pub(crate) ca: &'a Certificate,
    pub(crate) start: Start,
    pub(crate) within: Duration,
}

/// The state of the unit.
struct Seen {
    active: String,
    invocation: String,
    restarts: u32,
    pid: u32,
    /// How long it has been active.
    up: Duration,
}

/// Waits until the join has succeeded.
///
/// # Errors
/// Exit 1 with what is missing, and the last cause in the journal without any token; exit 5 on an interrupt.
pub(crate) fn wait(host: &mut Host, expected: &Expected<'_>) -> Result<()> {
    let begin = Instant::now();
    let (mut reports, mut first_restarts) = (1, None);
    loop {
        host.check_interrupt()?;
        let seen = seen(host)?;
        let is_new = match &expected.start {
            Start::Any => true,
            Start::After(before) => seen.invocation != *before,
        };
        let before = *first_restarts.get_or_insert(seen.restarts);
        let restarts = seen.restarts.saturating_sub(before);
        let missing = missing(host, expected, &seen, is_new)?;
        let Some(missing) = missing else { return Ok(()) };
        let has_failed = (is_new && seen.active == "failed") || restarts >= MAX_RESTARTS;
        if has_failed || begin.elapsed() >= expected.within {
            let times = if restarts > 0 { format!(", after {restarts} restarts") } else { String::new() };
            return Err(failure(&format!("{missing}{times}")));
        }
        if begin.elapsed() >= REPORT_EVERY * reports {
            reports += 1;
            host.report.note(&format!("waiting for edgecore for {} s: {missing}", begin.elapsed().as_secs()));
        }
        thread::sleep(EVERY);
    }
}

/// What is missing; none if the join has succeeded. The cheapest question comes first.
fn missing(host: &Host, expected: &Expected<'_>, seen: &Seen, is_new: bool) -> Result<Option<String>> {
    if !is_new {
        return Ok(Some("edgecore has not been restarted yet".to_owned()));
    }
    if seen.active != "active" {
        return Ok(Some(format!("{UNIT} is {}", seen.active)));
    }
    if !is_connected(host, seen.pid, expected.cloud.hub.port)? {
        return Ok(Some(format!("edgecore is not connected to {}", expected.cloud.hub)));
    }
    if seen.up < STABLE {
        return Ok(Some(format!("edgecore has been running for {} s only", seen.up.as_secs())));
    }
    if expected.version < KNOWS_NODES {
        return Ok(None);
    }
    let found = cloud::node(expected.cloud, expected.ca, None, expected.name, facts::now());
    Ok(match found {
        Ok(exchange) if exchange.answer.status == 200 => None,
        Ok(exchange) => {
            let status = exchange.answer.status;
            Some(format!("cloudcore does not know the node {} yet (status {status})", expected.name))
        }
        Err(failure) => Some(format!("cloudcore does not answer for the node {}: {failure}", expected.name)),
    })
}

fn seen(host: &Host) -> Result<Seen> {
    let shown = systemctl::show(UNIT, "ActiveState,InvocationID,NRestarts,MainPID,ActiveEnterTimestampMonotonic")?;
    let number = |name: &str| shown.get(name).parse::<u64>().unwrap_or_default();
    let since = number("ActiveEnterTimestampMonotonic");
    let text = host.root.read(Path::new(UPTIME))?.unwrap_or_default();
    let uptime = String::from_utf8_lossy(&text).split(' ').next().and_then(|text| text.parse::<f64>().ok());
    let now = uptime.map_or(0, |seconds| (seconds * MICROS) as u64);
    let up = if since == 0 { 0 } else { now.saturating_sub(since) };
    Ok(Seen {
        active: shown.get("ActiveState").to_owned(),
        invocation: shown.get("InvocationID").to_owned(),
        restarts: u32::try_from(number("NRestarts")).unwrap_or(u32::MAX),
        pid: u32::try_from(number("MainPID")).unwrap_or_default(),
        up: Duration::from_micros(up),
    })
}

/// Whether a process has an established connection to this port.
fn is_connected(host: &Host, pid: u32, port: u16) -> Result<bool> {
    let mut all = sockets(&host.root)?;
    all.retain(|socket| socket.state == edge_host::SocketState::Established && socket.remote.port() == port);
    if all.is_empty() || pid == 0 {
        return Ok(false);
    }
    let owners = socket_owners(&host.root, &all)?;
    let is_its = |owner: &SocketOwner| matches!(owner, SocketOwner::Process { pid: other, .. } if *other == pid);
    Ok(owners.values().any(is_its))
}

fn failure(missing: &str) -> Error {
    let cause = systemctl::log_end(UNIT, LOG_LINES).ok().and_then(|log| last_cause(&log));
    let said = cause.map(|cause| format!("; its last message: {cause}")).unwrap_or_default();
    Error::failed(format!("cannot finish the join: {missing}{said}"))
        .hint("for the whole log: journalctl -u edgecore -n 50; for known causes: edge-join check; to revert the join: edge-join undo")
}

/// The last line of a log that names a cause: of klog a fatal message or an error, or a panic of Go; else the last line.
fn last_cause(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_klog = |line: &str, level: char| {
        line.starts_with(level) && line.len() > 5 && line.bytes().skip(1).take(4).all(|byte| byte.is_ascii_digit())
    };
    let is_cause = |line: &&&str| is_klog(line, 'F') || is_klog(line, 'E') || line.starts_with("panic: ");
    let line = lines.iter().rev().find(is_cause).or(lines.last())?;
    // klog's prefix says when and where.
    let text = line.split_once("] ").filter(|(before, _)| before.contains(".go:")).map_or(*line, |(_, text)| text);
    Some(redact(&without_tokens(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_cause_is_the_last_error_without_its_token() {
        let hash = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9";
        let log = format!(
            "I1128 16:00:00.1 1 a.go:1] begin\nE1128 16:00:00.1 1 b.go:2] first\nF1128 16:00:00.1 1 c.go:3] token {hash}.eyJx.eyJy.z is wrong\nedgecore.service: Main process exited\n"
        );
        assert_eq!(last_cause(&log).unwrap(), "token *** is wrong");
        assert_eq!(last_cause("a\nb\n\n").unwrap(), "b");
        assert_eq!(last_cause("panic: no cgroup\ngoroutine 1\n").unwrap(), "panic: no cgroup");
        assert_eq!(last_cause(""), None);
    }
}
