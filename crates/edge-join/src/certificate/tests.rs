//! Answers, certificates and redaction.

use edge_pki::issue::{self, Contents};
use edge_pki::sign::Signer;

use super::*;

const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";

fn token() -> Token {
    Token::parse(&format!("{}.{JWT}", "7b".repeat(32))).unwrap()
}

const NOW: i64 = 1_800_000_000;

#[test]
fn certificate_is_judged_alike_whether_it_is_new_or_installed() {
    let new = || PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let contents = |name: &str, usage: &str, now| Contents {
        subject: subject::parse(name).unwrap(),
        names: Vec::new(),
        usages: vec![usage.to_owned()],
        now,
        days: 365,
    };
    let (ca_key, other_key, key) = (new(), new(), new());
    let authority = |key: &PrivateKey, now| {
        let contents = Contents { usages: Vec::new(), ..contents("/CN=KubeEdge", "", now) };
        let made = issue::authority(&contents, &key.public_key_info().unwrap(), &Signer::new(key).unwrap());
        Certificate::from_pem(made.unwrap().as_bytes()).unwrap()
    };
    let (ca, other) = (authority(&ca_key, NOW), authority(&other_key, NOW));
    let made = |by: &PrivateKey, of: &Certificate, usage: &str, now| {
        let contents = contents("/O=system:nodes/CN=system:node:edge1", usage, now);
        let made = issue::leaf(&contents, &key.public_key_info().unwrap(), of, &Signer::new(by).unwrap());
        Certificate::from_pem(made.unwrap().as_bytes()).unwrap()
    };
    let good = made(&ca_key, &ca, "clientAuth", NOW);
    // cloudcore leaves out the rest of the subject that edgecore requests.
    let requested = |identity: &str| judge(&good, &key, &ca, Some(&subject::parse(identity).unwrap()), NOW);
    for place in ["", "/C=CN/ST=Zhejiang/L=Hangzhou"] {
        assert_eq!(requested(&format!("{place}/O=system:nodes/CN=system:node:edge1")), Ok(()));
        for other in ["/O=system:nodes/CN=system:node:edge2", "/O=system:masters/CN=system:node:edge1"] {
            assert!(requested(&format!("{place}{other}")).unwrap_err().contains("was requested"));
        }
    }
    let why = |own: &Certificate, key: &PrivateKey, now| judge(own, key, &ca, None, now).unwrap_err();
    assert!(why(&good, &other_key, NOW).contains("for another private key"));
    // Both CAs have the same name, so that only the signature tells them apart.
    assert!(why(&made(&other_key, &other, "clientAuth", NOW), &key, NOW).contains("not signed by the CA"));
    assert!(why(&made(&ca_key, &ca, "serverAuth", NOW), &key, NOW).contains("it is not for clients"));
    assert!(why(&good, &key, NOW + 366 * times::DAY).contains("not valid at"));
    let late = made(&ca_key, &ca, "clientAuth", NOW + 7200);
    assert!(why(&late, &key, NOW).contains("it is valid only from"));
    assert_eq!(judge(&late, &key, &ca, None, NOW + 7200 - 200), Ok(()), "clocks differ a little");
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
        let error = Error::from(issued(&answer, &token()).unwrap_err());
        assert!(error.message().contains(want) && error.hint_text().is_some(), "{error}");
    }
    let body = format!("bad token {JWT}, or {}", &JWT[37..]).into_bytes();
    let error = Error::from(issued(&Answer { status: 500, headers: headers(), body }, &token()).unwrap_err());
    assert!(JWT.split('.').all(|part| !error.message().contains(part)), "{error}");
}

#[test]
fn token_is_refused_only_by_the_verified_cloudcore() {
    let expires = token().expires.unwrap();
    let is_refused = |verified, finding: Option<Finding>| {
        let found = sendable(&token(), verified, finding.into_iter().collect());
        found.map(|_| ()).map_err(|not| matches!(not, NotIssued::Refused(_)))
    };
    assert_eq!(is_refused(Some(expires - 1), None), Ok(()));
    assert_eq!(is_refused(Some(expires), None), Err(true));
    // By our own clock, or by an answer that was not verified.
    let own = diagnose::token::time(Some(&token()), expires + 5, None).remove(0);
    assert_eq!(is_refused(None, Some(own)), Err(false));
    let unverified = diagnose::token::time(Some(&token()), expires - 10, Some(20)).remove(0);
    assert!(unverified.text.contains("by cloudcore's clock"));
    assert_eq!(is_refused(Some(expires - 9), Some(unverified)), Err(false));
    for (status, refused) in [(400, true), (401, true), (403, true), (404, false), (500, false), (200, false)] {
        let answer = Answer { status, ..Answer::default() };
        let not = issued(&answer, &token()).unwrap_err();
        assert_eq!(matches!(not, NotIssued::Refused(_)), refused, "{status}");
    }
}

#[test]
fn answer_is_redacted_before_it_is_cut() {
    let whole = token().whole().expose().to_owned();
    let signature = JWT.rsplit('.').next().unwrap();
    let encoded = "N2JmZGI3MjZjNjE5NGJhZTJlNTc2MjU5ODVhNWIzZjU5NmQ0OWMwODg5NDRmZGI1NDA1ZTQ5MmZjMjQzNzRl";
    for secret in [whole.as_str(), JWT, signature, encoded] {
        for before in [60, 190] {
            let body = format!("{}{secret} is not accepted", "word ".repeat(before / 5)).into_bytes();
            for status in [401, 404, 500] {
                let answer = Answer { status, headers: Vec::new(), body: body.clone() };
                let error = Error::from(issued(&answer, &token()).unwrap_err());
                let has = |part: &str| error.message().contains(&part[..8]);
                let parts = secret.split('.').any(has);
                assert!(!parts && error.message().contains("***"), "{error}");
            }
        }
    }
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
        (format!("signature {} is invalid", &JWT[JWT.len() - 43..]), "signature *** is invalid"),
        (format!("tokendata: {}==", "N2JmZGI3MjZjNjE5NGJhZTJlNTc2MjU5".repeat(7)), "tokendata: ***=="),
        (
            "/etc/kubeedge/certs/server.crt of system:node:edge1".to_owned(),
            "/etc/kubeedge/certs/server.crt of system:node:edge1",
        ),
        ("F1128 16:00:00.123456 server.go:1] no eyes".to_owned(), "F1128 16:00:00.123456 server.go:1] no eyes"),
    ] {
        assert_eq!(without_tokens(&text), want);
    }
}
