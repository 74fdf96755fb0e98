//! What is wrong with a pair: pure, from what was read to findings.

use edge_host::{FileSnapshot, Finding, State};

use crate::cert::{Authority, Certificate};
use crate::facts::{Pair, Read, belongs};
use crate::key::{Algorithm, Form, Place, PrivateKey};
use crate::kind::{Kind, Loads, Reads};
use crate::names::{self, Name};
use crate::plan::TOO_OPEN;
use crate::sign::Signed;
use crate::{encoding, subject, times};

/// A pair with what it must be.
#[derive(Debug)]
pub struct PairCheck<'a> {
    /// What was found.
    pub pair: &'a Pair,
    /// For what.
    pub kind: &'a Kind,
    /// What its program takes as a key.
    pub loads: Loads,
    /// The certificate's path for people.
    pub certificate_file: String,
    /// The key's.
    pub key_file: String,
    /// The names it must have.
    pub names: &'a [Name],
    /// So few days left are a fault; [`times::renew_before`] where it is not said.
    pub renew_before: Option<u32>,
    /// The clock.
    pub now: i64,
}

/// Who must have signed it.
#[derive(Debug)]
pub enum Chain {
    /// It is its own CA.
    Itself,
    /// The CA in this file.
    Signed {
        /// Its path for people.
        file: String,
        /// What was found there.
        read: Box<Read<Certificate>>,
        /// Whether a private key stands there too, for everybody to read.
        bares_key: bool,
    },
}

fn fault(file: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { hint, ..Finding::error(file, text) }
}

fn warning(file: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { hint, ..Finding::warning(file, text) }
}

impl PairCheck<'_> {
    /// How many days left are too few for a certificate.
    fn soon(&self, certificate: &Certificate) -> i64 {
        let days = times::days_left(certificate.not_before, certificate.not_after);
        i64::from(self.renew_before.unwrap_or_else(|| times::renew_before(days)))
    }

    fn again(&self) -> Option<String> {
        Some(match self.kind {
            Kind::Other(name) => format!("edge-certgen genCertAndKey {name}"),
            Kind::Ca => "edge-certgen ca".to_owned(),
            other => format!("edge-certgen {}", other.stem()),
        })
    }
}

/// The pair by itself: both halves, whether they belong together, time, names, key form, modes.
pub fn pair(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    let (certificate_file, key_file) = (check.certificate_file.as_str(), check.key_file.as_str());
    match &check.pair.certificate {
        Read::Absent => findings.push(fault(certificate_file, "it is not there", check.again())),
        Read::Bad(why) => findings.push(fault(certificate_file, why, check.again())),
        Read::Good(certificate) => certificate_findings(check, certificate, findings),
    }
    match &check.pair.key {
        Read::Absent => findings.push(fault(key_file, "it is not there", check.again())),
        Read::Bad(why) => {
            let hint = Some("edge-certgen … --new-key makes another one".to_owned());
            findings.push(fault(key_file, format!("{why}, and cloudcore would not start with it"), hint));
        }
        Read::Good(key) => key_findings(check, key, findings),
    }
    if check.pair.is_half_renewed() {
        let text = "a renewal was interrupted: the new key is there, its certificate is not";
        findings.push(fault(certificate_file, text, check.again().map(|call| format!("{call} completes it"))));
    } else if check.pair.matches() == Some(false) {
        let text = format!("it is not for the key {key_file}: cloudcore would not start with it");
        findings.push(fault(certificate_file, text, check.again()));
    }
    modes(check, findings);
}

fn certificate_findings(check: &PairCheck<'_>, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let file = check.certificate_file.as_str();
    let (now, left) = (check.now, certificate.days_left(check.now));
    if now < certificate.not_before {
        let text = format!(
            "it is not valid before {}, and the clock says {}",
            times::date(certificate.not_before),
            times::date(now)
        );
        findings.push(fault(file, text, Some("set the clock, if that is what is wrong".to_owned())));
    } else if now > certificate.not_after {
        findings.push(fault(file, format!("it ended on {}", times::date(certificate.not_after)), check.again()));
    } else if left <= check.soon(certificate) {
        findings.push(fault(file, format!("it has {} left", times::days(left)), check.again()));
    }
    let bytes = &check.pair.certificate_found.bytes;
    if check.loads.reads == Reads::FirstBlock && !encoding::begins_with_certificate(bytes) {
        let text =
            "something stands before the certificate, and cloudcore reads the first block only: it would not start";
        findings.push(fault(file, text, check.again().map(|call| format!("{call} --force"))));
    }
    let missing = names::uncovered(check.names, &certificate.names);
    if !missing.is_empty() {
        // A call without names makes one for those that are there.
        let kept = certificate.names.iter().filter(|name| !is_loopback(name));
        let all = names::options(&names::collect(kept.chain(&missing).cloned()));
        let hint = check.again().map(|call| format!("{call} {all}"));
        findings.push(fault(file, format!("it is not for {}", names::shown(&missing)), hint));
    }
    match check.kind {
        Kind::Ca if certificate.authority != Authority::Yes => {
            findings.push(fault(file, "it is no CA: edge nodes would refuse what it signs", check.again()));
        }
        Kind::Stream | Kind::Server if certificate.names.is_empty() => {
            let text = "it has no names (subjectAltName), and programs in Go look at nothing else";
            findings.push(fault(file, text, check.again()));
        }
        Kind::Server if matches!(certificate.algorithm, Some(Algorithm::Rsa(_))) => {
            let text = "its key is RSA: cloudcore's tunnel refuses edge nodes that have TLS 1.2 only";
            findings.push(warning(file, text, Some("edge-certgen server --new-key --force".to_owned())));
        }
        _ => {}
    }
    let usage = match check.kind {
        Kind::Stream | Kind::Server => "serverAuth",
        Kind::Edge => "clientAuth",
        Kind::Ca | Kind::Other(_) => return,
    };
    if !certificate.is_for(usage) {
        findings.push(fault(file, format!("it is not for {usage} (extendedKeyUsage)"), check.again()));
    }
}

fn is_loopback(name: &Name) -> bool {
    matches!(name, Name::Ip(ip) if ip.is_loopback())
}

fn key_findings(check: &PairCheck<'_>, key: &PrivateKey, findings: &mut Vec<Finding>) {
    let file = check.key_file.as_str();
    if *check.kind == Kind::Ca && !key.algorithm.is_ec() {
        let text = format!("it is {}: cloudcore takes only an EC key for its CA, and every join fails", key.algorithm);
        let hint = "edge-certgen ca --new-key makes a new CA; every edge node must join again".to_owned();
        findings.push(fault(file, text, Some(hint)));
    } else if *check.kind == Kind::Ca && key.form != Form::Sec1 {
        let text =
            format!("it is in the form {}: cloudcore wants SEC1 (EC PRIVATE KEY), and every join fails", key.form);
        findings.push(fault(file, text, check.again().map(|call| format!("{call} rewrites it"))));
    }
    if check.loads.reads == Reads::FirstBlock && key.place == Place::Later {
        let text = "something stands before the key, and cloudcore reads the first block only: it would not start";
        findings.push(fault(file, text, check.again().map(|call| format!("{call} rewrites it"))));
    }
    if let Algorithm::Rsa(bits @ ..2048) = key.algorithm {
        let hint = check.again().map(|call| format!("{call} --new-key --force"));
        findings.push(fault(file, format!("it has only {bits} bits, which clients refuse"), hint));
    }
}

/// Whether a private key stands in a file that everybody may read.
pub fn bares_key(found: &FileSnapshot) -> bool {
    matches!(found.state, State::File { mode, .. } if mode & 0o004 != 0) && encoding::holds_key(&found.bytes)
}

fn bared(file: &str, hint: Option<String>) -> Finding {
    fault(file, "a private key stands in it, and it is for everybody to read", hint)
}

fn modes(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    if let State::File { mode, .. } = check.pair.key_found.state
        && mode & TOO_OPEN != 0
    {
        let text = format!("its mode is {mode:04o}: others can read or replace the private key");
        findings.push(fault(&check.key_file, text, Some(format!("chmod 600 {}", check.key_file))));
    }
    if let State::File { mode, .. } = check.pair.certificate_found.state {
        if bares_key(&check.pair.certificate_found) {
            findings.push(bared(&check.certificate_file, check.again().map(|call| format!("{call} --force"))));
        }
        if mode & 0o022 != 0 {
            let text = format!("its mode is {mode:04o}: others can replace it");
            findings.push(fault(&check.certificate_file, text, Some(format!("chmod 644 {}", check.certificate_file))));
        }
    }
}

/// Who signed it.
pub fn chain(check: &PairCheck<'_>, chain: &Chain, findings: &mut Vec<Finding>) {
    let Some(certificate) = check.pair.certificate.good() else { return };
    let file = check.certificate_file.as_str();
    let (ca_file, read, bares_key) = match chain {
        Chain::Itself => {
            if certificate.signed_by(certificate) == Signed::No {
                let signer = subject::shown(&certificate.issuer);
                findings.push(warning(
                    file,
                    format!("it is signed by {signer}, whose certificate nodes do not get"),
                    None,
                ));
            }
            return;
        }
        Chain::Signed { file, read, bares_key } => (file.as_str(), read.as_ref(), *bares_key),
    };
    // The cluster's CA is copied anew; the hub's is a pair of its own.
    let ca_again = || if *check.kind == Kind::Stream { None } else { Some("edge-certgen ca".to_owned()) };
    if bares_key {
        findings.push(bared(ca_file, ca_again().map_or_else(|| check.again(), |call| Some(format!("{call} --force")))));
    }
    let ca = match read {
        Read::Absent => return findings.push(fault(ca_file, "it is not there", check.again())),
        Read::Bad(why) => return findings.push(fault(ca_file, why, check.again())),
        Read::Good(ca) => ca,
    };
    match certificate.signed_by(ca) {
        Signed::Yes => {}
        Signed::Unknown => {
            findings.push(warning(file, format!("whether {ca_file} signed it cannot be checked here"), None));
        }
        Signed::No => {
            let signer = subject::shown(&certificate.issuer);
            findings.push(fault(file, format!("{ca_file} did not sign it, but {signer}"), check.again()));
        }
    }
    if check.pair.key.good().is_some_and(|key| belongs(ca, key)) {
        let text = "it is the CA's own key: whoever reads it can sign anything";
        findings.push(fault(&check.key_file, text, check.again().map(|call| format!("{call} --new-key --force"))));
    }
    if ca.authority != Authority::Yes {
        findings.push(fault(ca_file, "it is no CA", None));
    }
    let left = ca.days_left(check.now);
    let end = if check.now > ca.not_after {
        format!("it ended on {}", times::date(ca.not_after))
    } else if left <= check.soon(ca) {
        format!("it has {} left", times::days(left))
    } else {
        return;
    };
    let finding = fault(ca_file, end, ca_again());
    // Of the hub's CA that may have been said already.
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

/// A directory that anyone may change makes every mode in it pointless.
pub fn directory(file: &str, role: &str, mode: u32, findings: &mut Vec<Finding>) {
    if mode & 0o022 == 0 {
        return;
    }
    let finding = fault(
        file,
        format!("its mode is {mode:04o}: others can replace the {role}"),
        Some(format!("chmod go-w {file}")),
    );
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
