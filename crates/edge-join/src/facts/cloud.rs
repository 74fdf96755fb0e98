//! What cloudcore's ports answer. All of them are asked at once.

use std::thread;
use std::time::Duration;

use edge_hub::{Address, Answer, Deadline, Exchange, Failure, Identity, Request, Tls, Trust, exchange, reach};
use edge_pki::cert::Certificate;

use crate::request::Cloud;

/// How long all requests to one port may take. Two such times, one after the other, are what a check waits at most.
pub const WITHIN: Duration = Duration::from_secs(5);
/// Larger than any certificate.
pub const MAX_CERTIFICATE: usize = 64 << 10;
/// Larger than what cloudcore says of a node.
const MAX_TEXT: usize = 4 << 10;

/// What the ports answer.
#[derive(Debug, Clone)]
pub struct CloudFacts {
    /// Whether the hub accepts a TCP connection.
    pub hub: Result<(), Failure>,
    /// Whether the tunnel accepts one.
    pub tunnel: Result<(), Failure>,
    /// The answer to GET /ca.crt of a server that is not verified.
    pub ca: Result<Answer, Failure>,
    /// How far the server's clock is ahead of ours, in seconds; none if it did not say.
    pub ahead: Option<i64>,
}

impl CloudFacts {
    /// The CA that cloudcore serves; none if there is none.
    pub fn authority(&self) -> Option<Certificate> {
        let answer = self.ca.as_ref().ok().filter(|answer| answer.status == 200)?;
        Certificate::from_der(&answer.body).ok()
    }
}

/// Asks the three ports.
pub fn read(cloud: &Cloud, now: fn() -> i64) -> CloudFacts {
    let deadline = Deadline::within(WITHIN);
    thread::scope(|scope| {
        let reached = |to: Address| scope.spawn(move || reach(&to, deadline).map(|_| ()));
        let (hub, tunnel) = (reached(cloud.hub.clone()), reached(cloud.tunnel.clone()));
        let request = Request::get("/ca.crt");
        let ca = exchange(&cloud.https, Tls::UNVERIFIED, &request, MAX_CERTIFICATE, deadline).map(|found| found.answer);
        let ahead = ca.as_ref().ok().and_then(Answer::date).map(|date| date - now());
        let joined = |handle: thread::ScopedJoinHandle<'_, Result<(), Failure>>| {
            handle.join().unwrap_or_else(|_| Err(Failure::Unreachable("the check of the port failed".to_owned())))
        };
        CloudFacts { hub: joined(hub), tunnel: joined(tunnel), ca, ahead }
    })
}

/// Asks for a node over TLS that trusts this CA alone; this also shows whether the server's certificate is right.
///
/// # Errors
/// What went wrong first.
pub fn node(
    cloud: &Cloud,
    ca: &Certificate,
    identity: Option<&Identity>,
    name: &str,
    now: i64,
) -> Result<Exchange, Failure> {
    let tls = Tls { trust: Trust::Ca { ca, now }, identity };
    let deadline = Deadline::within(WITHIN);
    exchange(&cloud.https, tls, &Request::get(&format!("/node/{name}")), MAX_TEXT, deadline)
}

/// Whether the server's certificate is right: asks for the CA over TLS that trusts this one alone.
///
/// # Errors
/// What went wrong first.
pub fn verified(cloud: &Cloud, ca: &Certificate, now: i64) -> Result<Exchange, Failure> {
    let tls = Tls { trust: Trust::Ca { ca, now }, identity: None };
    exchange(&cloud.https, tls, &Request::get("/ca.crt"), MAX_CERTIFICATE, Deadline::within(WITHIN))
}
