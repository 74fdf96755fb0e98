//! Finds what is wrong with a key pair, its chain and its use in the cluster. Pure: from facts to findings.

mod chain;
pub mod cluster;

pub use chain::{Issuer, chain};

use edge_host::{FileSnapshot, Finding, State, quoted};
use edge_pki::cert::{Authority, Certificate};
use edge_pki::key::{Algorithm, Form, PrivateKey};
use edge_pki::names::{self, Name};
use edge_pki::{encoding, times};

use crate::catalog::Loads;
use crate::facts::{Pair, Read};
use crate::kind::Kind;
use crate::plan::TOO_OPEN;
use crate::request::default_renew_before;

/// A key pair and what is expected of it.
#[derive(Debug)]
pub struct PairCheck<'a> {
    /// What was found.
    pub pair: &'a Pair,
    /// What it is for.
    pub kind: &'a Kind,
    /// Which key files its program can load.
    pub loads: Loads,
    /// Which usages its extendedKeyUsage must include.
    pub usages: &'static [&'static str],
    /// Whether it is the pair of an edge node on this host, which gets it from cloudcore.
    pub is_node: bool,
    /// The certificate's path, as it is on the host or in the image.
    pub certificate_file: String,
    /// The private key's path, in the same way.
    pub key_file: String,
    /// The SANs that it must have.
    pub names: &'a [Name],
    /// A certificate that expires in so many days or fewer is an error; by default [`default_renew_before`].
    pub renew_before: Option<u32>,
    /// The current time, in seconds since 1970.
    pub now: i64,
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
        i64::from(self.renew_before.unwrap_or_else(|| default_renew_before(days)))
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
        self.make_with("")
    }

    /// For a file that does not exist.
    fn make_first(&self) -> Option<String> {
        if self.is_node { self.make() } else { Some(format!("make it: {}", self.with_names(""))) }
    }

    fn make_with(&self, options: &str) -> Option<String> {
        if self.is_node {
            return Some(
                "on the cloud host, use edge-certgen edge --node-name NODE and copy the key pair here".to_owned(),
            );
        }
        Some(format!("make it again: {}", self.with_names(options)))
    }

    /// The call with these options, and with the SANs where the existing certificate does not have them.
    fn with_names(&self, options: &str) -> String {
        let mut call = format!("{} {options}", self.command()).trim_end().to_owned();
        let are_kept = self.pair.certificate.valid().is_some_and(|certificate| !certificate.names.is_empty());
        let are_given = options.contains("--ip") || options.contains("--dns");
        if matches!(self.kind, Kind::Stream | Kind::Server) && !are_kept && !are_given {
            call += " ";
            call += &if self.names.is_empty() { "--ip IP".to_owned() } else { names::options(self.names) };
        }
        call
    }

    /// The program that loads it.
    fn program(&self) -> &'static str {
        if self.is_node { "edgecore" } else { "cloudcore" }
    }
}

/// Checks the key pair: both files, whether they match, expiry, SANs, key format, modes.
pub fn pair(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    let (certificate_file, key_file) = (check.certificate_file.as_str(), check.key_file.as_str());
    match &check.pair.certificate {
        Read::Absent => findings.push(error(certificate_file, "the file is missing", check.make_first())),
        Read::Invalid(why) => {
            let hint = check
                .pair
                .move_away(&check.pair.certificate_path, &check.pair.certificate_found)
                .or_else(|| check.make());
            findings.push(error(certificate_file, why, hint));
        }
        Read::Valid(certificate) => certificate_findings(check, certificate, findings),
    }
    match &check.pair.key {
        Read::Absent => findings.push(error(key_file, "the file is missing", check.make_first())),
        Read::Invalid(why) => {
            let hint = check
                .pair
                .move_away(&check.pair.key_path, &check.pair.key_found)
                .or_else(|| check.make_with("--new-key"));
            findings.push(error(key_file, format!("{why}: {} would not start with it", check.program()), hint));
        }
        Read::Valid(key) => key_findings(check, key, findings),
    }
    if check.pair.is_half_renewed() {
        let text = "a renewal was interrupted: the private key is new, the certificate is of the previous key";
        findings.push(error(certificate_file, text, Some(format!("complete it: {}", check.command()))));
    } else if check.pair.matches() == Some(false) {
        let key = check.pair.key.valid();
        let is_later = |read: &Result<Certificate, String>| matches!((read, key), (Ok(certificate), Some(key)) if certificate.matches_key(key));
        let order =
            if check.pair.chain.iter().any(is_later) { ", but a later certificate of the file does" } else { "" };
        let program = check.program();
        let text = format!("it does not match the private key {key_file}{order}: {program} would not start with it");
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
        Kind::Stream | Kind::Server if certificate.names.is_empty() && !check.is_node => {
            let text = "it has no SANs (subjectAltName), and programs written in Go accept nothing else";
            findings.push(error(file, text, check.make()));
        }
        Kind::Server if !check.is_node && matches!(certificate.algorithm, Some(Algorithm::Rsa(_))) => {
            let text = "its key is RSA: cloudcore's tunnel rejects edge nodes that only support TLS 1.2";
            findings.push(warning(file, text, check.make_with("--new-key --force")));
        }
        _ => {}
    }
    let missing: Vec<&str> = check.usages.iter().copied().filter(|usage| !certificate.is_for(usage)).collect();
    if !missing.is_empty() {
        let text = format!("its extendedKeyUsage does not include {}", missing.join(", "));
        // Of the commands, only this one makes a certificate for both.
        let both = format!("make it again: edge-certgen genCertAndKey {}", check.kind.stem());
        let hint = if check.usages.len() > 1 { Some(both) } else { check.make() };
        findings.push(error(file, text, hint));
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
        findings.push(error(
            &check.key_file,
            text,
            Some(format!("chmod 600 {}", quoted(&format!("{}{}", check.pair.prefix, check.key_file)))),
        ));
    }
    if let State::File { mode, .. } = check.pair.certificate_found.state {
        if exposes_key(&check.pair.certificate_found) {
            findings.push(exposed_key(&check.certificate_file, check.make_with("--force")));
        }
        if mode & 0o022 != 0 {
            let text = format!("its mode is {mode:04o}: other users can replace it");
            findings.push(error(
                &check.certificate_file,
                text,
                Some(format!("chmod 644 {}", quoted(&format!("{}{}", check.pair.prefix, check.certificate_file)))),
            ));
        }
    }
}

/// Checks a directory: if other users can write to it, the modes of its files do not protect them.
pub fn directory(prefix: &str, file: &str, role: &str, mode: u32, findings: &mut Vec<Finding>) {
    if mode & 0o022 == 0 {
        return;
    }
    let finding = error(
        file,
        format!("its mode is {mode:04o}: other users can replace the {role}"),
        Some(format!("chmod go-w {}", quoted(&format!("{prefix}{file}")))),
    );
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
