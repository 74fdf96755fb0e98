//! Connections to the ports of cloudcore, as an edge node makes them: one request over TLS that trusts exactly one CA.
//!
//! Each connection has one deadline for all of it, and reads no more than its caller allows: a server that stalls,
//! sends one byte at a time or never ends costs no more than that. No redirect is followed, no proxy is used, and no
//! CA of the host is trusted, as in edgecore. What goes wrong is a [`Failure`] that callers tell apart by its kind.

mod address;
mod answer;
mod connection;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod request;
mod tls;
mod verify;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

pub use address::{Address, Deadline};
pub use answer::{Answer, MAX_HEAD, http_date, shortened};
pub use failure::{Distrust, Failure, Stage};
pub use request::Request;
pub use tls::{Identity, Peer, Trust};

use connection::Connection;
use tls::Secured;

/// How a connection is secured.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// Which servers are accepted.
    pub trust: Trust<'a>,
    /// The certificate that is shown to a server that asks for one.
    pub identity: Option<&'a Identity>,
}

impl Tls<'_> {
    /// Accepts every server and shows no certificate: only for /ca.crt and for finding out what a port serves. What comes
    /// from such a server is not trusted.
    pub const UNVERIFIED: Tls<'static> = Tls { trust: Trust::Anyone, identity: None };
}

/// What a server answered, and who it is.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The answer.
    pub answer: Answer,
    /// The server.
    pub peer: Peer,
}

/// Connects by TCP alone, and closes the connection.
///
/// # Errors
/// The name is not resolved, or no address accepts the connection in time.
pub fn reach(to: &Address, deadline: Deadline) -> Result<SocketAddr, Failure> {
    Connection::open(to, deadline).map(|connection| connection.remote())
}

/// Completes a TLS handshake and closes the connection: who the server is, and whether it asks for a certificate.
///
/// A server of TLS 1.3 refuses a missing or unknown client certificate only after the handshake, so success does not mean
/// that it accepts [`Tls::identity`]; [`exchange`] shows that.
///
/// # Errors
/// What went wrong first.
pub fn look(to: &Address, tls: Tls<'_>, deadline: Deadline) -> Result<Peer, Failure> {
    Secured::open(to, tls, deadline).map(|secured| secured.peer())
}

/// Who a server says it is, whether or not it is trusted: for messages about a certificate that was refused.
///
/// # Errors
/// There is no TLS server.
pub fn certificates(to: &Address, deadline: Deadline) -> Result<Peer, Failure> {
    look(to, Tls::UNVERIFIED, deadline)
}

/// Sends one request over TLS and reads the answer, whatever its status is; `limit` is the largest body in bytes.
///
/// # Errors
/// What went wrong first.
pub fn exchange(
    to: &Address,
    tls: Tls<'_>,
    request: &Request,
    limit: usize,
    deadline: Deadline,
) -> Result<Exchange, Failure> {
    let mut secured = Secured::open(to, tls, deadline)?;
    let sent = secured.write_all(&request.bytes(to)).and_then(|()| secured.flush());
    // A server that refuses the client's certificate closes the connection, and its reason is still to be read.
    let answer = answer::read(&mut secured, limit);
    match (sent, answer) {
        (_, Ok(answer)) => Ok(Exchange { answer, peer: secured.peer() }),
        (Ok(()), Err(cause)) => Err(secured.failure(cause, Stage::Answer)),
        (Err(sending), Err(cause)) => match secured.failure(cause, Stage::Answer) {
            Failure::Closed(_) | Failure::Broken { .. } => Err(secured.failure(sending.into(), Stage::Request)),
            failure => Err(failure),
        },
    }
}

/// The same without TLS: for the port of edgecore's kubelet on 127.0.0.1.
///
/// # Errors
/// As [`exchange`].
pub fn exchange_plain(to: &Address, request: &Request, limit: usize, deadline: Deadline) -> Result<Answer, Failure> {
    let mut connection = Connection::open(to, deadline)?;
    let sent = connection.write_all(&request.bytes(to));
    let answer = answer::read(&mut connection as &mut dyn Read, limit);
    match (sent, answer) {
        (_, Ok(answer)) => Ok(answer),
        (Ok(()), Err(cause)) => Err(cause.into_failure(Stage::Answer)),
        (Err(sending), Err(_)) => Err(Failure::of_io(&sending, Stage::Request)),
    }
}

/// How long a whole connection may take by default.
pub const USUAL_TIME: Duration = Duration::from_secs(10);
