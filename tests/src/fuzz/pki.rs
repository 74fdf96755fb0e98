//! Certificates and private keys from files and from the network.

use edge_pki::cert::{Certificate, bundle_from_pem, each_from_pem};
use edge_pki::encoding::{blocks, encode, skipped, without_keys};
use edge_pki::issue::{Contents, authority};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::names::{host, shown};
use edge_pki::sign::Signer;
use edge_pki::{chain, csr, subject};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "pki",
    check,
    read,
    seeds: || {
        let mut all = Vec::new();
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
            let key = PrivateKey::generate(algorithm).expect("the system has random numbers");
            let signer = Signer::new(&key).expect("it was made now");
            let contents = Contents {
                subject: subject::parse("/O=KubeEdge/CN=a").expect("it is valid"),
                names: vec![host("--dns", "a.example").expect("it is valid")],
                usages: vec!["serverAuth".to_owned()],
                now: 1_800_000_000,
                days: 10,
            };
            let info = key.public_key_info().expect("it has one");
            let pem = authority(&contents, &info, &signer).expect("it can be made");
            let key = key.to_pem().expect("it can be encoded");
            all.extend([pem.clone().into_bytes(), key.clone().into_bytes(), format!("{pem}{key}{pem}").into_bytes()]);
            all.extend(blocks(pem.as_bytes()).into_iter().flatten().map(|block| block.der));
        }
        all
    },
    tokens: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----\n",
        "-----BEGIN EC PARAMETERS-----\n",
        "Proc-Type: 4,ENCRYPTED\n",
        "\n",
        "\r\n",
        " ",
        "=",
        "AAAA",
        "0",
        "\u{1}\u{1}",
        "\u{0}",
    ],
    growing: &[
        ("", "-----BEGIN CERTIFICATE-----\n", ""),
        ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""),
        ("-----BEGIN PRIVATE KEY-----\n", "AAAA\n", "-----END PRIVATE KEY-----\n"),
        ("-----BEGIN CERTIFICATE-----\n", "a{}: b\n", "\nAAAA\n-----END CERTIFICATE-----\n"),
        ("", "\n-----END ", ""),
        ("", "x{}", ""),
    ],
};

fn read(data: &[u8]) {
    let _ = (bundle_from_pem(data), PrivateKey::from_pem(data), Certificate::from_der(data), skipped(data));
}

fn check(data: &[u8]) {
    read(data);
    if let (Ok(public), Ok(each)) = (without_keys(data), each_from_pem(data)) {
        assert_eq!(each_from_pem(&public).map(|each| each.len()), Ok(each.len()), "every certificate is left");
    }
    let certificates: Vec<Certificate> = each_from_pem(data).into_iter().flatten().flatten().collect();
    for certificate in certificates.iter().chain(&Certificate::from_der(data).ok()).take(8) {
        let pem = encode("CERTIFICATE", &certificate.der);
        let again = Certificate::from_pem(pem.as_bytes()).expect("it was read before");
        assert_eq!(again.fingerprint(), certificate.fingerprint());
        assert_eq!(certificate.public_key_hash().len(), 64);
        assert!(certificate.names.iter().all(|name| certificate.is_valid_for(name)), "{}", shown(&certificate.names));
        let found = chain::find(certificate, &certificates, std::slice::from_ref(certificate), 0);
        assert!(found.is_some_and(|chain| chain.issuers.is_empty()), "an anchor is its own");
    }
    let Ok(key) = PrivateKey::from_pem(data) else { return };
    let Ok(pem) = key.to_pem() else { return };
    let again = PrivateKey::from_pem(pem.as_bytes()).expect("it was written now");
    assert_eq!((again.algorithm, again.form), (key.algorithm, key.usual_form()));
    if let Ok(request) = csr::make(&subject::of_node("a").expect("it is valid"), &key) {
        assert!(!request.is_empty());
    }
}
