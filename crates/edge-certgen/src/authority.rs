//! Checks whether a CA can sign a certificate, before anything is written.

use edge_host::{Error, Host, Result};
use edge_pki::cert::{Authority, Certificate};
use edge_pki::sign::Signer;
use edge_pki::times;

use crate::facts::Source;

/// A CA that is ready to sign.
pub struct Ready {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its private key.
    pub signer: Signer,
}

/// Reads the CA's private key and checks the key pair.
///
/// `not_after` is the end of the certificate that it is to sign, in seconds since 1970.
///
/// Errors: exit 1 with the reason why it cannot sign.
pub fn ready(host: &Host, source: &Source, now: i64, not_after: i64) -> Result<Ready> {
    let usable = |certificate: &Certificate| usable(certificate, &source.shown, now, not_after);
    if let [only] = source.certificates.as_slice() {
        usable(only)?;
    }
    let (key, shown) = source.key(host)?;
    // A renewed CA may have the key of the old one: then the one that can sign is meant.
    let mut not_usable = None;
    for certificate in &source.certificates {
        let key = key.clone().with_public_of(certificate.algorithm, certificate.point());
        if !certificate.matches_key(&key) {
            continue;
        }
        match (usable(certificate), Signer::new(&key)) {
            (Ok(()), Ok(signer)) => return Ok(Ready { certificate: certificate.clone(), signer }),
            (Err(error), _) => not_usable = Some(error),
            (Ok(()), Err(why)) => not_usable = not_usable.or_else(|| Some(Error::cannot("sign with", &shown, why))),
        }
    }
    let any = if source.certificates.len() > 1 { "a certificate in " } else { "" };
    Err(not_usable.unwrap_or_else(|| {
        Error::failed(format!("cannot sign with {shown}: it is not the private key of {any}{}", source.shown))
            .hint("pass the certificate and the private key of one CA with --ca and --ca-key")
    }))
}

/// Whether the CA certificate may sign, now, a certificate that is valid until `not_after`.
pub fn usable(certificate: &Certificate, shown: &str, now: i64, not_after: i64) -> Result<()> {
    let cannot = |why: String| Error::cannot("sign with", shown, why);
    match certificate.authority {
        Authority::Yes => {}
        Authority::No => {
            return Err(cannot("it is not a CA certificate, so clients would reject what it signs".to_owned())
                .hint("pass the certificate of the CA itself: --ca FILE"));
        }
        Authority::NotForCertificates => {
            return Err(cannot("its keyUsage does not allow signing certificates".to_owned()));
        }
    }
    if now < certificate.not_before {
        let from = times::date(certificate.not_before);
        return Err(cannot(format!("it is not valid before {from}, and the system clock is at {}", times::date(now)))
            .hint("if the clock is wrong, set it: timedatectl set-ntp true"));
    }
    if now > certificate.not_after {
        return Err(cannot(format!("it expired on {}", times::date(certificate.not_after)))
            .hint("renew the CA first: clients reject what an expired CA has signed"));
    }
    if certificate.not_after < not_after {
        let left = certificate.days_left(now);
        let end = times::date(certificate.not_after);
        let error =
            cannot(format!("it expires on {end}, before the new certificate would ({})", times::date(not_after)));
        return Err(if left > 0 { error.hint(format!("use --days {left} or less")) } else { error });
    }
    Ok(())
}
