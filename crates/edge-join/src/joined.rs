//! Whether the node has joined: edgecore keeps running, is connected to the hub, and cloudcore has the node.
//!
//! `systemctl start` succeeds as soon as the process exists, and edgecore then ends every ten seconds if it cannot connect.
//! So each sign is looked at until all of them are there at once, or the time is over; then the last cause in edgecore's log
//! is the error.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result, Root, Socket, SocketOwner, redact, socket_owners, sockets};
use edge_hub::{Answer, Deadline, Identity};
use edge_kubeedge::token::Token;
use edge_kubeedge::{Kind, Minor};
use edge_pki::cert::Certificate;
use edge_systemd::{startup, systemctl};

use crate::certificate::safe;
use crate::diagnose::cloud::Registered;
use crate::facts;
use crate::request::Cloud;

/// A unit that runs this long has not ended for what is wrong with its configuration or certificate.
const STEADY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const REPORT_EVERY: Duration = Duration::from_secs(10);
const LOG_LINES: u32 = 50;
/// The first version that answers for the name of a node.
const KNOWS_NODES: Minor = Minor::new(20);
/// How long the name of the hub may take to resolve.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'w> {
    /// The cloudcore.
    pub cloud: &'w Cloud,
    /// Its CA.
    pub ca: &'w Certificate,
    /// The pair of the node.
    pub identity: Option<&'w Identity>,
    /// The name of the node.
    pub node: &'w str,
    /// The version of edgecore; cloudcore may be newer.
    pub version: Minor,
    /// The token, so that no message contains it.
    pub token: Option<&'w Token>,
    /// How long at most.
    pub within: Duration,
}

/// Waits until edgecore has joined.
///
/// # Errors
/// Exit 1 with what is missing and the last cause in its log; exit 5 after a signal.
pub fn wait(host: &mut Host, waiting: &Waiting<'_>) -> Result<()> {
    let begin = Instant::now();
    let (mut running_since, mut invocation, mut reports) = (None, String::new(), 1);
    let mut hub = BTreeSet::new();
    loop {
        host.check_interrupt()?;
        let state = startup::state(Kind::EdgeCore.unit())?;
        if state.active != "active" || state.invocation != invocation {
            invocation = state.invocation;
            running_since = (state.active == "active").then(Instant::now);
        }
        let missing = missing(&host.root, waiting, (&state.active, state.main_pid), running_since, &mut hub)?;
        let Some(missing) = missing else { return Ok(()) };
        if begin.elapsed() >= waiting.within {
            return Err(failed(waiting, &missing, begin.elapsed()));
        }
        if begin.elapsed() >= REPORT_EVERY * reports {
            reports += 1;
            host.report.note(&format!("waiting for edgecore for {} s: {missing}", begin.elapsed().as_secs()));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The first sign that is missing. `resolved` are the addresses that the hub has had so far: a name with several of them
/// may give others each time.
fn missing(
    root: &Root,
    waiting: &Waiting<'_>,
    (active, pid): (&str, Option<u32>),
    since: Option<Instant>,
    resolved: &mut BTreeSet<SocketAddr>,
) -> Result<Option<String>> {
    let (Some(since), Some(pid)) = (since, pid) else { return Ok(Some(format!("its unit is {active}"))) };
    let hub = &waiting.cloud.hub;
    match hub.resolve(Deadline::within(RESOLVED_WITHIN)) {
        Ok(found) => resolved.extend(found),
        Err(failure) if resolved.is_empty() => return Ok(Some(format!("{hub} is not known: {failure}"))),
        Err(_) => {}
    }
    match connection(root, resolved, pid)? {
        Connection::None => return Ok(Some(format!("it has no connection to the hub at {hub}"))),
        Connection::OfOther(program) => return Ok(Some(format!("only {program} is connected to the hub at {hub}"))),
        Connection::OfEdgecore(_) => {}
    }
    if since.elapsed() < STEADY {
        return Ok(Some(format!("it has run for less than {} s", STEADY.as_secs())));
    }
    Ok(unregistered(waiting))
}

/// Who is connected to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Nobody.
    None,
    /// edgecore, to this address.
    OfEdgecore(SocketAddr),
    /// Only another process, or one that is not known.
    OfOther(String),
}

/// Looks for an established connection of this process to one of the addresses of the hub.
///
/// # Errors
/// The sockets of this host cannot be read.
pub fn connection(root: &Root, hub: &BTreeSet<SocketAddr>, pid: u32) -> Result<Connection> {
    let is_to_hub = |one: &Socket| hub.iter().any(|address| one.is_connected_to(*address));
    let found: Vec<Socket> = sockets(root)?.into_iter().filter(is_to_hub).collect();
    let owners = socket_owners(root, &found)?;
    Ok(of_process(&found, &owners, pid))
}

fn of_process(found: &[Socket], owners: &BTreeMap<u64, SocketOwner>, own: u32) -> Connection {
    let mut other = Connection::None;
    for socket in found {
        match owners.get(&socket.inode) {
            Some(SocketOwner::Process { pid, .. }) if *pid == own => return Connection::OfEdgecore(socket.remote),
            Some(SocketOwner::Process { pid, program }) => {
                other = Connection::OfOther(format!("{program} (process {pid})"));
            }
            _ => other = Connection::OfOther("an unknown program".to_owned()),
        }
    }
    other
}

/// Why cloudcore does not have the node; none if it has it, or cannot know.
fn unregistered(waiting: &Waiting<'_>) -> Option<String> {
    if waiting.version < KNOWS_NODES {
        return None;
    }
    let now = edge_host::now();
    match facts::cloud::node(waiting.cloud, waiting.ca, waiting.identity, waiting.node, now) {
        Ok(found) => absent(&found.answer, waiting.node),
        Err(failure) => Some(format!("cloudcore does not answer for node {}: {failure}", waiting.node)),
    }
}

fn absent(answer: &Answer, node: &str) -> Option<String> {
    match Registered::of(answer) {
        // An older cloudcore will not know later either.
        Registered::Yes | Registered::Unknown => None,
        Registered::No => Some(format!("the API server has no node {node}")),
        Registered::Failed(status) => Some(format!("cloudcore answers {status} to the question for node {node}")),
    }
}

fn failed(waiting: &Waiting<'_>, missing: &str, after: Duration) -> Error {
    let unit = Kind::EdgeCore.unit();
    let log = systemctl::log_end(unit, LOG_LINES).unwrap_or_default();
    // edgecore logs the token of its configuration, which may be another one.
    let cause = last_cause(&redact(&safe(&log, waiting.token)))
        .map(|cause| format!("; its last words: {cause}"))
        .unwrap_or_default();
    let text = format!("cannot join: after {} s, {missing}{cause}", after.as_secs());
    Error::failed(text).hint(format!("see its log: journalctl -u {unit}"))
}

/// The last line of a log that is an error: klog's lines begin with E or F and the date, and a panic names itself.
fn last_cause(log: &str) -> Option<String> {
    let is_klog = |line: &str, levels: &[char]| {
        let mut chars = line.chars();
        chars.next().is_some_and(|level| levels.contains(&level))
            && chars.take(4).filter(char::is_ascii_digit).count() == 4
    };
    let is_error =
        |line: &&str| is_klog(line, &['E', 'F']) || line.starts_with("panic:") || line.contains("level=error");
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rfind(is_error).or_else(|| lines().rfind(|line| !is_klog(line, &['I'])))?;
    // Without date, process and source.
    let text = if is_klog(line, &['E', 'F']) { line.split_once("] ").map_or(line, |(_, text)| text) } else { line };
    Some(text.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_cause_is_the_last_error_without_its_head() {
        let log = "I1128 16:00:00.000001    7 server.go:1] starting\nE1128 16:00:01.000001    7 hub.go:2] first\n\
                   F1128 16:00:02.000001    7 hub.go:9] websocket connect failed, err: x509: y\nedgecore.service: Failed\n";
        assert_eq!(last_cause(log).as_deref(), Some("websocket connect failed, err: x509: y"));
        assert_eq!(last_cause("panic: no certificate\n\ngoroutine 1\n").as_deref(), Some("panic: no certificate"));
        assert_eq!(last_cause("I1128 16:00:00 7 a] b\nexec format error\n").as_deref(), Some("exec format error"));
        assert_eq!(last_cause(""), None);
    }

    #[test]
    fn only_the_process_of_the_unit_counts_as_connected() {
        let remote: SocketAddr = "192.0.2.1:10000".parse().unwrap();
        let socket = |inode| Socket {
            local: "192.0.2.7:40000".parse().unwrap(),
            remote,
            state: edge_host::SocketState::Established,
            uid: 0,
            inode,
        };
        let of = |pid| SocketOwner::Process { pid, program: "/usr/local/bin/edgecore".to_owned() };
        let owners = BTreeMap::from([(1, of(7)), (2, of(8)), (3, SocketOwner::Unknown)]);
        let seen = |found: &[Socket]| of_process(found, &owners, 8);
        assert_eq!(seen(&[]), Connection::None);
        let other = "/usr/local/bin/edgecore (process 7)".to_owned();
        assert_eq!(seen(&[socket(1)]), Connection::OfOther(other));
        assert_eq!(seen(&[socket(3)]), Connection::OfOther("an unknown program".to_owned()));
        assert_eq!(seen(&[socket(1), socket(2)]), Connection::OfEdgecore(remote));
    }

    #[test]
    fn connection_to_the_port_of_another_host_does_not_count() {
        let root = Root::live().unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(at).unwrap();
        let to = |address: SocketAddr| connection(&root, &BTreeSet::from([address]), std::process::id()).unwrap();
        assert_eq!(to(at), Connection::OfEdgecore(at));
        assert_eq!(to(SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), at.port())), Connection::OfEdgecore(at));
        assert_eq!(to(SocketAddr::new("127.0.0.2".parse().unwrap(), at.port())), Connection::None);
    }

    #[test]
    fn node_is_absent_only_where_cloudcore_says_so() {
        let said = |status, body: &str| {
            absent(&Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }, "edge1").unwrap_or_default()
        };
        assert_eq!((said(200, ""), said(404, "404 page not found\n")), (String::new(), String::new()));
        assert_eq!(said(404, "Node not found\n"), "the API server has no node edge1");
        assert_eq!(said(500, "x"), "cloudcore answers 500 to the question for node edge1");
    }
}
