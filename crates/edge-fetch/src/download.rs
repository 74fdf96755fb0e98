//! Downloads over HTTPS, with the host's certificate authorities and a timeout for stalled transfers.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result, Root, shown_url};
use rustls::CertificateError;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::address;
use crate::proxy::Proxy;
use crate::sum::hex;

/// The host's trusted certificate authorities, by distribution.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A download is aborted after this time without a byte.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const REPORT_EVERY: Duration = Duration::from_secs(10);
const PIECE: usize = 64 << 10;
/// How many pieces may be queued for writing.
const AHEAD: usize = 4;
/// How often an interrupt by the user is checked for.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Larger than any file that is downloaded: a server must not fill the disk.
const MAX_BYTES: u64 = 2 << 30;

/// A download, and what a user can do where it fails.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// Its address.
    pub url: &'a str,
    /// The proxy to use; otherwise that of the environment.
    pub proxy: Option<&'a Proxy>,
    /// The hint where the server does not have the file.
    pub missing: &'a str,
    /// How to do without the download, as the end of a hint: `use --archive FILE`.
    pub instead: &'a str,
}

/// Downloads a file into `to` and returns its SHA-256 in hex.
///
/// Errors: exit 1 where the server refuses, the transfer stalls or is shorter than announced; exit 5 on an interrupt.
pub fn download(host: &mut Host, file: Download<'_>, to: &mut dyn Write) -> Result<String> {
    address::check(file.url, file.url)?;
    let shown = shown_url(file.url);
    let (agent, from, texts) = (agent(host.tool(), &file)?, file.url.to_owned(), Hints::of(&file));
    let (send, parts) = sync_channel(AHEAD);
    // In a thread, so that an interrupt does not wait for the server.
    thread::spawn(move || {
        if let Err(error) = receive(&agent, &from, &texts, &send) {
            // After an interrupt the receiver is gone.
            send.send(Err(error)).ok();
        }
    });
    let (mut sum, mut promised) = (Sha256::new(), None);
    let (mut came, begin, mut reported) = (0_u64, Instant::now(), 1);
    loop {
        host.check_interrupt()?;
        match parts.recv_timeout(CHECK_EVERY) {
            Ok(part) => match part? {
                Part::Length(length) => promised = length,
                Part::Bytes(bytes) => {
                    sum.update(&bytes);
                    let fail = |cause| Error::failed(format!("cannot write the download of {shown}: {cause}"));
                    to.write_all(&bytes).map_err(fail)?;
                    came += bytes.len() as u64;
                }
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if begin.elapsed() >= REPORT_EVERY * reported {
            reported += 1;
            let of = promised.map(|length: u64| format!(" of {}", length >> 20)).unwrap_or_default();
            host.report.note(&format!("{}{of} MiB of {shown}", came >> 20));
        }
    }
    if let Some(length) = promised.filter(|length| *length != came) {
        return Err(Error::failed(format!("cannot download {shown}: only {came} of {length} bytes arrived"))
            .hint("run the same command again"));
    }
    Ok(hex(&sum.finalize()))
}

/// A message from the receiving thread.
enum Part {
    /// The size that the server announces, if it does; sent first.
    Length(Option<u64>),
    /// A piece of the file.
    Bytes(Vec<u8>),
}

/// The hints of a download, for the thread that receives.
struct Hints {
    missing: String,
    instead: String,
}

impl Hints {
    fn of(file: &Download<'_>) -> Hints {
        Hints { missing: file.missing.to_owned(), instead: file.instead.to_owned() }
    }
}

/// Sends the request, and passes on each piece of the answer.
fn receive(agent: &Agent, url: &str, hints: &Hints, send: &SyncSender<Result<Part>>) -> Result<()> {
    let shown = shown_url(url);
    let fail = |cause: String| Error::failed(format!("cannot download {shown}: {cause}"));
    let mut response = match agent.get(url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(code)) => return Err(refused(&shown, code, &hints.missing)),
        Err(error) => {
            let (cause, hint) = cause_of(&error, &hints.instead);
            return Err(fail(cause).hint(hint));
        }
    };
    let length: Option<u64> =
        response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > MAX_BYTES) {
        return Err(fail(format!("the file is larger than {} MiB", MAX_BYTES >> 20)));
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
                    return Err(fail(format!("{} after {came} bytes", of_connection(&cause)))
                        .hint("run the same command again"));
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

fn agent(tool: &str, file: &Download<'_>) -> Result<Agent> {
    let mut builder = Agent::config_builder()
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_recv_response(Some(ANSWER_WITHIN))
        .timeout_per_read(Some(STALLED_AFTER))
        .max_redirects(5)
        .user_agent(format!("{tool}/{}", env!("CARGO_PKG_VERSION")));
    if file.url.starts_with("https://") {
        // A redirect must not drop TLS.
        builder = builder.https_only(true).tls_config(trusted(file.instead)?);
    }
    if let Some(proxy) = file.proxy {
        if !proxy.is_for(file.url) {
            return Ok(builder.proxy(None).build().new_agent());
        }
        let proxy = ureq::Proxy::new(proxy.url())
            .map_err(|_| Error::usage(format!("cannot use the proxy {} for downloads", proxy.shown())))?;
        builder = builder.proxy(Some(proxy));
    }
    Ok(builder.build().new_agent())
}

/// TLS with the authorities that this host trusts, so that a mirror inside a company works.
fn trusted(instead: &str) -> Result<TlsConfig> {
    // Those of the machine that downloads, whatever --root is.
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
    Err(Error::failed("cannot download over HTTPS: this host has no list of trusted certificate authorities")
        .hint(format!("install the package ca-certificates, or {instead}")))
}

/// The cause of a failed request, and the hint.
fn cause_of(error: &ureq::Error, instead: &str) -> (String, String) {
    let tls = match error {
        ureq::Error::Rustls(tls) => Some(tls),
        ureq::Error::Io(cause) => cause.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    if let Some(rustls::Error::InvalidCertificate(cause)) = tls {
        let (cause, hint) = of_certificate(cause);
        return (cause, hint.to_owned());
    }
    match error {
        ureq::Error::RequireHttpsOnly(to) => (
            format!("the server redirects to {}, which does not use TLS", shown_url(to).escape_debug()),
            format!("use a mirror that is reachable over https://, or {instead}"),
        ),
        _ => (in_own_words(error), format!("check the network and the proxy, use a mirror, or {instead}")),
    }
}

/// Why a connection fails, without the words of the HTTP library.
fn in_own_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(cause) => of_connection(cause),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the name of the server cannot be resolved".to_owned(),
        ureq::Error::ConnectionFailed => "the connection cannot be established".to_owned(),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => "the server redirects too often".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => format!("the file is larger than {} MiB", MAX_BYTES >> 20),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => "the TLS connection fails".to_owned(),
        ureq::Error::InvalidProxyUrl => "the address of the proxy is not valid".to_owned(),
        _ => "the answer of the server is not valid".to_owned(),
    }
}

/// Why a connection breaks: the error of the system, or what ureq has wrapped.
fn of_connection(cause: &std::io::Error) -> String {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = next {
        if let Some(inner) = error.downcast_ref::<ureq::Error>() {
            return in_own_words(inner);
        }
        match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.raw_os_error().is_some() => return io.to_string(),
            Some(io) => next = io.get_ref().map(|inner| inner as _),
            None => next = error.source(),
        }
    }
    match cause.kind() {
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        std::io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => "the connection broke".to_owned(),
    }
}

/// The problem with a server's certificate, and the hint.
fn of_certificate(cause: &CertificateError) -> (String, &'static str) {
    const MIRROR: &str = "check the address; nothing was downloaded";
    const CLOCK: &str =
        "check this host's clock (date -u); if it is correct, the server's operator must renew the certificate";
    match cause {
        // BadSignature: another authority has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is from an authority that this host does not trust".to_owned(),
            "to trust your own authority, put its certificate into /usr/local/share/ca-certificates/NAME.crt and run update-ca-certificates",
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
        other => (format!("the server's certificate is not valid: {other}"), MIRROR),
    }
}

fn refused(shown: &str, code: u16, missing: &str) -> Error {
    let error = Error::failed(format!("cannot download {shown}: the server answers {code}"));
    match code {
        403 | 404 | 410 => error.hint(missing),
        _ => error.hint("try again later, or use a mirror"),
    }
}
