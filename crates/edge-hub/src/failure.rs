//! Why there is no answer: what the network, TLS or the server did, in words for a user.

use std::fmt;
use std::io;

use edge_pki::cert::Certificate;
use edge_pki::names::{self, Name};
use edge_pki::{subject, times};

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The name is resolved.
    Resolve,
    /// The TCP connection is established.
    Connect,
    /// TLS is negotiated.
    Handshake,
    /// The request is sent.
    Request,
    /// The answer is read.
    Answer,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The name of the host has no address.
    Unresolved(String),
    /// Nothing listens at the port.
    Refused,
    /// The host or its network cannot be reached, with the reason.
    Unreachable(String),
    /// The deadline passed.
    Late(Stage),
    /// The server closed the connection.
    Closed(Stage),
    /// The connection broke, with the reason.
    Broken {
        /// How far it came.
        stage: Stage,
        /// The reason.
        cause: String,
    },
    /// The port is open, but not with TLS.
    NotTls,
    /// TLS cannot be negotiated, with the reason.
    Handshake(String),
    /// The server is not accepted.
    Distrusted(Box<Distrust>),
    /// The server wants a certificate of the client, and none was shown: a hub or tunnel port of cloudcore.
    CertificateRequired,
    /// The server does not accept the certificate that was shown, with its alert in words.
    CertificateRefused(&'static str),
    /// The answer is not HTTP.
    NotHttp,
    /// The answer is larger than the limit; its status was read.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// The status of the answer.
        status: u16,
    },
}

/// Why a server is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// Its certificate cannot be read.
    Damaged(String),
    /// Its certificate was not issued by the CA.
    OtherCa(Certificate),
    /// Its certificate has expired.
    Expired(Certificate),
    /// Its certificate is not valid yet.
    NotYetValid(Certificate),
    /// A CA on the way is not valid, with the reason.
    Authority(Certificate, String),
    /// Its certificate is not for servers.
    NotForServers(Certificate),
    /// Its certificate does not name the host.
    WrongName {
        /// The host that was connected to.
        host: Name,
        /// The certificate.
        certificate: Certificate,
    },
}

impl Distrust {
    /// The certificate that was refused; none if it cannot be read.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Distrust::Damaged(_) => None,
            Distrust::OtherCa(certificate)
            | Distrust::Expired(certificate)
            | Distrust::NotYetValid(certificate)
            | Distrust::Authority(certificate, _)
            | Distrust::NotForServers(certificate)
            | Distrust::WrongName { certificate, .. } => Some(certificate),
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Damaged(why) => f.write_str(why),
            Distrust::OtherCa(certificate) => {
                write!(f, "its certificate is not from this CA, but from {}", subject::shown(&certificate.issuer))
            }
            Distrust::Expired(certificate) => {
                write!(f, "its certificate expired on {}", times::rfc3339(certificate.not_after))
            }
            Distrust::NotYetValid(certificate) => {
                write!(f, "its certificate is valid only from {}", times::rfc3339(certificate.not_before))
            }
            Distrust::Authority(_, why) => f.write_str(why),
            Distrust::NotForServers(_) => f.write_str("its certificate is not for servers (extendedKeyUsage)"),
            Distrust::WrongName { host, certificate } => {
                let mut all = vec![names::shown(&certificate.names)];
                all.extend(certificate.odd_names.clone());
                // cloudcore adds an empty name where no other is configured.
                all.retain(|one| !one.is_empty() && one != "DNS:");
                let all = if all.is_empty() { "no name".to_owned() } else { all.join(", ") };
                write!(f, "its certificate does not name {host}, but {all}")
            }
        }
    }
}

impl Failure {
    /// What a system call failed with.
    pub(crate) fn of_io(cause: &io::Error, stage: Stage) -> Failure {
        match cause.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Failure::Unreachable(in_words(cause))
            }
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::Late(stage),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => Failure::Closed(stage),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Failure::Closed(stage)
            }
            _ if stage == Stage::Connect => Failure::Unreachable(in_words(cause)),
            _ => Failure::Broken { stage, cause: in_words(cause) },
        }
    }

    /// Whether nothing at all was heard from the host.
    pub fn is_of_network(&self) -> bool {
        matches!(
            self,
            Failure::Unresolved(_)
                | Failure::Refused
                | Failure::Unreachable(_)
                | Failure::Late(Stage::Resolve | Stage::Connect)
        )
    }
}

/// As the system says it: `No route to host`.
fn in_words(cause: &io::Error) -> String {
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Resolve => "while the name was resolved",
            Stage::Connect => "while the connection was made",
            Stage::Handshake => "during the TLS handshake",
            Stage::Request => "while the request was sent",
            Stage::Answer => "before the answer was complete",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unresolved(name) => write!(f, "the name {name} has no address"),
            Failure::Refused => f.write_str("the connection is refused: nothing listens there"),
            Failure::Unreachable(why) => f.write_str(why),
            Failure::Late(Stage::Connect) => f.write_str("the connection is not answered in time"),
            Failure::Late(stage) => write!(f, "no answer in time, {stage}"),
            Failure::Closed(stage) => write!(f, "the server closed the connection {stage}"),
            Failure::Broken { stage, cause } => write!(f, "the connection broke {stage}: {cause}"),
            Failure::NotTls => f.write_str("the port is open, but does not speak TLS"),
            Failure::Handshake(why) => write!(f, "the TLS handshake fails: {why}"),
            Failure::Distrusted(why) => write!(f, "the server cannot be trusted: {why}"),
            Failure::CertificateRequired => f.write_str("the server requires a client certificate"),
            Failure::CertificateRefused(why) => write!(f, "the server rejects the client certificate: {why}"),
            Failure::NotHttp => f.write_str("the answer is not HTTP"),
            Failure::TooLarge { limit, .. } => write!(f, "the answer is larger than {limit} bytes"),
        }
    }
}

impl std::error::Error for Failure {}
