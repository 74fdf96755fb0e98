//! A repository's key: whether it is the expected one, valid, and readable by apt.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};

use crate::openpgp::{self, Certificate, Fingerprint, Form, SelfSignature};
use crate::version::Version;

/// The directory of keys that are trusted only for the sources that name them.
pub(crate) const KEYRINGS: &str = "/etc/apt/keyrings";
/// A key that expires sooner causes a warning.
const SOON: u64 = 60 * DAY;
const DAY: u64 = 24 * 3600;
/// Since this version apt verifies with sqv, which does not accept SHA-1.
const SQV_SINCE: &str = "2.9.19";

/// A key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its bytes, written unchanged.
    pub bytes: Vec<u8>,
    /// Armored or not: determines the extension of its name.
    pub form: Form,
    /// The certificates in it.
    pub certificates: Vec<Certificate>,
}

impl KeyFile {
    /// Parses it; `from` is its origin, for messages.
    pub fn parse(bytes: Vec<u8>, from: &str) -> Result<KeyFile> {
        let (form, certificates) = openpgp::parse(&bytes).map_err(|cause| {
            Error::failed(format!("cannot use the key of {from}: {cause}"))
                .hint("pass the public key of the repository, as written by gpg --export, with or without --armor")
        })?;
        Ok(KeyFile { bytes, form, certificates })
    }

    /// Where it is put: `/etc/apt/keyrings/NAME.asc` or `.gpg`, by its content.
    pub fn path(&self, name: &str) -> PathBuf {
        path(name, self.form)
    }

    /// Refuses (exit 4) a key that is not one of `known`, was revoked, or has expired at `now` (seconds since 1970).
    /// Returns warnings.
    pub fn check(&self, known: &[Fingerprint], now: u64, apt: Option<&Version>, from: &str) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for certificate in &self.certificates {
            let print = &certificate.fingerprint;
            if !known.contains(print) {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                return Err(Error::refused(format!(
                    "cannot use the key of {from}: its fingerprint is {print}, expected {}",
                    known.join(" or ")
                ))
                .hint(
                    "ask the owner of the repository whether the key has changed, and pass a new key with its fingerprint",
                ));
            }
            let refuse = |what: &str, hint: &str| {
                Err(Error::refused(format!("cannot use the key {print} of {from}: {what}")).hint(hint))
            };
            if certificate.revoked {
                return refuse("its owner revoked it", "get the new key of the repository and its fingerprint");
            }
            match certificate.expires {
                Some(end) if end <= now => {
                    return refuse(
                        &format!("it expired on {}, and the system clock is at {}", day(end), day(now)),
                        "download the key again, as it may have been extended under the same fingerprint; or set the clock if it is wrong",
                    );
                }
                Some(end) if end - now < SOON => {
                    let left = (end - now) / DAY;
                    warnings.push(format!(
                        "the key of {from} expires on {}, in {left} days: after that apt refuses the repository until the key is replaced",
                        day(end)
                    ));
                }
                _ => {}
            }
            match certificate.self_signature {
                SelfSignature::Sound => {}
                SelfSignature::Missing => {
                    return refuse("it has no self-signature", "export the complete key: gpg --export --armor FINGERPRINT");
                }
                SelfSignature::Sha1 if uses_sqv(apt) => warnings.push(format!(
                    "the self-signature of the key of {from} uses SHA-1, which this host's apt does not accept since February 2026: its owner must sign it again"
                )),
                SelfSignature::Sha1 => {}
            }
        }
        Ok(warnings)
    }
}

/// The name of a key file of this form.
pub(crate) fn path(name: &str, form: Form) -> PathBuf {
    Path::new(KEYRINGS).join(format!("{name}.{}", form.extension()))
}

fn uses_sqv(apt: Option<&Version>) -> bool {
    let since = Version::parse(SQV_SINCE).ok();
    apt.zip(since.as_ref()).is_some_and(|(apt, since)| apt >= since)
}

/// The day of a time in seconds since 1970, such as 2027-04-22 (UTC).
pub(crate) fn day(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds));
    let text = time.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}
