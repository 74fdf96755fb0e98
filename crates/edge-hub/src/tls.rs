//! TLS as a client: who is accepted, who the server is, and what it thinks of the client.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use edge_pki::cert::Certificate;
use edge_pki::encoding::{self, CERTIFICATE};
use edge_pki::key::PrivateKey;
use edge_pki::names::Name;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError,
    SignatureScheme, StreamOwned,
};

use crate::address::{Address, Deadline};
use crate::answer::Cause;
use crate::connection::Connection;
use crate::failure::{Distrust, Failure, Stage};
use crate::verify::verify;

/// Which servers are accepted.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Every server, whatever its certificate is.
    Anyone,
    /// A server whose certificate names the host and is issued by this CA alone.
    Ca {
        /// The CA.
        ca: &'a Certificate,
        /// The current time, in seconds since 1970.
        now: i64,
    },
}

/// A certificate and its private key, for a server that asks for them.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// A pair as in its files: the certificates in PEM, the client's own first.
    ///
    /// # Errors
    /// Why it cannot be used, without the names of the files.
    pub fn from_pem(certificates: &[u8], key: &PrivateKey) -> Result<Identity, String> {
        let blocks = encoding::blocks(certificates)?.into_iter().filter(|block| block.label == CERTIFICATE);
        let chain: Vec<CertificateDer<'static>> = blocks.map(|block| CertificateDer::from(block.der)).collect();
        let own = chain.first().ok_or("it contains no certificate")?;
        if !Certificate::from_der(own)?.matches_key(key) {
            return Err("the certificate is not that of the private key".to_owned());
        }
        let unusable = |_| format!("a private key of type {} cannot be used for TLS", key.algorithm);
        let pem = key.to_pem()?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "the private key is damaged")?;
        let signer = ring::sign::any_supported_type(&key).map_err(unusable)?;
        Ok(Identity(Arc::new(CertifiedKey::new(chain, signer))))
    }
}

/// A server, as it presents itself.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that accepted the connection.
    pub address: SocketAddr,
    /// Its certificates in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
    /// It asks for a certificate of the client and names the CAs that it accepts, as the hub and the tunnel of cloudcore do.
    /// cloudcore's HTTPS port asks for one, and names none (1.23.1; `ClientAuth` in v1.4 to v1.23).
    pub verifies_clients: bool,
}

impl Peer {
    /// Its own certificate.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn certificate(&self) -> Result<Certificate, String> {
        Certificate::from_der(self.certificates.first().ok_or("it has no certificate")?)
    }
}

/// What was seen during a handshake.
#[derive(Debug, Default)]
struct Seen {
    certificates: OnceLock<Vec<Vec<u8>>>,
    distrust: OnceLock<Distrust>,
    /// Set if it asks for a certificate of the client: whether it names the CAs that it accepts.
    asks: OnceLock<bool>,
}

/// Accepts servers, and notes what they are.
#[derive(Debug)]
struct Judge {
    seen: Arc<Seen>,
    /// The CA and the time; none if every server is accepted.
    ca: Option<(Certificate, i64)>,
    host: Name,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let all: Vec<Vec<u8>> = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        let verdict = self.ca.as_ref().map_or(Ok(()), |(ca, now)| verify(&all, ca, &self.host, *now));
        // Each handshake has one message with certificates.
        self.seen.certificates.set(all).ok();
        match verdict {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => {
                let cause = match *why {
                    Distrust::Expired(_) => CertificateError::Expired,
                    Distrust::NotYetValid(_) => CertificateError::NotValidYet,
                    Distrust::WrongName { .. } => CertificateError::NotValidForName,
                    Distrust::Damaged(_) => CertificateError::BadEncoding,
                    _ => CertificateError::UnknownIssuer,
                };
                self.seen.distrust.set(*why).ok();
                Err(TlsError::InvalidCertificate(cause))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Shows the client's certificate, if it has one, and notes that it was asked for.
#[derive(Debug)]
struct Shown {
    seen: Arc<Seen>,
    identity: Option<Identity>,
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.seen.asks.set(!authorities.is_empty()).ok();
        self.identity.as_ref().map(|identity| Arc::clone(&identity.0))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    stream: StreamOwned<ClientConnection, Connection>,
    seen: Arc<Seen>,
    has_identity: bool,
}

impl Secured {
    pub(crate) fn open(to: &Address, tls: crate::Tls<'_>, deadline: Deadline) -> Result<Secured, Failure> {
        let (seen, provider) = (Arc::new(Seen::default()), Arc::new(ring::default_provider()));
        let ca = match tls.trust {
            Trust::Anyone => None,
            Trust::Ca { ca, now } => Some((ca.clone(), now)),
        };
        let judge = Judge { seen: Arc::clone(&seen), ca, host: to.host.clone(), provider: Arc::clone(&provider) };
        let shown = Shown { seen: Arc::clone(&seen), identity: tls.identity.cloned() };
        let unusable = |cause: TlsError| Failure::Handshake(cause.to_string());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_client_cert_resolver(Arc::new(shown));
        config.resumption = rustls::client::Resumption::disabled();
        let name = match &to.host {
            Name::Ip(ip) => ServerName::from(*ip),
            Name::Dns(name) => ServerName::try_from(name.clone())
                .map_err(|_| Failure::Handshake(format!("{name} cannot be the name of a TLS server")))?,
        };
        let client = ClientConnection::new(Arc::new(config), name).map_err(unusable)?;
        let connection = Connection::open(to, deadline)?;
        let has_identity = tls.identity.is_some();
        let mut secured = Secured { stream: StreamOwned::new(client, connection), seen, has_identity };
        while secured.stream.conn.is_handshaking() {
            if let Err(cause) = secured.stream.conn.complete_io(&mut secured.stream.sock) {
                return Err(secured.failure(cause.into(), Stage::Handshake));
            }
        }
        Ok(secured)
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer {
            address: self.stream.sock.remote(),
            certificates: self.seen.certificates.get().cloned().unwrap_or_default(),
            verifies_clients: self.seen.asks.get().is_some_and(|names| *names),
        }
    }

    /// What an error of this connection means.
    pub(crate) fn failure(&self, cause: Cause, stage: Stage) -> Failure {
        let Cause::Io(io) = &cause else { return cause.into_failure(stage) };
        if let Some(why) = self.seen.distrust.get() {
            return Failure::Distrusted(Box::new(why.clone()));
        }
        let Some(error) = io.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
            return Failure::of_io(io, stage);
        };
        match error {
            TlsError::AlertReceived(alert) => self.of_alert(*alert),
            TlsError::InvalidMessage(_) if stage == Stage::Handshake => Failure::NotTls,
            TlsError::InvalidCertificate(_) => {
                let why = "the signature of the handshake is not that of its certificate".to_owned();
                Failure::Distrusted(Box::new(Distrust::Damaged(why)))
            }
            TlsError::PeerIncompatible(_) => {
                Failure::Handshake("client and server have no TLS version or cipher in common".to_owned())
            }
            _ => Failure::Handshake("the server violates the TLS protocol".to_owned()),
        }
    }

    /// Older versions of Go's server say `bad certificate` for a missing one, and TLS 1.2 has no other word for it.
    fn of_alert(&self, alert: AlertDescription) -> Failure {
        let asks = self.seen.asks.get();
        let is_missing = matches!(
            alert,
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::HandshakeFailure
        );
        if alert == AlertDescription::CertificateRequired || (asks == Some(&true) && !self.has_identity && is_missing) {
            return Failure::CertificateRequired;
        }
        match (alert, asks.is_some() && self.has_identity) {
            (AlertDescription::CertificateExpired, true) => Failure::CertificateRefused("it has expired"),
            (AlertDescription::UnknownCA, true) => Failure::CertificateRefused("it is not from the server's CA"),
            (AlertDescription::CertificateRevoked, true) => Failure::CertificateRefused("it is revoked"),
            (
                AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError,
                true,
            ) => Failure::CertificateRefused("it is not valid for the server"),
            (AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure, _) => {
                Failure::Handshake("client and server have no TLS version or cipher in common".to_owned())
            }
            (AlertDescription::UnrecognisedName, _) => {
                Failure::Handshake("the server does not know this host name".to_owned())
            }
            (other, _) => Failure::Handshake(format!("the server sent the alert {}", u8::from(other))),
        }
    }
}

impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
