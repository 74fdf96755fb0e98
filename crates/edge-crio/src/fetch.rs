//! Downloads: over HTTPS, as the host trusts it, and only as long as bytes come.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use edge_fetch::hex;
use edge_host::{Error, Host, Result, Root, shown_url};
use rustls::CertificateError;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::address;
use crate::config::Proxy;

/// The authorities that the host trusts, by distribution.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Without a byte for so long, a download is given up.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const TELL_EVERY: Duration = Duration::from_secs(10);
const PIECE: usize = 64 << 10;
/// As many pieces wait to be written.
const AHEAD: usize = 4;
/// How soon a user is heard who asks to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// More than any bundle: a server must not fill the disk.
const MAX_BYTES: u64 = 2 << 30;

/// Fetches `url` into `to`, by way of `proxy` or else of the environment's; the SHA-256 of what came, in hex.
///
/// Fails (1) where the server says no, where the bytes stop coming or fewer come than were promised,
/// and (5) once the user has asked to stop.
pub fn fetch(host: &mut Host, url: &str, proxy: Option<&Proxy>, to: &mut dyn Write) -> Result<String> {
    address::download(url)?;
    let shown = shown_url(url);
    let (agent, from) = (agent(url, proxy)?, url.to_owned());
    let (send, parts) = sync_channel(AHEAD);
    // A name server or a server that is silent must not keep the user waiting who asked to stop.
    thread::spawn(move || {
        if let Err(error) = receive(&agent, &from, &send) {
            // Nobody listens any more once it is given up.
            send.send(Err(error)).ok();
        }
    });
    let (mut sum, mut promised) = (Sha256::new(), None);
    let (mut came, begin, mut told) = (0_u64, Instant::now(), 1);
    loop {
        host.check_interrupt()?;
        match parts.recv_timeout(LOOK_EVERY) {
            Ok(part) => match part? {
                Part::Length(length) => promised = length,
                Part::Bytes(bytes) => {
                    sum.update(&bytes);
                    let fail = |cause| Error::failed(format!("cannot keep what comes from {shown}: {cause}"));
                    to.write_all(&bytes).map_err(fail)?;
                    came += bytes.len() as u64;
                }
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if begin.elapsed() >= TELL_EVERY * told {
            told += 1;
            let of = promised.map(|length: u64| format!(" of {}", length >> 20)).unwrap_or_default();
            host.report.note(&format!("{}{of} MiB of {shown}", came >> 20));
        }
    }
    if let Some(length) = promised.filter(|length| *length != came) {
        return Err(Error::failed(format!("cannot download {shown}: {came} bytes came of {length}"))
            .hint("run the same command again"));
    }
    Ok(hex(&sum.finalize()))
}

/// What comes of a download.
enum Part {
    /// First: how many bytes the server promises, if it does.
    Length(Option<u64>),
    /// Some of them.
    Bytes(Vec<u8>),
}

/// Asks the server, and hands on what comes as it comes.
fn receive(agent: &Agent, url: &str, send: &SyncSender<Result<Part>>) -> Result<()> {
    let shown = shown_url(url);
    let fail = |cause: String| Error::failed(format!("cannot download {shown}: {cause}"));
    let mut response = match agent.get(url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(code)) => return Err(refused(&shown, code)),
        Err(error) => {
            let (cause, hint) = cause_of(&error);
            return Err(fail(cause).hint(hint));
        }
    };
    let length: Option<u64> =
        response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > MAX_BYTES) {
        return Err(fail(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let mut body = response.body_mut().with_config().limit(MAX_BYTES).reader();
    let mut came = 0_u64;
    let mut part = Part::Length(length);
    loop {
        if send.send(Ok(part)).is_err() {
            return Ok(());
        }
        let mut piece = vec![0; PIECE];
        let read = loop {
            match body.read(&mut piece) {
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    return Err(fail(format!("{cause}, after {came} bytes")).hint("run the same command again"));
                }
                Ok(read) => break read,
            }
        };
        if read == 0 {
            return Ok(());
        }
        came += read as u64;
        piece.truncate(read);
        part = Part::Bytes(piece);
    }
}

fn agent(url: &str, proxy: Option<&Proxy>) -> Result<Agent> {
    let mut builder = Agent::config_builder()
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_recv_response(Some(ANSWER_WITHIN))
        .timeout_per_read(Some(STALLED_AFTER))
        .max_redirects(5)
        .user_agent(concat!("edge-crio/", env!("CARGO_PKG_VERSION")));
    if url.starts_with("https://") {
        // Not led from an address with TLS to one without.
        builder = builder.https_only(true).tls_config(trusted()?);
    }
    if let Some(proxy) = proxy {
        if !proxy.is_for(url) {
            return Ok(builder.proxy(None).build().new_agent());
        }
        let proxy = ureq::Proxy::new(proxy.url())
            .map_err(|_| Error::usage(format!("cannot use the proxy {} for downloads", proxy.shown())))?;
        builder = builder.proxy(Some(proxy));
    }
    Ok(builder.build().new_agent())
}

/// TLS with the authorities that this host trusts: a site's own mirror has the site's own.
fn trusted() -> Result<TlsConfig> {
    // The machine that downloads, whatever --root says.
    let here = Root::live()?;
    for file in AUTHORITIES {
        let Some(bytes) = here.read(Path::new(file))? else { continue };
        let roots: Vec<Certificate<'static>> = parse_pem(&bytes)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        return Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .build());
    }
    Err(Error::failed("cannot download over HTTPS: this host has no list of certificate authorities")
        .hint("install ca-certificates, or bring the file: --archive FILE --sha256 H"))
}

/// What went wrong on the way to the server, and what to do.
fn cause_of(error: &ureq::Error) -> (String, &'static str) {
    let tls = match error {
        ureq::Error::Rustls(tls) => Some(tls),
        ureq::Error::Io(cause) => cause.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    if let Some(rustls::Error::InvalidCertificate(cause)) = tls {
        return of_certificate(cause);
    }
    match error {
        ureq::Error::RequireHttpsOnly(to) => (
            format!("the server leads on to {}, which is without TLS", shown_url(to).escape_debug()),
            "name an address that stays with https://, or bring the file: --archive FILE --sha256 H",
        ),
        _ => (
            error.to_string(),
            "look at the network and the proxy, name a mirror, or bring the file: --archive FILE --sha256 H",
        ),
    }
}

/// Why a server is not who it says it is.
fn of_certificate(cause: &CertificateError) -> (String, &'static str) {
    const MIRROR: &str = "look at the address; nothing was taken from it";
    const CLOCK: &str =
        "look at this host's clock (date -u); if it is right, the certificate is for its owner to renew";
    match cause {
        // A signature is bad where another authority has the name of one that is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is of an authority that this host does not trust".to_owned(),
            "a site's own authority is added by update-ca-certificates, from /usr/local/share/ca-certificates/NAME.crt",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("the server's certificate has expired".to_owned(), CLOCK)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet".to_owned(), CLOCK)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("the server's certificate is for another name".to_owned(), MIRROR)
        }
        other => (format!("the server's certificate is refused: {other}"), MIRROR),
    }
}

fn refused(shown: &str, code: u16) -> Error {
    let error = Error::failed(format!("cannot download {shown}: the server answers {code}"));
    match code {
        403 | 404 | 410 => error.hint("the release is not there (or not yet): see edge-crio resolve; or name a mirror"),
        _ => error.hint("try again later, or name a mirror"),
    }
}
