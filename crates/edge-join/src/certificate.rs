//! Gets the certificate of the node from cloudcore, with the requests that edgecore makes, over TLS that trusts only the CA
//! that the token names.
//!
//! The private key is made here and leaves this program only to its file.

use edge_host::{Error, Result, STRUCK};
use edge_hub::{Answer, Deadline, Request, Tls, Trust, exchange};
use edge_kubeedge::Minor;
use edge_kubeedge::token::Token;
use edge_pki::cert::Certificate;
use edge_pki::encoding::encode;
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::subject::{self, DistinguishedName};
use edge_pki::{chain, csr};

use crate::diagnose::cloud;
use crate::diagnose::token::hash;
use crate::facts::cloud::{MAX_CERTIFICATE, WITHIN};
use crate::request::Cloud;

/// The first version whose nodes ask under their own names (kubeedge v1.16 `certmanager.go`).
const OWN_NAME: Minor = Minor::new(16);
/// What all nodes of older versions are called.
const OLD_SUBJECT: &str = "/C=CN/ST=Zhejiang/L=Hangzhou/O=kubeEdge/CN=kubeedge.io";
const CERTIFICATE: &str = "CERTIFICATE";
const NEW_TOKEN: &str = "get a new token on a host with kubectl: kubectl get secret -n kubeedge tokensecret -o json";
const SEE_LOG: &str = "see the log of cloudcore: kubectl logs -n kubeedge -l kubeedge=cloudcore";
/// How much of an answer is shown.
const SHOWN: usize = 200;

/// A certificate that cloudcore has issued.
#[derive(Debug)]
pub struct Fetched {
    /// The CA that issued it.
    pub ca: Certificate,
    /// The certificate.
    pub certificate: Certificate,
    /// Its private key.
    pub key: PrivateKey,
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum NotFetched {
    /// cloudcore does not accept the token, or it is for another CA.
    Refused(Error),
    /// Something else.
    Failed(Error),
}

impl From<NotFetched> for Error {
    fn from(not: NotFetched) -> Error {
        match not {
            NotFetched::Refused(error) | NotFetched::Failed(error) => error,
        }
    }
}

impl Fetched {
    /// A certificate or CA in PEM, as edgecore writes it.
    pub fn pem(certificate: &Certificate) -> Vec<u8> {
        encode(CERTIFICATE, &certificate.der).into_bytes()
    }
}

/// The subject that a node of this version asks for.
pub fn subject_of(name: &str, version: Minor) -> Result<DistinguishedName> {
    match version < OWN_NAME {
        true => subject::parse(OLD_SUBJECT),
        false => subject::parse(&format!("/C=CN/ST=Zhejiang/L=Hangzhou/O=system:nodes/CN=system:node:{name}")),
    }
}

/// Asks for a certificate. Nothing on this host is changed.
///
/// # Errors
/// What cloudcore answered, without any part of the token.
pub fn fetch(
    at: &Cloud,
    ca: Certificate,
    token: &Token,
    name: &str,
    version: Minor,
    now: i64,
) -> std::result::Result<Fetched, NotFetched> {
    let failed = |why: String| NotFetched::Failed(Error::failed(format!("cannot get a certificate for {name}: {why}")));
    if hash(&ca) != token.ca_hash {
        let error = Error::failed("cannot use the token: it is for another CA than that of this cloudcore");
        return Err(NotFetched::Refused(error.hint(NEW_TOKEN)));
    }
    let subject = subject_of(name, version).map_err(NotFetched::Failed)?;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(failed)?;
    let body = csr::make(&subject, &key).map_err(failed)?;
    let request = Request::get("/edge.crt")
        .header("Authorization", &format!("Bearer {}", token.jwt().expose()))
        .header("NodeName", name)
        .body(body);
    let tls = Tls { trust: Trust::Ca { ca: &ca, now }, identity: None };
    let answer = match exchange(&at.https, tls, &request, MAX_CERTIFICATE, Deadline::within(WITHIN)) {
        Ok(exchange) => exchange.answer,
        Err(failure) => {
            let finding = cloud::server(at, &failure);
            let error =
                Error::failed(format!("cannot get a certificate for {name}: {}: {}", finding.file, finding.text));
            return Err(NotFetched::Failed(match finding.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }));
        }
    };
    match answer.status {
        200 if answer.body.is_empty() => {
            let why = "cloudcore answers without one, as versions up to 1.19 do when signing fails";
            Err(NotFetched::Failed(Error::failed(format!("cannot get a certificate for {name}: {why}")).hint(SEE_LOG)))
        }
        200 => {
            let certificate = Certificate::from_der(&answer.body)
                .map_err(|why| failed(format!("the answer is not a certificate: {why}")))?;
            judge(&certificate, &key, &ca, now)
                .map_err(|why| failed(format!("the certificate in the answer {why}")))?;
            Ok(Fetched { ca, certificate, key })
        }
        // 1.19 and older answer 400.
        400 | 401 | 403 => {
            let text = said(&answer, token);
            let error =
                Error::failed(format!("cannot get a certificate for {name}: cloudcore refuses the token: {text}"));
            Err(NotFetched::Refused(error.hint(NEW_TOKEN)))
        }
        status => {
            let text = said(&answer, token);
            let error =
                Error::failed(format!("cannot get a certificate for {name}: cloudcore answers {status}: {text}"));
            Err(NotFetched::Failed(error.hint(SEE_LOG)))
        }
    }
}

/// Why a certificate cannot be used with this key and CA.
pub fn judge(
    certificate: &Certificate,
    key: &PrivateKey,
    ca: &Certificate,
    now: i64,
) -> std::result::Result<(), String> {
    if !certificate.matches_key(key) {
        return Err("is for another private key".to_owned());
    }
    if chain::find(certificate, &[], std::slice::from_ref(ca), now).is_none_or(|chain| chain.problem(now).is_some()) {
        return Err("is not signed by the CA, or the CA is not valid".to_owned());
    }
    if now > certificate.not_after {
        return Err(format!("expired on {}", edge_pki::times::date(certificate.not_after)));
    }
    Ok(())
}

/// The text of an answer on one line, without the token.
fn said(answer: &Answer, token: &Token) -> String {
    let text: String = answer.text().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.replace(token.jwt().expose(), STRUCK).replace(&token.ca_hash, STRUCK);
    without_tokens(&text).chars().take(SHOWN).collect()
}

/// A text in which nothing that looks like a token, or a part of one, is left.
pub fn without_tokens(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    let end = |word: &mut String, shown: &mut String| {
        shown.push_str(if looks_like_token(word) { STRUCK } else { word });
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

/// A JWT begins with `{"` in base64url, also behind the checksum of a CA; that checksum and a signature are also tokens' parts.
fn looks_like_token(word: &str) -> bool {
    let is_hex = |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    word.split('.').any(|part| part.starts_with("eyJ") || is_hex(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_is_that_of_the_version() {
        let shown = |version| subject::shown(&subject_of("edge1", Minor::new(version)).unwrap());
        assert!(shown(15).ends_with("CN=kubeedge.io") && shown(15).contains("O=kubeEdge"), "{}", shown(15));
        assert!(shown(16).ends_with("CN=system:node:edge1") && shown(16).contains("O=system:nodes"));
    }

    #[test]
    fn texts_lose_everything_that_looks_like_a_token() {
        let hash = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9";
        let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N";
        for (text, want) in [
            (
                format!("token {hash}.{jwt} credentials are in the wrong format"),
                "token *** credentials are in the wrong format",
            ),
            (format!("bad \"{jwt}\", again"), "bad \"***\", again"),
            (format!("(hash {hash})"), "(hash ***)"),
            ("F1128 16:00:00.123456 server.go:1] no eyes".to_owned(), "F1128 16:00:00.123456 server.go:1] no eyes"),
        ] {
            assert_eq!(without_tokens(&text), want);
        }
    }
}
