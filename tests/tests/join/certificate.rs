//! The certificate of a node from the double, for each version of cloudcore and each way in which it fails; what is sent is
//! compared with what real edgecores send.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use edge_host::{Error, now};
use edge_hub::Address;
use edge_join::certificate::{Issued, accepts, new_key, request_with, served};
use edge_join::facts::cloud;
use edge_join::request::Cloud;
use edge_kubeedge::Minor;
use edge_kubeedge::token::Token;
use edge_pki::subject;
use edgeutils_tests::cloudcore::{Authority, Cloudcore, Settings, edgecore};
use edgeutils_tests::tool::Ran;

use crate::authority;

fn ports(double: &Cloudcore) -> Cloud {
    let at = |port| Address::parse("--cloudcore", "127.0.0.1", port).unwrap();
    Cloud { https: at(double.https), hub: at(double.hub), tunnel: at(double.tunnel) }
}

fn join(double: &Cloudcore, token: &str, version: u16) -> Result<Issued, Error> {
    let (cloud, token) = (ports(double), Token::parse(token).unwrap());
    let found = cloud::read(&cloud, now);
    let (ca, _) = served(&cloud, &found)?;
    accepts(&cloud, &ca, &token, found.ahead, "edge1", now())?;
    Ok(request_with(new_key()?, &cloud, &ca, &token, "edge1", Minor::new(version), now())?)
}

#[test]
fn certificate_is_issued_by_each_version_and_requested_as_edgecore_does() {
    let Some(ca) = authority("certificate_is_issued") else { return };
    let token = ca.token();
    for (version, minor) in [("1.8", 8), ("1.18", 18), ("1.20", 20), ("1.23", 23)] {
        let double = Cloudcore::start(&ca, &Settings { version, ..Settings::default() });
        let issued = join(&double, &token, minor).unwrap();
        let name = if minor < 16 { "O=kubeEdge, CN=kubeedge.io" } else { "O=system:nodes, CN=system:node:edge1" };
        assert_eq!(subject::shown(&issued.certificate.subject), name);
        assert!(issued.certificate.matches_key(&issued.key));
        assert!(issued.key_pem().unwrap().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
        assert_eq!(issued.ca_pem(), std::fs::read_to_string(ca.at("ca.crt")).unwrap());
        let requests = double.requests();
        // Recorded from edgecore 1.18.3 and 1.23.1, whose requests are the same.
        let host = format!("Host: 127.0.0.1:{}\r\nUser-Agent: Go-http-client/1.1", double.https);
        assert_eq!(requests[0].head, format!("GET /ca.crt HTTP/1.1\r\n{host}\r\nAccept-Encoding: gzip"));
        let (length, jwt) = (length_of_base64(&requests[2].body), token.split_once('.').unwrap().1);
        let want = format!(
            "GET /edge.crt HTTP/1.1\r\n{host}\r\nContent-Length: {length}\r\nAuthorization: Bearer {jwt}\r\nNodename: edge1\r\nAccept-Encoding: gzip"
        );
        assert_eq!(requests[2].head, want);
        // edgecore's has 294 bytes with this name; each number of a signature has a byte more or less.
        assert!(minor < 16 || (285..=297).contains(&length), "{length}");
        assert_eq!(requests.len(), 3);
    }
}

fn length_of_base64(text: &str) -> usize {
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count()
}

#[test]
fn certificate_that_is_refused_or_wrong_is_a_cause_without_the_token() {
    let Some(ca) = authority("certificate_that_is_refused") else { return };
    let other = Authority::new("127.0.0.1").unwrap();
    let expired = ca.token_for(-5);
    // Of the right CA, but signed with another key: cloudcore was installed again with the same CA certificate.
    let hash = ca.token().split('.').next().unwrap().to_owned();
    let forged = format!("{hash}.{}", other.token().split_once('.').unwrap().1);
    for (version, mode, token, want) in [
        ("1.8", "", &forged, "refuses the token: it has expired, or is of another cloudcore"),
        ("1.18", "", &forged, "it is signed by another CA key"),
        ("1.23", "", &forged, "it is signed by another CA key"),
        ("1.8", "sign-fails", &ca.token(), "cloudcore's answer is empty"),
        ("1.18", "sign-fails", &ca.token(), "cloudcore failed: failed to sign certs for edgenode edge1"),
        ("1.23", "empty", &ca.token(), "cloudcore's answer is empty"),
        ("1.23", "garbage", &ca.token(), "something that is not a certificate"),
        ("1.23", "other-key", &ca.token(), "it is for another private key"),
        ("1.23", "other-issuer", &ca.token(), "it is not signed by the CA of cloudcore"),
        ("1.23", "other-ca", &ca.token(), "the token is of another cloudcore"),
        ("1.23", "other-server", &ca.token(), "its certificate is not from this CA"),
        ("1.23", "", &expired, "it expired on"),
        ("1.23", "html", &ca.token(), "a page for browsers"),
        ("1.23", "redirect", &ca.token(), "a redirect"),
    ] {
        let double = Cloudcore::start(&ca, &Settings { version, mode, other: Some(&other), ..Settings::default() });
        let error = join(&double, token, version.trim_start_matches("1.").parse().unwrap()).unwrap_err();
        let said = format!("{error} {:?}", error.hint_text());
        assert!(said.contains(want) && error.hint_text().is_some(), "{version} {mode}: {said}");
        assert!(token.split('.').skip(1).all(|part| !said.contains(part)), "{said}");
        let sent: Vec<String> = double.requests().into_iter().map(|one| one.head).collect();
        // Only a server that is proven to be the token's own gets the token.
        let may_get_token = !["other-ca", "other-server", "html", "redirect"].contains(&mode) && *token != expired;
        assert_eq!(sent.iter().any(|head| head.contains("Bearer")), may_get_token, "{version} {mode}: {sent:?}");
    }
}

#[test]
fn edgecore_connects_with_the_pair_and_is_seen() {
    let Some(ca) = authority("edgecore_connects") else { return };
    let program = match edgecore("amd64", "1.23.1") {
        Ok(program) => program,
        Err(why) => return edgeutils_tests::skip("edgecore_connects", &why),
    };
    let version = edge_kubeedge::program::from_elf(&mut std::fs::File::open(&program).unwrap()).unwrap().unwrap();
    assert_eq!(version.text, "v1.23.1");
    let double = Cloudcore::start(&ca, &Settings::default());
    let issued = join(&double, &ca.token(), 23).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("ca.crt"), issued.ca_pem()).unwrap();
    std::fs::write(at("server.crt"), issued.certificate_pem()).unwrap();
    std::fs::write(at("server.key"), issued.key_pem().unwrap()).unwrap();
    let files = ["tlsCaFile", "tlsCertFile", "tlsPrivateKeyFile"].iter().zip(["ca.crt", "server.crt", "server.key"]);
    let files: String = files.map(|(key, name)| format!("    {key}: {}\n", at(name).display())).collect();
    let config = format!(
        "modules:\n  edgeHub:\n{files}    websocket:\n      server: 127.0.0.1:{}\n  edged:\n    hostnameOverride: edge1\n",
        double.hub
    );
    std::fs::write(at("edgecore.yaml"), config).unwrap();
    let root = edge_host::Root::live().unwrap();
    let hub = BTreeSet::from([SocketAddr::from(([127, 0, 0, 1], double.hub))]);
    let connection = |pid| edge_join::joined::connection(&root, &hub, pid).unwrap();
    assert_eq!(connection(std::process::id()), edge_join::joined::Connection::None);
    let registered = |ca: &edge_pki::cert::Certificate| {
        cloud::node(&ports(&double), ca, None, "edge1", now()).unwrap().answer.status
    };
    assert_eq!(registered(&issued.ca), 404);
    let mut child = std::process::Command::new(program).arg("--config").arg(at("edgecore.yaml")).spawn().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let pid = child.id();
    while !matches!(connection(pid), edge_join::joined::Connection::OfEdgecore(_)) || registered(&issued.ca) != 200 {
        assert!(std::time::Instant::now() < until, "{:?}", connection(pid));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // To any other process it is another program's.
    assert!(matches!(connection(pid + 1), edge_join::joined::Connection::OfOther(_)));
    child.kill().unwrap();
    let _ = Ran::of(&child.wait_with_output().unwrap());
}
