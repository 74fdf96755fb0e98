//! Downloads over HTTPS, with the certificate authorities of the host, given up once no bytes arrive.

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

/// Lists of the certificate authorities that the host trusts, by distribution.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A download is given up after this time without a byte.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const REPORT_EVERY: Duration = Duration::from_secs(10);
const PIECE: usize = 64 << 10;
/// How many pieces may wait to be written.
const AHEAD: usize = 4;
/// How often an interrupt by the user is checked for.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// More than any file that is downloaded: a server must not fill the disk.
const MAX_BYTES: u64 = 2 << 30;

/// What is downloaded, and what a user can do where that fails.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// Its address.
    pub url: &'a str,
    /// The proxy to use; the one of the environment where there is none.
    pub proxy: Option<&'a Proxy>,
    /// The hint where the server does not have it.
    pub missing: &'a str,
    /// How to get the file without a download, as the end of a hint: `bring the file: --archive FILE`.
    pub instead: &'a str,
}

/// Downloads a file into `to` and returns its SHA-256 in hex.
///
/// Errors: exit 1 where the server refuses, where the bytes stop or are fewer than the server announced;
/// exit 5 once the user has interrupted the call.
pub fn download(host: &mut Host, file: Download<'_>, to: &mut dyn Write) -> Result<String> {
    address::check(file.url, file.url)?;
    let shown = shown_url(file.url);
    let (agent, from, texts) = (agent(host.tool(), &file)?, file.url.to_owned(), Hints::of(&file));
    let (send, parts) = sync_channel(AHEAD);
    // In a thread of its own, so that a silent server does not keep an interrupt waiting.
    thread::spawn(move || {
        if let Err(error) = receive(&agent, &from, &texts, &send) {
            // Nobody receives it after an interrupt.
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
                    let fail = |cause| Error::failed(format!("cannot write what is downloaded from {shown}: {cause}"));
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

/// What arrives.
enum Part {
    /// First: how many bytes the server announces, if it does.
    Length(Option<u64>),
    /// Some of them.
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

/// Asks the server and passes on each piece as it arrives.
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

fn agent(tool: &str, file: &Download<'_>) -> Result<Agent> {
    let mut builder = Agent::config_builder()
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_recv_response(Some(ANSWER_WITHIN))
        .timeout_per_read(Some(STALLED_AFTER))
        .max_redirects(5)
        .user_agent(format!("{tool}/{}", env!("CARGO_PKG_VERSION")));
    if file.url.starts_with("https://") {
        // No redirect from an address with TLS to one without.
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

/// TLS with the authorities that this host trusts: a mirror of a site has a certificate of the site's own.
fn trusted(instead: &str) -> Result<TlsConfig> {
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
        .hint(format!("install ca-certificates, or {instead}")))
}

/// What went wrong on the way to the server, and what to do.
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
            format!("the server redirects to {}, which is without TLS", shown_url(to).escape_debug()),
            format!("name an address that stays with https://, or {instead}"),
        ),
        _ => (error.to_string(), format!("check the network and the proxy, name a mirror, or {instead}")),
    }
}

/// What is wrong with a server's certificate.
fn of_certificate(cause: &CertificateError) -> (String, &'static str) {
    const MIRROR: &str = "check the address; nothing was downloaded";
    const CLOCK: &str =
        "check this host's clock (date -u); if it is right, the owner of the server must renew the certificate";
    match cause {
        // The signature is bad where another authority has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is from an authority that this host does not trust".to_owned(),
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

fn refused(shown: &str, code: u16, missing: &str) -> Error {
    let error = Error::failed(format!("cannot download {shown}: the server answers {code}"));
    match code {
        403 | 404 | 410 => error.hint(missing),
        _ => error.hint("try again later, or name a mirror"),
    }
}
