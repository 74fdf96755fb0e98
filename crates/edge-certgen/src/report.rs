//! Certificates and keys as lines and as records.

use edge_host::Host;
use edge_pki::cert::{Authority, Certificate};
use edge_pki::key::PrivateKey;
use edge_pki::{subject, times};
use serde_json::json;

/// A certificate as a record.
pub(crate) fn certificate_record(
    host: &mut Host,
    file: &str,
    certificate: &Certificate,
    key_file: Option<&str>,
    now: i64,
) {
    host.report.record(
        "certificate",
        json!({
            "file": file,
            "subject": subject::shown(&certificate.subject),
            "issuer": subject::shown(&certificate.issuer),
            "names": all_names(certificate),
            "usages": certificate.usages,
            "ca": certificate.authority != Authority::No,
            "not_before": times::rfc3339(certificate.not_before),
            "not_after": times::rfc3339(certificate.not_after),
            "days_left": certificate.days_left(now),
            "key": certificate.key_shown(),
            "key_file": key_file,
            "sha256": certificate.fingerprint(),
        }),
    );
}

/// A key as a record.
pub(crate) fn key_record(host: &mut Host, file: &str, key: &PrivateKey, certificate_file: Option<&str>) {
    let fields = json!({"file": file, "key": key.algorithm.to_string(), "form": key.form.to_string(),
                        "certificate_file": certificate_file});
    host.report.record("key", fields);
}

/// All SANs of a certificate, the invalid ones included.
pub(crate) fn all_names(certificate: &Certificate) -> Vec<String> {
    certificate.names.iter().map(ToString::to_string).chain(certificate.odd_names.iter().cloned()).collect()
}

/// `valid for 824 days, expires on 2029-02-24`, `expired on 2026-01-01`.
pub(crate) fn end_shown(certificate: &Certificate, now: i64) -> String {
    if now < certificate.not_before {
        return format!("not valid before {}", times::date(certificate.not_before));
    }
    let left = certificate.days_left(now);
    let end = times::date(certificate.not_after);
    if now > certificate.not_after {
        format!("expired on {end}")
    } else {
        format!("valid for {}, expires on {end}", times::days(left))
    }
}
