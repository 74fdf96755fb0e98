//! The certificate of a node, fetched as edgecore fetches it: the CA first, compared with the token, then the node's
//! certificate over TLS that trusts only that CA.
//!
//! edgecore needs no token where the pair is there already, so the token is used here, in memory, and written nowhere. The
//! answer is not taken on trust: cloudcore up to 1.15 answers 200 with an empty body when it cannot sign.

use edge_host::{Error, Finding, Result};
use edge_hub::{Answer, Deadline, Exchange, Failure, Request, Tls, Trust, exchange, shortened};
use edge_kubeedge::Minor;
use edge_kubeedge::token::Token;
use edge_pki::cert::Certificate;
use edge_pki::encoding::{self, CERTIFICATE};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::{chain, csr, subject, times};

use crate::diagnose::token::NEW_TOKEN;
use crate::diagnose::{self, first_error};
use crate::facts::cloud::{self, CloudFacts, MAX_CERTIFICATE, WITHIN};
use crate::request::Cloud;

/// The first version whose cloudcore checks the subject of a certificate, and whose edgecore asks for this one
/// (kubeedge v1.16 `edge/pkg/edgehub/certificate/certmanager.go`).
const NODE_SUBJECT: Minor = Minor::new(16);
/// The subject up to 1.15, without the name of the node; so is the rest in every version.
const OLD_SUBJECT: &str = "/C=CN/ST=Zhejiang/L=Hangzhou/O=kubeEdge/CN=kubeedge.io";
const NEW_SUBJECT: &str = "/C=CN/ST=Zhejiang/L=Hangzhou/O=system:nodes/CN=system:node:";
/// The attributes that cloudcore takes from a request.
const IDENTITY: [&str; 2] = ["O", "CN"];
/// How far our clock may be behind: certificates are valid from the second in which they are issued.
const CLOCKS_DIFFER: i64 = 300;
/// An HMAC-SHA256 in base64url.
const SIGNATURE: usize = 43;
const CLOUD_LOG: &str =
    "see the log of cloudcore, and check its CA there, on the host of cloudcore: edge-certgen check";

/// Why there is no certificate.
#[derive(Debug)]
pub enum NotIssued {
    /// The cloudcore that the token is for, verified by its CA, does not accept it. Nothing else can make it usable, so
    /// that it need not be kept.
    Refused(Error),
    /// Something else.
    Failed(Error),
}

impl From<Error> for NotIssued {
    fn from(error: Error) -> NotIssued {
        NotIssued::Failed(error)
    }
}

impl From<NotIssued> for Error {
    fn from(not: NotIssued) -> Error {
        match not {
            NotIssued::Refused(error) | NotIssued::Failed(error) => error,
        }
    }
}

/// A pair that cloudcore has issued, and its CA.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The CA of cloudcore.
    pub ca: Certificate,
    /// The certificate of the node.
    pub certificate: Certificate,
    /// Its private key (P-256).
    pub key: PrivateKey,
}

impl Issued {
    /// rootCA.crt.
    pub fn ca_pem(&self) -> String {
        encoding::encode(CERTIFICATE, &self.ca.der)
    }

    /// server.crt.
    pub fn certificate_pem(&self) -> String {
        encoding::encode(CERTIFICATE, &self.certificate.der)
    }

    /// server.key, in SEC1 as edgecore writes it.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn key_pem(&self) -> Result<String> {
        self.key.to_pem().map_err(|why| Error::cannot("make", "the private key", why))
    }
}

/// The CA that cloudcore serves, which is not verified yet, and what was found beside it.
///
/// # Errors
/// Exit 1 with the first thing that is wrong.
pub fn served(cloud: &Cloud, facts: &CloudFacts) -> Result<(Certificate, Vec<Finding>)> {
    let mut findings = diagnose::cloud::ports(cloud, facts);
    findings.extend(diagnose::cloud::authority(cloud, facts));
    let ca = facts.authority();
    match (first_error(&findings), ca) {
        (Some(error), _) => Err(error),
        (None, Some(ca)) => Ok((ca, findings)),
        (None, None) => Err(Error::failed("cannot join: cloudcore serves no CA certificate")),
    }
}

/// Whether the token may be sent to a cloudcore that serves this CA, and what was found beside that. `ahead` is how far its
/// clock is ahead, by an answer that was not verified.
///
/// # Errors
/// Exit 1 with the first thing that is wrong, and whether the token is the reason.
pub fn accepts(
    cloud: &Cloud,
    ca: &Certificate,
    token: &Token,
    ahead: Option<i64>,
    node: &str,
    now: i64,
) -> std::result::Result<Vec<Finding>, NotIssued> {
    let mismatch = diagnose::token::authority(token, ca);
    // A server with another CA is not the one that decides about the token.
    let asked = mismatch.is_none().then(|| cloud::node(cloud, ca, None, node, now));
    let verified = asked.as_ref().and_then(|asked| asked.as_ref().ok()?.answer.date());
    let mut findings = diagnose::token::time(Some(token), now, ahead);
    findings.extend(mismatch);
    findings.extend(asked.and_then(|asked| diagnose::cloud::asked(cloud, asked, node, false)));
    sendable(token, verified, findings)
}

/// Only the clock of a server that is verified makes a token useless: our own may be wrong, and an answer that is not verified
/// may be of anybody.
fn sendable(
    token: &Token,
    verified: Option<i64>,
    findings: Vec<Finding>,
) -> std::result::Result<Vec<Finding>, NotIssued> {
    if let Some(finding) = verified.and_then(|there| diagnose::token::expired(token, there)) {
        return Err(NotIssued::Refused(diagnose::as_error(&finding)));
    }
    first_error(&findings).map_or(Ok(findings), |error| Err(NotIssued::Failed(error)))
}

/// A key as edgecore makes it.
///
/// # Errors
/// The system has no random numbers.
pub fn new_key() -> Result<PrivateKey> {
    PrivateKey::generate(Algorithm::EcdsaP256).map_err(|why| Error::cannot("make", "a private key", why))
}

/// Asks for the certificate of a node with this key. The token must be for this CA.
///
/// # Errors
/// Exit 1 with what cloudcore's answer means, and whether the token is the reason. No error contains a part of the token.
pub fn request_with(
    key: PrivateKey,
    cloud: &Cloud,
    ca: &Certificate,
    token: &Token,
    node: &str,
    version: Minor,
    now: i64,
) -> std::result::Result<Issued, NotIssued> {
    let failed = |why: String| Error::cannot("make", "the request for a certificate", why);
    let name = subject_of(node, version)?;
    let body = csr::make(&name, &key).map_err(failed)?;
    let request = Request::get("/edge.crt")
        .header("Authorization", &format!("Bearer {}", token.jwt().expose()))
        .header("Nodename", node)
        .body(body);
    let tls = Tls { trust: Trust::Ca { ca, now }, identity: None };
    let Exchange { answer, .. } = exchange(&cloud.https, tls, &request, MAX_CERTIFICATE, Deadline::within(WITHIN))
        .map_err(|failure| not_sent(cloud, &failure))?;
    let certificate = issued(&answer, token)?;
    // Its clock and ours: the certificate begins now by cloudcore's clock.
    let latest = answer.date().map_or(now, |date| date.max(now));
    judge(&certificate, &key, ca, Some(&name), latest)
        .map_err(|why| Error::cannot("use", "the certificate that cloudcore has issued", why).hint(CLOUD_LOG))?;
    Ok(Issued { ca: ca.clone(), certificate, key })
}

/// The subject that a node of this version asks for.
///
/// # Errors
/// The name is too long for a certificate.
pub fn subject_of(node: &str, version: Minor) -> Result<subject::DistinguishedName> {
    let text = if version < NODE_SUBJECT { OLD_SUBJECT.to_owned() } else { format!("{NEW_SUBJECT}{node}") };
    subject::parse(&text)
}

/// What a cloudcore takes of a requested subject.
pub fn identity(requested: &subject::DistinguishedName) -> String {
    IDENTITY.map(|name| format!("{name}={}", subject::values(requested, name).concat())).join(", ")
}

fn not_sent(cloud: &Cloud, failure: &Failure) -> Error {
    diagnose::as_error(&diagnose::cloud::server(cloud, failure))
}

/// The certificate in an answer, or what the answer means.
fn issued(answer: &Answer, token: &Token) -> std::result::Result<Certificate, NotIssued> {
    // Up to 1.19 a token that is wrong or expired is 400.
    if matches!(answer.status, 400 | 401 | 403) {
        let why = format!("cloudcore refuses the token: {}", said(answer, token));
        let error = Error::cannot("get", "the certificate of the node", why);
        return Err(NotIssued::Refused(error.hint(NEW_TOKEN)));
    }
    Ok(read(answer, token)?)
}

/// The certificate in an answer that is not about the token.
fn read(answer: &Answer, token: &Token) -> Result<Certificate> {
    let cannot = |why: String| Error::cannot("get", "the certificate of the node", why);
    match answer.status {
        200 if answer.body.is_empty() => Err(cannot(
            "cloudcore's answer is empty: it cannot sign with its CA, such as one with a private key that is not SEC1"
                .to_owned(),
        )
        .hint(CLOUD_LOG)),
        200 => Certificate::from_der(&answer.body).map_err(|_| {
            let what = if answer.is_html() { "a page for browsers" } else { "something that is not a certificate" };
            cannot(format!("cloudcore's answer is {what}")).hint("check that no proxy is on the way to cloudcore")
        }),
        500.. => Err(cannot(format!("cloudcore failed: {}", said(answer, token))).hint(CLOUD_LOG)),
        300..400 => Err(cannot(format!("the answer is a redirect ({})", answer.status))
            .hint("check that no proxy is on the way to cloudcore")),
        status => {
            Err(cannot(format!("cloudcore answers {status}: {}", said(answer, token))).hint("check --https-port"))
        }
    }
}

/// What an answer says, in words for a user where it is known.
fn said(answer: &Answer, token: &Token) -> String {
    // A token that is cut is not recognized as one.
    let text = shortened(&safe(&answer.line(), Some(token)));
    let lower = text.to_lowercase();
    let meaning = if lower.contains("expired") {
        "it has expired by cloudcore's clock"
    } else if lower.contains("signature is invalid") {
        "it is signed by another CA key: cloudcore was installed again since"
    } else if lower.contains("invalid authorization token") {
        "it has expired, or is of another cloudcore"
    } else {
        return if text.is_empty() { format!("status {} without a reason", answer.status) } else { text };
    };
    format!("{meaning} ({text})")
}

/// A whole text of another program without any token, known or not; it is shortened only after this.
pub fn safe(text: &str, token: Option<&Token>) -> String {
    let text = without_tokens(text);
    token.map_or_else(|| text.clone(), |token| redacted(&text, token))
}

/// A text without the token or any of its parts.
fn redacted(text: &str, token: &Token) -> String {
    let jwt = token.jwt().expose();
    let mut shown = text.replace(token.whole().expose(), edge_host::STRUCK).replace(jwt, edge_host::STRUCK);
    for part in jwt.split('.').filter(|part| !part.is_empty()) {
        shown = shown.replace(part, edge_host::STRUCK);
    }
    shown
}

/// A text in which nothing that looks like a token, or a part of one, is left.
fn without_tokens(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    let end = |word: &mut String, shown: &mut String| {
        shown.push_str(if looks_like_token(word) { edge_host::STRUCK } else { word });
        word.clear();
    };
    for char in text.chars() {
        if is_part(char) {
            word.push(char);
        } else {
            end(&mut word, &mut shown);
            shown.push(char);
        }
    }
    end(&mut word, &mut shown);
    shown
}

/// A JWT begins with `{"` in base64url, also behind the checksum of a CA. That checksum, a signature, and a token in base64,
/// which has neither + nor /, are long.
fn looks_like_token(word: &str) -> bool {
    word.split('.').any(|part| part.starts_with("eyJ") || part.len() >= SIGNATURE)
}

/// Why a certificate cannot be used with this key and CA, whether it is new or on the host already; `name` is the subject
/// that was requested, if that is known. Of it cloudcore takes only organization and common name into the certificate
/// (kubeedge v1.23.1 `pkg/security/certs/x509_certs.go`, v1.8.2 `cloudhub/servers/httpserver/certutil.go`), in an encoding
/// of its own.
pub fn judge(
    own: &Certificate,
    key: &PrivateKey,
    ca: &Certificate,
    name: Option<&subject::DistinguishedName>,
    now: i64,
) -> std::result::Result<(), String> {
    if !own.matches_key(key) {
        return Err("it is for another private key".to_owned());
    }
    let differs =
        |name: &&_| IDENTITY.iter().any(|one| subject::values(&own.subject, one) != subject::values(name, one));
    if let Some(name) = name.filter(differs) {
        let (is, requested) = (subject::shown(&own.subject), subject::shown(name));
        return Err(format!("it is for {is}, and {requested} was requested"));
    }
    let Some(found) = chain::find(own, &[], std::slice::from_ref(ca), now).filter(|chain| chain.is_checked) else {
        return Err(format!("it is not signed by the CA of cloudcore, but by {}", subject::shown(&own.issuer)));
    };
    if found.problem(now).is_some() {
        return Err(format!("the CA of cloudcore is not valid at {}", times::rfc3339(now)));
    }
    if !own.is_for("clientAuth") {
        return Err("it is not for clients (extendedKeyUsage)".to_owned());
    }
    if now > own.not_after {
        return Err(format!("it expired on {}", times::date(own.not_after)));
    }
    if now + CLOCKS_DIFFER < own.not_before {
        let (from, now) = (times::rfc3339(own.not_before), times::rfc3339(now));
        return Err(format!("it is valid only from {from}, and it is {now} here"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
