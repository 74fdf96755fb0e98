//! Who signed a certificate, and whether clients accept that CA.

use edge_host::Finding;
use edge_pki::cert::{Authority, Certificate};
use edge_pki::chain::{self, Problem};
use edge_pki::sign::Signed;
use edge_pki::{encoding, subject, times};

use super::{PairCheck, error, exposed_key, warning};
use crate::facts::Read;
use crate::kind::Kind;

/// The issuer that a certificate must have.
#[derive(Debug)]
pub enum Issuer {
    /// The certificate is a CA itself.
    Itself,
    /// One of the CAs in this file.
    In {
        /// Its path, as it is on the host or in the image.
        file: String,
        /// What was found there.
        read: Read<Vec<Certificate>>,
        /// How many certificates in it are damaged, which programs skip.
        damaged: usize,
        /// Whether the file also contains a private key and is readable by everyone.
        exposes_key: bool,
    },
}

/// Checks who signed the certificate, whether that CA is valid, and the certificates that are sent with it.
pub fn chain(check: &PairCheck<'_>, issuer: &Issuer, findings: &mut Vec<Finding>) {
    let Some(certificate) = check.pair.certificate.valid() else { return };
    let (ca_file, read, damaged, exposes_key) = match issuer {
        Issuer::Itself => return itself(check, certificate, findings),
        Issuer::In { file, read, damaged, exposes_key } => (file.as_str(), read, *damaged, *exposes_key),
    };
    // The copy of the cluster's CA is made by `stream`, the hub's CA by `ca`.
    let is_stream = *check.kind == Kind::Stream;
    if exposes_key {
        let hint = if is_stream { check.make() } else { Some("make it again: edge-certgen ca --force".to_owned()) };
        findings.push(exposed_key(ca_file, hint));
    }
    sent(check, findings);
    let authorities = match read {
        Read::Absent => return findings.push(error(ca_file, "the file is missing", check.make_first())),
        Read::Invalid(why) => return findings.push(error(ca_file, why, check.make())),
        Read::Valid(authorities) => authorities,
    };
    if damaged > 0 {
        findings.push(warning(ca_file, encoding::skipped_text(damaged), is_stream.then(|| check.make()).flatten()));
    }
    let has_key = |ca: &Certificate| check.pair.key.valid().is_some_and(|key| ca.matches_key(key));
    // A server's own certificate may be in the bundle, too.
    let is_itself = |ca: &Certificate| ca.der == certificate.der && ca.authority == Authority::No;
    if authorities.iter().any(|ca| !is_itself(ca) && has_key(ca)) {
        let text = "it is the private key of the CA: anyone who can read it can sign certificates";
        findings.push(error(&check.key_file, text, check.make_with("--new-key --force")));
    }
    signed(check, certificate, ca_file, authorities, findings);
}

fn itself(check: &PairCheck<'_>, certificate: &Certificate, findings: &mut Vec<Finding>) {
    if certificate.signed_by(certificate) == Signed::No {
        let signer = subject::shown(&certificate.issuer);
        let text = format!("it is signed by {signer}, and edge nodes do not get the certificate of that issuer");
        findings.push(warning(&check.certificate_file, text, None));
    }
}

/// The certificates after the first one: a client that cannot read one of them ends the connection.
fn sent(check: &PairCheck<'_>, findings: &mut Vec<Finding>) {
    let (file, is_sent) = (check.certificate_file.as_str(), !check.loads.first_block_only);
    for (index, read) in check.pair.chain.iter().enumerate() {
        if let (Err(_), true) = (read, is_sent) {
            let text = format!("certificate {} in it is damaged: clients end the connection", index + 2);
            findings.push(error(file, text, check.make_with("--force")));
        }
    }
    let skipped = encoding::skipped(&check.pair.certificate_found.bytes);
    if skipped > 0 && is_sent {
        findings.push(warning(file, encoding::skipped_text(skipped), check.make_with("--force")));
    }
}

fn signed(
    check: &PairCheck<'_>,
    certificate: &Certificate,
    ca_file: &str,
    authorities: &[Certificate],
    findings: &mut Vec<Finding>,
) {
    let (file, intermediates) = (check.certificate_file.as_str(), check.pair.intermediates());
    // A program that reads only the first block of each file sends no intermediate CA, and knows one CA.
    let first_only = check.loads.first_block_only;
    let known = if first_only { authorities.get(..1).unwrap_or_default() } else { authorities };
    let sent = if first_only { [].as_slice() } else { intermediates.as_slice() };
    let signer = subject::shown(&certificate.issuer);
    let Some(chain) = chain::find(certificate, sent, known, check.now) else {
        let text = if chain::find(certificate, &[], authorities, check.now).is_some() {
            format!("it is signed by a later certificate in {ca_file}, and cloudcore reads only the first one")
        } else if chain::find(certificate, &intermediates, authorities, check.now).is_some() {
            format!(
                "it is signed by the intermediate CA {signer}, which cloudcore does not send: it reads only the first PEM block"
            )
        } else {
            format!("it is not signed by {ca_file}, but by {signer}")
        };
        return findings.push(error(file, text, check.make()));
    };
    if !chain.is_checked {
        let text = format!("cannot check whether {ca_file} signed it: the signature algorithm is not supported");
        findings.push(warning(file, text, None));
    }
    let is_stream = *check.kind == Kind::Stream;
    let renew = || if is_stream { check.make() } else { Some("renew it: edge-certgen ca".to_owned()) };
    let place = |ca: &Certificate| {
        let is_sent = intermediates.iter().any(|other| other.der == ca.der);
        let of = if is_sent { file } else { ca_file };
        let count = if is_sent { 2 } else { authorities.len() };
        let it = if count == 1 { "it".to_owned() } else { format!("its certificate {}", subject::shown(&ca.subject)) };
        (of, it)
    };
    let mut push = |finding: Finding| {
        // The check of the hub's CA may have found it already.
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    match chain.problem(check.now) {
        Some(Problem::NotCa(ca)) => {
            let (of, it) = place(ca);
            push(error(of, format!("{it} is not a CA certificate"), None));
        }
        Some(Problem::Expired(ca)) => {
            let (of, it) = place(ca);
            push(error(of, format!("{it} expired on {}", times::date(ca.not_after)), renew()));
        }
        Some(Problem::NotYetValid(ca)) => {
            let (of, it) = place(ca);
            push(error(of, format!("{it} is not valid before {}", times::date(ca.not_before)), None));
        }
        None => {
            let ending = chain.issuers.iter().min_by_key(|ca| ca.not_after);
            if let Some(ca) = ending.filter(|ca| ca.days_left(check.now) <= check.soon(ca)) {
                let (of, it) = place(ca);
                push(error(of, format!("{it} expires in {}", times::days(ca.days_left(check.now))), renew()));
            }
        }
    }
    let is_used = |ca: &Certificate| chain.issuers.iter().any(|other| other.der == ca.der);
    for ca in authorities.iter().filter(|ca| check.now > ca.not_after && !is_used(ca)) {
        let (name, end) = (subject::shown(&ca.subject), times::date(ca.not_after));
        push(Finding::new(
            edge_host::Severity::Note,
            ca_file,
            format!("its certificate {name} expired on {end}, and this certificate does not need it"),
        ));
    }
}
