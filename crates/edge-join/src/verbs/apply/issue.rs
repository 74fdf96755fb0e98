//! The certificate that a join uses: that on the host, or one that cloudcore issues for the token.

use edge_host::{Error, Host, Mode, Result};
use edge_kubeedge::stream::{HTTPS_PORT, TUNNEL_PORT, WEBSOCKET_PORT};
use edge_pki::cert::Certificate;
use edge_pki::encoding::{CERTIFICATE, encode};
use edge_pki::key::PrivateKey;
use edge_pki::subject;

use super::{Call, ReadToken, print};
use crate::certificate::{self, NotIssued, subject_of};
use crate::facts::install::Pair;
use crate::plan::Issued;
use crate::request::pipe;
use crate::{diagnose, facts};

/// Makes the bytes of a key, once.
type MakeKey = Box<dyn FnOnce() -> Result<Vec<u8>>>;

/// What the host has already.
pub(super) struct Own<'a> {
    /// The pair.
    pub(super) pair: &'a Pair,
    /// A key without its certificate.
    pub(super) lone: Option<PrivateKey>,
}

/// The CA of cloudcore, and a new certificate where the pair on the host cannot be used. In a dry run it is not fetched.
pub(super) fn certificate(
    host: &mut Host,
    call: &Call<'_>,
    token: Option<ReadToken>,
    own: Own<'_>,
    name: &str,
    now: i64,
) -> std::result::Result<(Certificate, Option<Issued>), NotIssued> {
    let (cloud, version) = (&call.cloud, call.args.version.minor);
    let Own { pair, lone } = own;
    // What is wrong with the token itself comes before what is wrong with cloudcore.
    let needs_token = !matches!(pair, Pair::Good { .. });
    if needs_token && let Some(finding) = token.as_ref().and_then(diagnose::token::form) {
        return Err(NotIssued::Failed(diagnose::as_error(&finding)));
    }
    let found = facts::cloud::read(cloud, edge_host::now);
    let (served, findings) = certificate::served(cloud, &found)?;
    print(host, &findings);
    let why = match pair {
        Pair::Good { ca } if ca.der == served.der => {
            let asked = facts::cloud::node(cloud, &served, None, name, now);
            let finding = diagnose::cloud::asked(cloud, asked, name, true);
            diagnose::first_error(finding.as_slice()).map_or(Ok(()), Err)?;
            return Ok((served, None));
        }
        Pair::Good { .. } => Some("the certificate of this node is from another cloudcore".to_owned()),
        Pair::Unusable(why) => Some(why.clone()),
        Pair::Absent => None,
    };
    let because = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let token = match token {
        Some(Ok(token)) => token,
        Some(Err(error)) => return Err(NotIssued::Failed(Error::failed(format!("cannot use the token: {error}")))),
        None => {
            let error = Error::usage(format!("cannot join without --token{because}"));
            return Err(NotIssued::Failed(error.hint(pipe(&with_token(call)))));
        }
    };
    if let Some(why) = why {
        host.report.note(&format!("a new certificate is needed: {why}"));
    }
    print(host, &certificate::accepts(cloud, &served, &token, found.ahead, name, now)?);
    let ca = encode(CERTIFICATE, &served.der).into_bytes();
    let own = lone.filter(|_| host.mode == Mode::Apply);
    let is_new = own.is_none();
    if host.mode == Mode::DryRun {
        let key: MakeKey = Box::new(|| Err(Error::failed("cannot make a private key in a dry run")));
        let subject = certificate::identity(&subject_of(name, version)?);
        return Ok((served, Some(Issued { ca, certificate: Vec::new(), key: Some(key), subject })));
    }
    let key = own.map_or_else(certificate::new_key, Ok)?;
    let fetched = certificate::request_with(key, cloud, &served, &token, name, version, now)?;
    let subject = subject::shown(&fetched.certificate.subject);
    let new = fetched.certificate_pem().into_bytes();
    let make: MakeKey = Box::new(move || fetched.key_pem().map(String::into_bytes));
    Ok((served, Some(Issued { ca, certificate: new, key: is_new.then_some(make), subject })))
}

/// The words of this call, as far as they name cloudcore and the release, with a token from standard input.
fn with_token(call: &Call<'_>) -> String {
    let host = call.cloud.https.url_host();
    let connection = &call.args.connection;
    let ports = [
        ("https", connection.https_port, HTTPS_PORT),
        ("hub", connection.hub_port, WEBSOCKET_PORT),
        ("tunnel", connection.tunnel_port, TUNNEL_PORT),
    ];
    let others = ports.iter().filter(|(_, port, usual)| port != usual);
    let others: String = others.map(|(name, port, _)| format!(" --{name}-port {port}")).collect();
    let (host, version) = (host.trim_matches(['[', ']']), call.args.version.text());
    format!("apply --cloudcore {host}{others} --version {version} --token -")
}
