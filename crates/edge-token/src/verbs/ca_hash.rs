//! `ca-hash`.

use std::path::Path;

use edge_host::{Error, Host, Outcome, Result};
use edge_pki::cert::{Authority, each_from_pem};
use edge_pki::{encoding, subject, times};
use serde_json::json;

use crate::facts;

/// Where kubeadm keeps the CA certificate of the cluster.
const CA: &str = "/etc/kubernetes/pki/ca.crt";

pub(crate) fn run(host: &mut Host, file: Option<&Path>) -> Result<Outcome> {
    let input = match file {
        Some(file) => facts::own_file(file)?,
        None => facts::host_file(host, Path::new(CA)).map_err(|error| match error.io_kind() {
            Some(std::io::ErrorKind::NotFound) => {
                error.hint("run this on a control plane host, or name the CA certificate: edge-token ca-hash FILE")
            }
            _ => error,
        })?,
    };
    let cannot = |why: String| Error::cannot("hash", &input.name, why);
    // kubeadm refuses a bundle with a damaged certificate, so that none of its hashes would be of use.
    let skipped = encoding::skipped(&input.bytes);
    if skipped > 0 && encoding::blocks(&input.bytes).is_ok() {
        return Err(cannot(encoding::skipped_text(skipped)));
    }
    let each = each_from_pem(&input.bytes).map_err(cannot)?;
    let certificates = each.into_iter().collect::<std::result::Result<Vec<_>, _>>().map_err(cannot)?;
    let now = edge_host::now();
    for certificate in &certificates {
        let (hash, shown) = (certificate.public_key_hash(), subject::shown(&certificate.subject));
        host.report.line(&format!("sha256:{hash}"));
        host.report.record(
            "hash",
            json!({"file": input.name, "subject": shown, "hash": format!("sha256:{hash}"),
                   "key": certificate.key_shown(), "not_after": times::rfc3339(certificate.not_after)}),
        );
        if certificate.authority != Authority::Yes {
            host.report.warning(&format!("{}: {shown} is not the certificate of a CA", input.name));
        }
        if now > certificate.not_after {
            let end = times::date(certificate.not_after);
            host.report.warning(&format!("{}: {shown} expired on {end}", input.name));
        }
    }
    Ok(Outcome::default())
}
