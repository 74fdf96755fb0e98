//! Whether the cluster of this host accepts the stream server's certificate.

use std::collections::HashSet;

use edge_host::{Finding, Severity};
use edge_pki::cert::Certificate;
use edge_pki::chain;
use edge_pki::names::{self, Name};
use edge_pki::subject;

use super::{PairCheck, error, warning};
use crate::apiserver::Dials;
use crate::cluster::{Cluster, Verifier};
use crate::facts::Read;

/// What is known of the names in a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Addresses and names of cloudcore, from cloudcore.yaml; empty where they are not known.
    pub cloud: &'a [Name],
    /// Address and name of the edge node on this host.
    pub node: &'a [Name],
    /// Whether names of edge nodes were given, which are checked like all that are given.
    pub nodes_given: bool,
}

/// Checks the stream server's certificate against the cluster.
pub fn stream(
    check: &PairCheck<'_>,
    stream_ca: (&str, &Read<Vec<Certificate>>),
    cluster: &Cluster,
    known: Known<'_>,
    findings: &mut Vec<Finding>,
) {
    for (file, why) in &cluster.unknown {
        let text = format!("cannot tell whether the API server checks certificates of nodes: {why}");
        findings.push(warning(file, text, None));
    }
    let Some(certificate) = check.pair.certificate.valid() else { return };
    let is_judged = cluster.verifier.as_ref().is_some_and(|verifier| {
        let is_judged = signer(check, certificate, verifier, findings);
        node_names(check, certificate, verifier, cluster, known, findings);
        is_judged
    });
    // What the API server accepts may be signed by another CA than the cluster's.
    if !is_judged {
        present_ca(check, certificate, stream_ca, cluster, findings);
    }
}

/// Checks whether the API server accepts who signed the certificate. False where that is not known.
fn signer(check: &PairCheck<'_>, certificate: &Certificate, by: &Verifier, findings: &mut Vec<Finding>) -> bool {
    let (file, by_file) = (check.certificate_file.as_str(), by.file.as_str());
    let authorities = match &by.authorities {
        Read::Valid(authorities) => authorities,
        Read::Absent | Read::Invalid(_) => {
            let why = if let Read::Invalid(why) = &by.authorities { why } else { "the file is missing" };
            let text = format!("cannot check whether the API server accepts the stream certificate ({}): {why}", by.by);
            findings.push(warning(by_file, text, None));
            return false;
        }
    };
    let intermediates = check.pair.intermediates();
    let found = chain::find(certificate, &intermediates, authorities, check.now);
    if found.is_some_and(|chain| chain.problem(check.now).is_none()) {
        return true;
    }
    let signer = subject::shown(&certificate.issuer);
    let text = format!(
        "it is not signed by a valid CA in {by_file}, but by {signer}, and the API server checks that ({}): kubectl logs and exec fail",
        by.by
    );
    findings.push(error(file, text, check.make()));
    true
}

/// Whether the API server, which connects to nodes by their own addresses, finds one of them in the certificate.
fn node_names(
    check: &PairCheck<'_>,
    certificate: &Certificate,
    by: &Verifier,
    cluster: &Cluster,
    known: Known<'_>,
    findings: &mut Vec<Finding>,
) {
    if known.nodes_given {
        return;
    }
    let needed: Vec<Name> = known.node.iter().filter(|name| is_dialled(by.dials, name)).cloned().collect();
    let missing = names::uncovered(&needed, &certificate.names);
    let file = check.certificate_file.as_str();
    if !missing.is_empty() && missing.len() == needed.len() {
        let text = format!(
            "its SANs do not include the edge node of this host ({}), and the API server checks them ({}): kubectl logs and exec fail",
            names::shown(&missing),
            by.by
        );
        return findings.push(error(file, text, check.make_with(&names::node_options(&missing))));
    }
    let (what, option) = described(by.dials);
    let hint = check.make_with(option);
    let candidates = candidates(&certificate.names, by.dials, cluster, known);
    if candidates == 0 {
        let text = format!(
            "its SANs do not include the {what} of any edge node, and the API server checks them ({}): kubectl logs and exec fail",
            by.by
        );
        findings.push(error(file, text, hint));
    } else if known.cloud.is_empty() && needed.is_empty() && candidates == 1 {
        let text = format!(
            "the API server checks its SANs ({}), which must include the {what} of each edge node: at most one of them may be that of a node",
            by.by
        );
        findings.push(warning(file, text, hint));
    } else {
        let text = format!(
            "the API server checks its SANs ({}): they must include the {what} of each edge node, which this host does not know",
            by.by
        );
        let hint = format!("check those of a node: edge-certgen check stream {option}");
        findings.push(Finding { hint: Some(hint), ..Finding::new(Severity::Note, file, text) });
    }
}

/// Whether the API server reaches nodes by this kind of name.
fn is_dialled(dials: Dials, name: &Name) -> bool {
    match dials {
        Dials::Either => true,
        Dials::Address => matches!(name, Name::Ip(_)),
        Dials::Name => matches!(name, Name::Dns(_)),
    }
}

/// What the certificate must have of each node, and the options that add it.
fn described(dials: Dials) -> (&'static str, &'static str) {
    match dials {
        Dials::Address => ("address", "--node-ip IP"),
        Dials::Name => ("name", "--node-name NAME"),
        Dials::Either => ("address or name", "--node-ip IP --node-name NAME"),
    }
}

/// How many of these names may be those of edge nodes.
fn candidates(all: &[Name], dials: Dials, cluster: &Cluster, known: Known<'_>) -> usize {
    let cloud: HashSet<&Name> = known.cloud.iter().chain(&cluster.control_plane).collect();
    let is_node = |name: &&Name| !super::is_loopback(name) && !cloud.contains(name) || known.node.contains(name);
    all.iter().filter(|name| is_dialled(dials, name)).filter(is_node).count()
}

/// What a new certificate with these SANs lacks, by the same rule; none if that is not known.
pub fn lacks_nodes(all: &[Name], cluster: &Cluster, known: Known<'_>) -> Option<String> {
    let by = cluster.verifier.as_ref().filter(|_| !known.nodes_given)?;
    let (what, option) = described(by.dials);
    let text = format!(
        "the API server checks the SANs of this certificate ({}): kubectl logs and exec fail unless they include the {what} of the edge node; add those of all nodes with {option}",
        by.by
    );
    let count = candidates(all, by.dials, cluster, known);
    (count == 0 || count == 1 && known.cloud.is_empty() && known.node.is_empty()).then_some(text)
}

/// Whether the certificate and streamCA.crt are still of the cluster's CA.
fn present_ca(
    check: &PairCheck<'_>,
    certificate: &Certificate,
    (file, read): (&str, &Read<Vec<Certificate>>),
    cluster: &Cluster,
    findings: &mut Vec<Finding>,
) {
    let intermediates = check.pair.intermediates();
    let signs = |all: &[Certificate]| chain::find(certificate, &intermediates, all, check.now).is_some();
    let present: Vec<_> = cluster.authorities.iter().filter_map(|found| Some((found, found.read.valid()?))).collect();
    let Some((first, _)) = present.first() else { return };
    let Read::Valid(copy) = read else { return };
    let contains = |all: &[Certificate]| all.iter().any(|ca| copy.iter().any(|other| other.der == ca.der));
    let (is_signed, is_copied) =
        (present.iter().any(|(_, all)| signs(all)), present.iter().any(|(_, all)| contains(all)));
    if is_signed && is_copied {
        return;
    }
    // One that is signed by another CA fails with its own finding.
    let of = format!("the CA of {} in {}", first.cluster, first.file);
    let text = if is_copied {
        format!("the certificate {} is not signed by {of}", check.certificate_file)
    } else {
        format!("it is not {of}, which may have been replaced")
    };
    findings.push(warning(file, text, check.make()));
}
