//! Whether a server is accepted: by exactly one CA and the name of the host, as Go's TLS client decides. Pure.

use edge_pki::cert::Certificate;
use edge_pki::chain::{self, Problem};
use edge_pki::names::Name;
use edge_pki::{subject, times};

use crate::failure::Distrust;

const FOR_SERVERS: &str = "serverAuth";

/// Checks the certificates that a server sent, its own first. The name is checked last, so that a server with a wrong name
/// is known to be of this CA.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn verify(sent: &[Vec<u8>], ca: &Certificate, host: &Name, now: i64) -> Result<(), Box<Distrust>> {
    let read = |der: &Vec<u8>| Certificate::from_der(der).map_err(|why| Box::new(Distrust::Damaged(why)));
    let (own, others) =
        sent.split_first().ok_or_else(|| Box::new(Distrust::Damaged("it has no certificate".to_owned())))?;
    let own = read(own)?;
    // Go ignores what it cannot read only in its own bundle.
    let others = others.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let anchors = std::slice::from_ref(ca);
    let Some(found) = chain::find(&own, &others, anchors, now).filter(|chain| chain.is_checked) else {
        return Err(Box::new(Distrust::OtherCa(own)));
    };
    if now > own.not_after {
        return Err(Box::new(Distrust::Expired(own)));
    }
    if now < own.not_before {
        return Err(Box::new(Distrust::NotYetValid(own)));
    }
    if let Some(why) = found.problem(now).map(in_words) {
        return Err(Box::new(Distrust::Authority(own, why)));
    }
    if !own.is_for(FOR_SERVERS) {
        return Err(Box::new(Distrust::NotForServers(own)));
    }
    if !own.is_valid_for(host) {
        return Err(Box::new(Distrust::WrongName { host: host.clone(), certificate: own }));
    }
    Ok(())
}

fn in_words(problem: Problem<'_>) -> String {
    match problem {
        Problem::Expired(ca) => {
            format!("its CA, {}, expired on {}", subject::shown(&ca.subject), times::rfc3339(ca.not_after))
        }
        Problem::NotYetValid(ca) => {
            format!("its CA, {}, is valid only from {}", subject::shown(&ca.subject), times::rfc3339(ca.not_before))
        }
        Problem::NotCa(ca) => format!("its issuer, {}, is not a CA", subject::shown(&ca.subject)),
    }
}

#[cfg(test)]
mod tests {
    use edge_pki::encoding::blocks;
    use edge_pki::issue::{self, Contents};
    use edge_pki::key::{Algorithm, PrivateKey};
    use edge_pki::sign::Signer;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key() -> PrivateKey {
        PrivateKey::generate(Algorithm::EcdsaP256).unwrap()
    }

    fn der(pem: &str) -> Vec<u8> {
        blocks(pem.as_bytes()).unwrap().remove(0).der
    }

    fn contents(names: &[Name], usages: &[&str], days: u32) -> Contents {
        let usages = usages.iter().map(|usage| (*usage).to_owned()).collect();
        Contents { subject: subject::parse("/CN=x").unwrap(), names: names.to_vec(), usages, now: NOW, days }
    }

    fn authority(key: &PrivateKey) -> Certificate {
        let made =
            issue::authority(&contents(&[], &[], 3650), &key.public_key_info().unwrap(), &Signer::new(key).unwrap());
        Certificate::from_der(&der(&made.unwrap())).unwrap()
    }

    #[test]
    fn verify_names_the_first_thing_that_is_wrong() {
        let host = Name::Ip("192.0.2.1".parse().unwrap());
        let (ca_key, other_key, server) = (key(), key(), key());
        let (ca, other) = (authority(&ca_key), authority(&other_key));
        let made = |by: &PrivateKey, of: &Certificate, names: &[Name], usages: &[&str]| {
            let signer = Signer::new(by).unwrap();
            issue::leaf(&contents(names, usages, 365), &server.public_key_info().unwrap(), of, &signer).unwrap()
        };
        let of = |pem: &str, now: i64| {
            let verdict = verify(&[der(pem)], &ca, &host, now);
            verdict.map_err(|why| format!("{why:?}").split(['(', ' ']).next().unwrap().to_owned())
        };
        let names = std::slice::from_ref(&host);
        let own = made(&ca_key, &ca, names, &["serverAuth"]);
        assert_eq!(of(&own, NOW), Ok(()));
        assert_eq!(of(&made(&ca_key, &ca, names, &[]), NOW), Ok(()));
        for (pem, now, want) in [
            // Both CAs have the same subject, so that only the signature tells them apart.
            (made(&other_key, &other, names, &[]), NOW, "OtherCa"),
            (own.clone(), NOW + 400 * times::DAY, "Expired"),
            (own, NOW - 1000, "NotYetValid"),
            (made(&ca_key, &ca, names, &["clientAuth"]), NOW, "NotForServers"),
            (made(&ca_key, &ca, &[Name::Dns("a.example".into())], &[]), NOW, "WrongName"),
            (made(&ca_key, &ca, &[], &[]), NOW, "WrongName"),
        ] {
            assert_eq!(of(&pem, now), Err(want.to_owned()));
        }
        // The CA itself as the certificate of the server.
        let as_server = verify(std::slice::from_ref(&ca.der), &ca, &host, NOW);
        assert!(matches!(as_server.as_ref().map_err(AsRef::as_ref), Err(Distrust::WrongName { .. })), "{as_server:?}");
        assert!(verify(&[], &ca, &host, NOW).is_err_and(|why| matches!(*why, Distrust::Damaged(_))));
        assert!(verify(&[vec![0; 9]], &ca, &host, NOW).is_err_and(|why| matches!(*why, Distrust::Damaged(_))));
    }
}
