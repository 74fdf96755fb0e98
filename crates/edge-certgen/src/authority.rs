//! Whether a CA can sign a certificate: each reason why not is an error before anything is written.

use edge_host::{Error, Host, Result, ResultExt};

use crate::cert::{Authority, Certificate};
use crate::facts::{Source, belongs};
use crate::key::PrivateKey;
use crate::sign::Signer;
use crate::times;

/// A CA that can sign.
pub struct Ready {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key.
    pub signer: Signer,
}

/// Reads the CA's key and looks at both halves.
///
/// `not_after` is the last second of what it shall sign.
///
/// Errors: exit 1 with the one reason why it cannot.
pub fn ready(host: &Host, source: &Source, now: i64, not_after: i64) -> Result<Ready> {
    usable(&source.certificate, &source.shown, now, not_after)?;
    let (key, shown) = source.key(host)?;
    let signer = signer(&source.certificate, &source.shown, &key, &shown)?;
    Ok(Ready { certificate: source.certificate.clone(), signer })
}

/// Whether the certificate may sign now what lasts until `not_after`.
pub fn usable(certificate: &Certificate, shown: &str, now: i64, not_after: i64) -> Result<()> {
    let cannot = |why: String| Error::cannot("sign with", shown, why);
    match certificate.authority {
        Authority::Yes => {}
        Authority::No => {
            return Err(cannot("it is no CA, and clients would refuse what it signs".to_owned())
                .hint("name the certificate of the CA itself with --ca"));
        }
        Authority::NotForCertificates => {
            return Err(cannot("its keyUsage does not let it sign certificates".to_owned()));
        }
    }
    if now < certificate.not_before {
        let from = times::date(certificate.not_before);
        return Err(cannot(format!("it is not valid before {from}, and the clock says {}", times::date(now)))
            .hint("set the clock, if that is what is wrong"));
    }
    if now > certificate.not_after {
        return Err(cannot(format!("it ended on {}", times::date(certificate.not_after)))
            .hint("renew the CA first; what it signs now would be refused"));
    }
    if certificate.not_after < not_after {
        let left = certificate.days_left(now);
        let end = times::date(certificate.not_after);
        let error = cannot(format!("it ends on {end}, before the new certificate would ({})", times::date(not_after)));
        return Err(if left > 0 { error.hint(format!("--days {left} is the most that it can sign")) } else { error });
    }
    Ok(())
}

fn signer(certificate: &Certificate, certificate_shown: &str, key: &PrivateKey, shown: &str) -> Result<Signer> {
    if !belongs(certificate, key) {
        return Err(Error::failed(format!("cannot sign with {shown}: it is not the key of {certificate_shown}"))
            .hint("--ca and --ca-key must be of one CA"));
    }
    Signer::new(key).on("sign with", shown)
}
