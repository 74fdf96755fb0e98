//! A repository's key: the one that is expected, not at its end, and as apt can read it.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};

use crate::openpgp::{self, Certificate, Fingerprint, Form, SelfSignature};
use crate::version::Version;

/// Where keys stand that are trusted for the sources that name them, and for no other.
pub(crate) const KEYRINGS: &str = "/etc/apt/keyrings";
/// A key that ends sooner is warned of.
const SOON: u64 = 60 * DAY;
const DAY: u64 = 24 * 3600;
/// From this apt on sqv verifies, which takes no SHA-1.
const SQV_SINCE: &str = "2.9.19";

/// A key file as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its bytes, written as they are.
    pub bytes: Vec<u8>,
    /// Armoured or not: that is the extension of its name.
    pub form: Form,
    /// What it holds.
    pub certificates: Vec<Certificate>,
}

impl KeyFile {
    /// Reads it; `from` is where it came from, for messages.
    pub fn parse(bytes: Vec<u8>, from: &str) -> Result<KeyFile> {
        let (form, certificates) = openpgp::parse(&bytes).map_err(|cause| {
            Error::failed(format!("cannot use the key of {from}: {cause}"))
                .hint("it is the repository's public key, as `gpg --export` writes it, with --armor or without")
        })?;
        Ok(KeyFile { bytes, form, certificates })
    }

    /// Where it is put: `/etc/apt/keyrings/NAME.asc` or `.gpg`, by its content.
    pub fn path(&self, name: &str) -> PathBuf {
        path(name, self.form)
    }

    /// Refuses (exit 4) a key that is not one of `known`, was revoked, or has ended at `now` (seconds
    /// since 1970). Returns what is to be warned of.
    pub fn check(&self, known: &[Fingerprint], now: u64, apt: Option<&Version>, from: &str) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for certificate in &self.certificates {
            let print = &certificate.fingerprint;
            if !known.contains(print) {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                return Err(Error::refused(format!(
                    "cannot use the key of {from}: its fingerprint is {print}, expected is {}",
                    known.join(" or ")
                ))
                .hint(
                    "ask the repository's owner whether the key has changed; a new one is given with its fingerprint",
                ));
            }
            let refuse = |what: &str, hint: &str| {
                Err(Error::refused(format!("cannot use the key {print} of {from}: {what}")).hint(hint))
            };
            if certificate.revoked {
                return refuse("its owner revoked it", "get the repository's new key and its fingerprint");
            }
            match certificate.expires {
                Some(end) if end <= now => {
                    return refuse(
                        &format!("it expired on {} and this host's clock says {}", day(end), day(now)),
                        "get the key again: owners prolong it under the same fingerprint; or set the clock if it is wrong",
                    );
                }
                Some(end) if end - now < SOON => {
                    let left = (end - now) / DAY;
                    warnings.push(format!(
                        "the key of {from} expires on {}, in {left} days: from then on apt refuses the repository until the key is got again",
                        day(end)
                    ));
                }
                _ => {}
            }
            match certificate.self_signature {
                SelfSignature::Sound => {}
                SelfSignature::Missing => {
                    return refuse("it has no signature of its own", "get the whole key: gpg --export --armor FINGERPRINT");
                }
                SelfSignature::Sha1 if uses_sqv(apt) => warnings.push(format!(
                    "the key of {from} vouches for itself with SHA-1, which this host's apt does not take since February 2026: its owner must sign it anew"
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
