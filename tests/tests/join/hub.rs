//! edge-hub against the double: client certificates at the hub and the tunnel, and what a refused one is called.

use std::time::Duration;

use edge_host::now;
use edge_hub::{
    Address, Deadline, Failure, Identity, Request, Tls, Trust, certificates, exchange, exchange_plain, look, reach,
};
use edge_pki::cert::Certificate;
use edge_pki::key::PrivateKey;
use edgeutils_tests::cloudcore::{Authority, Cloudcore, Settings};

use crate::authority;

const LIMIT: usize = 4096;

fn within() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}

fn at(port: u16) -> Address {
    Address::parse("--cloudcore", "127.0.0.1", port).unwrap()
}

/// A pair that openssl has issued.
fn identity(ca: &Authority, name: &str) -> Identity {
    let at = |end: &str| ca.path().join(format!("{name}.{end}"));
    let key = PrivateKey::from_pem(&std::fs::read(at("key")).unwrap()).unwrap();
    Identity::from_pem(&std::fs::read(at("crt")).unwrap(), &key).unwrap()
}

/// Issues a pair for a client with openssl: NAME.crt and NAME.key.
fn client(ca: &Authority, name: &str, days: &str) {
    let at = |end: &str| ca.path().join(format!("{name}.{end}")).display().to_string();
    let (crt, key, csr) = (at("crt"), at("key"), at("csr"));
    let (ca_crt, ca_key) = (ca.at("ca.crt").display().to_string(), ca.at("ca.key").display().to_string());
    edgeutils_tests::pki::shell(&format!(
        "openssl ecparam -name prime256v1 -genkey -noout -out {key} && \
         openssl req -new -key {key} -subj /O=system:nodes/CN=system:node:{name} -out {csr} && \
         openssl x509 -req -in {csr} -CA {ca_crt} -CAkey {ca_key} -CAcreateserial {days} -out {crt} 2>/dev/null"
    ));
}

#[test]
fn hub_and_tunnel_accept_the_pair_of_a_node_alone() {
    let Some(ca) = authority("hub_and_tunnel_accept") else { return };
    let other = Authority::new("127.0.0.1").unwrap();
    let double = Cloudcore::start(&ca, &Settings::default());
    client(&ca, "edge1", "-days 1");
    client(&other, "edge1", "-days 1");
    let root = Certificate::from_pem(&std::fs::read(ca.at("ca.crt")).unwrap()).unwrap();
    let trust = Trust::Ca { ca: &root, now: now() };
    let (own, foreign) = (identity(&ca, "edge1"), identity(&other, "edge1"));
    for port in [double.hub, double.tunnel] {
        let ask = |identity| exchange(&at(port), Tls { trust, identity }, &Request::get("/"), LIMIT, within());
        let accepted = ask(Some(&own)).unwrap();
        assert!(accepted.answer.status == 404 && accepted.peer.verifies_clients);
        assert!(accepted.peer.certificate().unwrap().signed_by(&root) == edge_pki::sign::Signed::Yes);
        assert!(matches!(ask(None), Err(Failure::CertificateRequired)));
        let refused = ask(Some(&foreign)).unwrap_err();
        assert!(matches!(refused, Failure::CertificateRefused(_)), "{refused:?}");
        // In TLS 1.3 the handshake itself succeeds.
        assert!(look(&at(port), Tls { trust, identity: None }, within()).unwrap().verifies_clients);
    }
    let https = look(&at(double.https), Tls { trust, identity: Some(&own) }, within()).unwrap();
    assert!(!https.verifies_clients);
    let wrong = Certificate::from_pem(&std::fs::read(other.at("ca.crt")).unwrap()).unwrap();
    let trust = Trust::Ca { ca: &wrong, now: now() };
    let distrusted = look(&at(double.https), Tls { trust, identity: None }, within()).unwrap_err();
    assert!(matches!(&distrusted, Failure::Distrusted(why) if why.certificate().is_some()), "{distrusted:?}");
    assert_eq!(certificates(&at(double.https), within()).unwrap().certificates.len(), 1);
}

#[test]
fn port_without_tls_is_asked_in_the_same_words() {
    let Some(ca) = authority("port_without_tls") else { return };
    let double = Cloudcore::start(&ca, &Settings { mode: "plain", ..Settings::default() });
    let to = at(double.https);
    let answer = exchange_plain(&to, &Request::get("/node/absent"), LIMIT, within()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (404, "Node not found"));
    assert!(answer.date().is_some_and(|date| (date - now()).abs() < 10));
    assert!(matches!(look(&to, Tls::UNVERIFIED, within()), Err(Failure::NotTls)));
    assert!(reach(&to, within()).is_ok());
    drop(double);
    assert!(matches!(reach(&to, within()), Err(Failure::Refused)));
    assert!(matches!(exchange_plain(&to, &Request::get("/"), LIMIT, within()), Err(Failure::Refused)));
}
