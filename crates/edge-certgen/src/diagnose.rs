//! Finds what is wrong with a key pair and its chain. Pure: from facts to findings.

use edge_host::{FileSnapshot, Finding, State};

use crate::catalog::Loads;
use crate::cert::{Authority, Certificate};
use crate::facts::{Pair, Read, matches_key};
use crate::key::{Algorithm, Form, PrivateKey};
use crate::kind::Kind;
use crate::names::{self, Name};
use crate::plan::TOO_OPEN;
use crate::sign::Signed;
use crate::{encoding, subject, times};

/// A key pair and what is expected of it.
#[derive(Debug)]
pub struct PairCheck<'a> {
    /// What was found.
    pub pair: &'a Pair,
    /// What it is for.
    pub kind: &'a Kind,
    /// Which key files its program can load.
    pub loads: Loads,
    /// The certificate's path, as shown to users.
    pub certificate_file: String,
    /// The private key's path, as shown to users.
    pub key_file: String,
    /// The SANs that it must have.
    pub names: &'a [Name],
    /// A certificate that expires in so many days or fewer is an error; by default [`times::renew_before`].
    pub renew_before: Option<u32>,
    /// The current time, in seconds since 1970.
    pub now: i64,
}

/// The issuer that a certificate must have.
#[derive(Debug)]
pub enum Chain {
    /// The certificate is a CA itself.
    Itself,
    /// The CA in this file.
    Signed {
        /// Its path, as shown to users.
        file: String,
        /// What was found there.
        read: Box<Read<Certificate>>,
        /// Whether the file also contains a private key and is readable by everyone.
        exposes_key: bool,
    },
}

fn error(file: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { hint, ..Finding::error(file, text) }
}

fn warning(file: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { hint, ..Finding::warning(file, text) }
}

impl PairCheck<'_> {
    /// From how many days before its end on a certificate must be renewed.
    fn soon(&self, certificate: &Certificate) -> i64 {
        let days = times::days_left(certificate.not_before, certificate.not_after);
        i64::from(self.renew_before.unwrap_or_else(|| times::renew_before(days)))
    }

    /// The call that makes it.
    fn command(&self) -> String {
        match self.kind {
            Kind::Other(name) => format!("edge-certgen genCertAndKey {name}"),
            Kind::Ca => "edge-certgen ca".to_owned(),
            other => format!("edge-certgen {}", other.stem()),
        }
    }

    fn make(&self) -> Option<String> {
        Some(format!("make it again: {}", self.command()))
    }

    fn make_with(&self, options: &str) -> Option<String> {
        Some(format!("make it again: {} {options}", self.command()))
    }
}

/// Checks the key pair: both files, whether they match, expiry, SANs, key format, modes.
pub fn pair(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    let (certificate_file, key_file) = (check.certificate_file.as_str(), check.key_file.as_str());
    match &check.pair.certificate {
        Read::Absent => findings.push(error(certificate_file, "the file is missing", check.make())),
        Read::Invalid(why) => findings.push(error(certificate_file, why, check.make())),
        Read::Valid(certificate) => certificate_findings(check, certificate, findings),
    }
    match &check.pair.key {
        Read::Absent => findings.push(error(key_file, "the file is missing", check.make())),
        Read::Invalid(why) => {
            let hint = check.make_with("--new-key");
            findings.push(error(key_file, format!("{why}: cloudcore would not start with it"), hint));
        }
        Read::Valid(key) => key_findings(check, key, findings),
    }
    if check.pair.is_half_renewed() {
        let text = "a renewal was interrupted: the private key is new, the certificate is of the previous key";
        findings.push(error(certificate_file, text, Some(format!("complete it: {}", check.command()))));
    } else if check.pair.matches() == Some(false) {
        let text = format!("it does not match the private key {key_file}: cloudcore would not start with it");
        findings.push(error(certificate_file, text, check.make()));
    }
    modes(check, findings);
}

fn certificate_findings(check: &PairCheck<'_>, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let file = check.certificate_file.as_str();
    let (now, left) = (check.now, certificate.days_left(check.now));
    if now < certificate.not_before {
        let text = format!(
            "it is not valid before {}, and the system clock is at {}",
            times::date(certificate.not_before),
            times::date(now)
        );
        findings.push(error(file, text, Some("if the clock is wrong, set it: timedatectl set-ntp true".to_owned())));
    } else if now > certificate.not_after {
        findings.push(error(file, format!("it expired on {}", times::date(certificate.not_after)), check.make()));
    } else if left <= check.soon(certificate) {
        findings.push(error(file, expires_in(left), check.make()));
    }
    let bytes = &check.pair.certificate_found.bytes;
    if check.loads.first_block_only && !encoding::begins_with_certificate(bytes) {
        let text =
            "its first PEM block is not the certificate: cloudcore reads only the first block and would not start";
        findings.push(error(file, text, check.make_with("--force")));
    }
    let missing = names::uncovered(check.names, &certificate.names);
    if !missing.is_empty() {
        // The hint repeats the existing SANs, as those given replace them.
        let kept = certificate.names.iter().filter(|name| !is_loopback(name));
        let all = names::options(&names::collect(kept.chain(&missing).cloned()));
        let hint = check.make_with(&all);
        findings.push(error(file, format!("its SANs do not include {}", names::shown(&missing)), hint));
    }
    match check.kind {
        Kind::Ca if certificate.authority != Authority::Yes => {
            findings.push(error(
                file,
                "it is not a CA certificate: edge nodes would reject what it signs",
                check.make(),
            ));
        }
        Kind::Stream | Kind::Server if certificate.names.is_empty() => {
            let text = "it has no SANs (subjectAltName), and programs written in Go accept nothing else";
            findings.push(error(file, text, check.make()));
        }
        Kind::Server if matches!(certificate.algorithm, Some(Algorithm::Rsa(_))) => {
            let text = "its key is RSA: cloudcore's tunnel rejects edge nodes that only support TLS 1.2";
            findings.push(warning(file, text, check.make_with("--new-key --force")));
        }
        _ => {}
    }
    let usage = match check.kind {
        Kind::Stream | Kind::Server => "serverAuth",
        Kind::Edge => "clientAuth",
        Kind::Ca | Kind::Other(_) => return,
    };
    if !certificate.is_for(usage) {
        findings.push(error(file, format!("its extendedKeyUsage does not include {usage}"), check.make()));
    }
}

fn expires_in(days: i64) -> String {
    format!("it expires in {}", times::days(days))
}

fn is_loopback(name: &Name) -> bool {
    matches!(name, Name::Ip(ip) if ip.is_loopback())
}

fn key_findings(check: &PairCheck<'_>, key: &PrivateKey, findings: &mut Vec<Finding>) {
    let file = check.key_file.as_str();
    if *check.kind == Kind::Ca && !key.algorithm.is_ec() {
        let text =
            format!("its type is {}: cloudcore accepts only an EC key for its CA, so every join fails", key.algorithm);
        let hint = "make a new CA, after which every edge node must join again: edge-certgen ca --new-key".to_owned();
        findings.push(error(file, text, Some(hint)));
    } else if *check.kind == Kind::Ca && key.form != Form::Sec1 {
        let text =
            format!("its format is {}: cloudcore accepts only SEC1 (EC PRIVATE KEY), so every join fails", key.form);
        findings.push(error(file, text, Some(format!("rewrite it: {}", check.command()))));
    }
    if check.loads.first_block_only && !key.is_first_block {
        let text =
            "its first PEM block is not the private key: cloudcore reads only the first block and would not start";
        findings.push(error(file, text, Some(format!("rewrite it: {}", check.command()))));
    }
    if let Algorithm::Rsa(bits @ ..2048) = key.algorithm {
        let text = format!("it has only {bits} bits, which clients reject");
        findings.push(error(file, text, check.make_with("--new-key --force")));
    }
}

/// Whether a file contains a private key and is readable by everyone.
pub fn exposes_key(found: &FileSnapshot) -> bool {
    matches!(found.state, State::File { mode, .. } if mode & 0o004 != 0) && encoding::contains_key(&found.bytes)
}

fn exposed_key(file: &str, hint: Option<String>) -> Finding {
    error(file, "it contains a private key and is readable by everyone", hint)
}

fn modes(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    if let State::File { mode, .. } = check.pair.key_found.state
        && mode & TOO_OPEN != 0
    {
        let text = format!("its mode is {mode:04o}: other users can read or replace the private key");
        findings.push(error(&check.key_file, text, Some(format!("chmod 600 {}", check.key_file))));
    }
    if let State::File { mode, .. } = check.pair.certificate_found.state {
        if exposes_key(&check.pair.certificate_found) {
            findings.push(exposed_key(&check.certificate_file, check.make_with("--force")));
        }
        if mode & 0o022 != 0 {
            let text = format!("its mode is {mode:04o}: other users can replace it");
            findings.push(error(&check.certificate_file, text, Some(format!("chmod 644 {}", check.certificate_file))));
        }
    }
}

/// Checks the chain: who signed the certificate, and whether that CA is valid.
pub fn chain(check: &PairCheck<'_>, chain: &Chain, findings: &mut Vec<Finding>) {
    let Some(certificate) = check.pair.certificate.valid() else { return };
    let file = check.certificate_file.as_str();
    let (ca_file, read, exposes_key) = match chain {
        Chain::Itself => {
            if certificate.signed_by(certificate) == Signed::No {
                let signer = subject::shown(&certificate.issuer);
                findings.push(warning(
                    file,
                    format!("it is signed by {signer}, and edge nodes do not get the certificate of that issuer"),
                    None,
                ));
            }
            return;
        }
        Chain::Signed { file, read, exposes_key } => (file.as_str(), read.as_ref(), *exposes_key),
    };
    // The copy of the cluster's CA is made by `stream`, the hub's CA by `ca`.
    let is_stream = *check.kind == Kind::Stream;
    if exposes_key {
        let hint = if is_stream { check.make() } else { Some("make it again: edge-certgen ca --force".to_owned()) };
        findings.push(exposed_key(ca_file, hint));
    }
    let ca = match read {
        Read::Absent => return findings.push(error(ca_file, "the file is missing", check.make())),
        Read::Invalid(why) => return findings.push(error(ca_file, why, check.make())),
        Read::Valid(ca) => ca,
    };
    match certificate.signed_by(ca) {
        Signed::Yes => {}
        Signed::Unknown => {
            findings.push(warning(
                file,
                format!("cannot check whether {ca_file} signed it: the signature algorithm is not supported"),
                None,
            ));
        }
        Signed::No => {
            let signer = subject::shown(&certificate.issuer);
            findings.push(error(file, format!("it is not signed by {ca_file}, but by {signer}"), check.make()));
        }
    }
    if check.pair.key.valid().is_some_and(|key| matches_key(ca, key)) {
        let text = "it is the private key of the CA: anyone who can read it can sign certificates";
        findings.push(error(&check.key_file, text, check.make_with("--new-key --force")));
    }
    if ca.authority != Authority::Yes {
        findings.push(error(ca_file, "it is not a CA certificate", None));
    }
    let left = ca.days_left(check.now);
    let end = if check.now > ca.not_after {
        format!("it expired on {}", times::date(ca.not_after))
    } else if left <= check.soon(ca) {
        expires_in(left)
    } else {
        return;
    };
    let finding = error(ca_file, end, (!is_stream).then(|| "renew it: edge-certgen ca".to_owned()));
    // The check of the hub's CA may have found it already.
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

/// Checks a directory: if other users can write to it, the modes of its files do not protect them.
pub fn directory(file: &str, role: &str, mode: u32, findings: &mut Vec<Finding>) {
    if mode & 0o022 == 0 {
        return;
    }
    let finding = error(
        file,
        format!("its mode is {mode:04o}: other users can replace the {role}"),
        Some(format!("chmod go-w {file}")),
    );
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
