//! The certificate of a node, fetched as edgecore fetches it: the CA first, compared with the token, then the node's
//! certificate over TLS that trusts only that CA.
//!
//! edgecore needs no token where the pair is there already, so the token is used here, in memory, and written nowhere. The
//! answer is not taken on trust: cloudcore up to 1.15 answers 200 with an empty body when it cannot sign.

use edge_host::{Error, Result};
use edge_hub::{Answer, Deadline, Exchange, Failure, Request, Tls, Trust, exchange};
use edge_kubeedge::Minor;
use edge_kubeedge::token::Token;
use edge_pki::cert::Certificate;
use edge_pki::encoding::{self, CERTIFICATE};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::{chain, csr, subject, times};

use crate::diagnose;
use crate::facts::cloud::{CloudFacts, MAX_CERTIFICATE, WITHIN};
use crate::request::Cloud;

/// The first version whose cloudcore checks the subject of a certificate, and whose edgecore asks for this one
/// (kubeedge v1.16 `edge/pkg/edgehub/certificate/certmanager.go`).
const NODE_SUBJECT: Minor = Minor::new(16);
/// The subject up to 1.15, without the name of the node; so is the rest in every version.
const OLD_SUBJECT: &str = "/C=CN/ST=Zhejiang/L=Hangzhou/O=kubeEdge/CN=kubeedge.io";
const NEW_SUBJECT: &str = "/C=CN/ST=Zhejiang/L=Hangzhou/O=system:nodes/CN=system:node:";
/// How far our clock may be behind: certificates are valid from the second in which they are issued.
const CLOCKS_DIFFER: i64 = 300;
const NEW_TOKEN: &str = "get a new token on a host with kubectl: kubectl get secret -n kubeedge tokensecret -o json";
const CLOUD_LOG: &str = "see the log of cloudcore, and check the pair of its CA: edge-certgen check";

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

/// The CA that cloudcore serves, if it is the one that the token is for.
///
/// # Errors
/// Exit 1 with the first thing that is wrong.
pub fn authority(cloud: &Cloud, facts: &CloudFacts, token: &Token, now: i64) -> Result<Certificate> {
    let mut findings = diagnose::token::time(Some(token), now, facts.ahead);
    findings.extend(diagnose::cloud::ports(cloud, facts));
    findings.extend(diagnose::cloud::authority(cloud, facts));
    let ca = facts.authority();
    findings.extend(ca.as_ref().and_then(|ca| diagnose::token::authority(token, ca)));
    match (diagnose::first_error(&findings), ca) {
        (Some(error), _) => Err(error),
        (None, Some(ca)) => Ok(ca),
        (None, None) => Err(Error::cannot("join", "", "cloudcore serves no CA certificate")),
    }
}

/// Asks for the certificate of a node with a new key.
///
/// # Errors
/// Exit 1 with what cloudcore's answer means. No error contains a part of the token.
pub fn request(cloud: &Cloud, ca: &Certificate, token: &Token, node: &str, version: Minor, now: i64) -> Result<Issued> {
    let failed = |why: String| Error::cannot("make", "the request for a certificate", why);
    let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(failed)?;
    let name = if version < NODE_SUBJECT {
        subject::parse(OLD_SUBJECT)?
    } else {
        subject::parse(&format!("{NEW_SUBJECT}{node}"))?
    };
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
    check(&certificate, ca, &key, &name, latest)?;
    Ok(Issued { ca: ca.clone(), certificate, key })
}

fn not_sent(cloud: &Cloud, failure: &Failure) -> Error {
    let finding = diagnose::cloud::server(cloud, failure);
    diagnose::first_error(&[finding]).unwrap_or_else(|| Error::cannot("join", "", failure.to_string()))
}

/// The certificate in an answer, or what the answer means.
fn issued(answer: &Answer, token: &Token) -> Result<Certificate> {
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
        // Up to 1.19 a token that is wrong or expired is 400.
        400 | 401 | 403 => Err(cannot(format!("cloudcore refuses the token: {}", said(answer, token))).hint(NEW_TOKEN)),
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
    let text = redacted(&answer.text(), token);
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

/// A text without the token or any of its parts.
pub fn redacted(text: &str, token: &Token) -> String {
    let jwt = token.jwt().expose();
    let mut shown = text.replace(token.whole().expose(), edge_host::STRUCK).replace(jwt, edge_host::STRUCK);
    for part in jwt.split('.').filter(|part| !part.is_empty()) {
        shown = shown.replace(part, edge_host::STRUCK);
    }
    shown
}

/// The certificate must be usable: of our key, with our name, issued by this CA, and valid.
fn check(
    own: &Certificate,
    ca: &Certificate,
    key: &PrivateKey,
    name: &subject::DistinguishedName,
    now: i64,
) -> Result<()> {
    let wrong =
        |why: String| Err(Error::cannot("use", "the certificate that cloudcore has issued", why).hint(CLOUD_LOG));
    if !own.matches_key(key) {
        return wrong("it is for another private key".to_owned());
    }
    if !subject::same(&own.subject, name) {
        return wrong(format!(
            "it is for {}, and {} was requested",
            subject::shown(&own.subject),
            subject::shown(name)
        ));
    }
    let Some(found) = chain::find(own, &[], std::slice::from_ref(ca), now).filter(|chain| chain.is_checked) else {
        return wrong(format!("it is not signed by the CA of cloudcore, but by {}", subject::shown(&own.issuer)));
    };
    if found.problem(now).is_some() {
        return wrong(format!("the CA of cloudcore is not valid at {}", times::rfc3339(now)));
    }
    if !own.is_for("clientAuth") {
        return wrong("it is not for clients (extendedKeyUsage)".to_owned());
    }
    if now > own.not_after || now + CLOCKS_DIFFER < own.not_before {
        let span = format!("{} to {}", times::rfc3339(own.not_before), times::rfc3339(own.not_after));
        return wrong(format!("it is valid from {span}, and it is {} here", times::rfc3339(now)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";

    fn token() -> Token {
        Token::parse(&format!("{}.{JWT}", "7b".repeat(32))).unwrap()
    }

    #[test]
    fn answer_that_is_no_certificate_is_a_cause() {
        let headers = Vec::new;
        for (status, body, want) in [
            (200, "", "cloudcore's answer is empty"),
            (200, "<html>", "a page for browsers"),
            (200, "x", "something that is not a certificate"),
            (400, "Invalid authorization token", "refuses the token: it has expired, or is of another cloudcore"),
            (401, "token validation failure, err: Token is expired", "it has expired by cloudcore's clock"),
            (401, "… err: token signature is invalid: signature is invalid", "it is signed by another CA key"),
            (401, "", "status 401 without a reason"),
            (500, "failed to sign certs for edgenode edge1, err: x", "cloudcore failed: failed to sign certs"),
            (302, "", "a redirect (302)"),
            (404, "404 page not found", "answers 404"),
        ] {
            let answer = Answer { status, headers: headers(), body: body.as_bytes().to_vec() };
            let error = issued(&answer, &token()).unwrap_err();
            assert!(error.message().contains(want) && error.hint_text().is_some(), "{error}");
        }
        let body = format!("bad token {JWT}, or {}", &JWT[37..]).into_bytes();
        let error = issued(&Answer { status: 500, headers: headers(), body }, &token()).unwrap_err();
        assert!(JWT.split('.').all(|part| !error.message().contains(part)), "{error}");
    }
}
