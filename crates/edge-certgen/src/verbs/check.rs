//! `edge-certgen check`: prints each certificate and what is wrong with its key pair, its chain and its use in the
//! cluster.

use std::path::Path;

use edge_host::{Finding, Host, Outcome, Result, State};
use edge_kubeedge::Kind as Component;
use edge_kubeedge::unit::config_in_use;
use edge_pki::cert::{bundle_from_pem, each_from_pem};
use edge_pki::encoding;
use edge_pki::names;
use edge_pki::names::Name;

use crate::catalog;
use crate::cli::{CheckTarget, Names, Options};
use crate::cluster::{self, Cluster};
use crate::diagnose::{self, Issuer, PairCheck, cluster::Known};
use crate::edgecore;
use crate::facts::{self, Pair, Read};
use crate::kind::{Dirs, Kind};
use crate::report::{certificate_record, end_shown};
use crate::{cloudcore, request};

/// What a check knows of its host.
struct Context<'a> {
    options: &'a Options,
    dirs: Dirs,
    /// The SANs that cloudcore's certificates must have.
    expected: Vec<Name>,
    /// Those in cloudcore.yaml and in the hub's certificate.
    cloud: Vec<Name>,
    /// The edge node on this host.
    node: Vec<Name>,
    nodes_given: bool,
    roles: Roles,
    cluster: Cluster,
    now: i64,
}

/// What runs on this host, by the configurations that it has.
#[derive(Clone, Copy)]
struct Roles {
    cloud: bool,
    edge: bool,
}

impl Roles {
    /// Whether only an edge node runs here.
    fn is_node(self) -> bool {
        self.edge && !self.cloud
    }
}

pub(crate) fn run(host: &mut Host, options: &Options, what: CheckTarget, given: &Names) -> Result<Outcome> {
    let dirs = request::dirs(host, options)?;
    let mut findings = Vec::new();
    let roles = roles(host, &dirs, given)?;
    let (expected, cloud) = expected_names(host, &dirs, given, &mut findings)?;
    let context = Context {
        options,
        expected,
        cloud,
        node: edgecore::names(host),
        nodes_given: !given.node_ip.is_empty() || !given.node_name.is_empty(),
        roles,
        cluster: cluster::read(host)?,
        now: edge_host::now(),
        dirs,
    };
    let mut checked = 0;
    for kind in kinds(what, roles) {
        let pair = facts::pair(host, &context.dirs, &kind)?;
        let exists = pair.certificate_found.exists() || pair.key_found.exists();
        if what == CheckTarget::All && !exists {
            continue;
        }
        checked += 1;
        check_pair(host, &context, &kind, &pair, &mut findings)?;
    }
    if checked == 0 {
        findings.push(nothing(&context));
    }
    Ok(host.report.findings(&findings))
}

fn roles(host: &Host, dirs: &Dirs, given: &Names) -> Result<Roles> {
    let has = |path: &Path| host.root.find(path).map(|found| found.exists());
    // cloudcore in a pod has its configuration elsewhere, and the stream server's pair is only made for cloudcore.
    let has_stream = has(&dirs.certificate(&Kind::Stream))? || has(&dirs.key(&Kind::Stream))?;
    // Addresses are those of a server.
    let has_names = !given.ip.is_empty() || !given.dns.is_empty();
    let cloud = has_stream || has_names || has(&config_in_use(&host.root, Component::CloudCore)?.path)?;
    Ok(Roles { cloud, edge: !has_names && has(&config_in_use(&host.root, Component::EdgeCore)?.path)? })
}

fn nothing(context: &Context<'_>) -> Finding {
    let (file, text) = (&context.dirs.certs, "no KubeEdge certificate found");
    if context.roles.is_node() {
        let finding = Finding::new(edge_host::Severity::Note, file, text);
        return finding.hint("edgecore requests one with its token when it starts: systemctl restart edgecore");
    }
    Finding::error(file, text)
        .hint("make the certificate of the stream server: edge-certgen stream; cloudcore makes the others itself")
}

fn kinds(what: CheckTarget, roles: Roles) -> Vec<Kind> {
    match what {
        CheckTarget::Stream => vec![Kind::Stream],
        CheckTarget::Ca => vec![Kind::Ca],
        CheckTarget::Server => vec![Kind::Server],
        CheckTarget::Edge => vec![Kind::Edge],
        // A node has its own pair under the name of the server's, and of the CA only the certificate.
        CheckTarget::All if roles.is_node() => vec![Kind::Server],
        CheckTarget::All => vec![Kind::Stream, Kind::Ca, Kind::Server, Kind::Edge],
    }
}

/// The SANs that cloudcore's certificates must have: those given, or else those in cloudcore.yaml; and what is known
/// of cloudcore's own addresses and names.
fn expected_names(
    host: &Host,
    dirs: &Dirs,
    given: &Names,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<Name>, Vec<Name>)> {
    let expected = request::names_or_variables(given)?;
    let hub = facts::pair(host, dirs, &Kind::Server)?;
    let mut cloud = hub.certificate.valid().map(|certificate| certificate.names.clone()).unwrap_or_default();
    let Some((file, read)) = cloudcore::read(host) else { return Ok((expected, cloud)) };
    let found = match read {
        Ok(found) => found,
        Err(why) => {
            let text = format!("cannot read the addresses and names that cloudcore advertises: {why}");
            findings.push(Finding::error(&file, text));
            return Ok((expected, cloud));
        }
    };
    for invalid in &found.invalid {
        let text = format!("{:?}: {}", invalid.entry, invalid.why);
        findings.push(Finding::error(&file, text).at(invalid.setting).on_line(invalid.line));
    }
    if let Some(other) = found.stream_certificate.filter(|path| *path != dirs.certificate(&Kind::Stream)) {
        let text = format!("tlsStreamCertFile is {}, which this check does not read", other.display());
        let dir = other.parent().filter(|_| other.file_name().is_some_and(|name| name == "stream.crt"));
        let hint = dir.map(|dir| format!("check that one: edge-certgen check stream --cert-dir {}", dir.display()));
        findings.push(Finding { hint, ..Finding::warning(&file, text) });
    }
    cloud.extend(found.names.iter().cloned());
    Ok((if expected.is_empty() { names::collect(found.names) } else { expected }, cloud))
}

fn check_pair(
    host: &mut Host,
    context: &Context<'_>,
    kind: &Kind,
    pair: &Pair,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let is_node = *kind == Kind::Server && context.roles.is_node();
    let issuer = issuer(host, context, kind)?;
    let names: &[Name] = match kind {
        Kind::Stream => &context.expected,
        Kind::Server if !is_node => &context.expected,
        _ => &[],
    };
    let check = PairCheck {
        pair,
        kind,
        loads: if is_node { catalog::kind("node")?.loads } else { kind.entry()?.loads },
        usages: match kind {
            Kind::Server if is_node => &["clientAuth"],
            // Both cloudcore and edgecore of this host load it.
            Kind::Server if context.roles.edge => &["serverAuth", "clientAuth"],
            Kind::Stream | Kind::Server => &["serverAuth"],
            Kind::Edge => &["clientAuth"],
            Kind::Ca | Kind::Other(_) => &[],
        },
        is_node,
        certificate_file: pair.certificate_path.display().to_string(),
        key_file: pair.key_path.display().to_string(),
        names,
        renew_before: context.options.renew_before,
        now: context.now,
    };
    if let Some(certificate) = pair.certificate.valid() {
        host.report.line(&format!(
            "{}: {}, {}{}",
            check.certificate_file,
            end_shown(certificate, context.now),
            certificate.key_shown(),
            if certificate.names.is_empty() {
                String::new()
            } else {
                format!(", {}", names::shown(&certificate.names))
            },
        ));
        let key_file = (pair.matches() == Some(true)).then_some(check.key_file.as_str());
        certificate_record(host, &check.certificate_file, certificate, key_file, context.now);
    }
    diagnose::pair(&check, findings);
    diagnose::chain(&check, &issuer, findings);
    if let (Kind::Stream, Issuer::In { file, read, .. }) = (kind, &issuer) {
        let known = Known { cloud: &context.cloud, node: &context.node, nodes_given: context.nodes_given };
        diagnose::cluster::stream(&check, (file, read), &context.cluster, known, findings);
    }
    for (path, role) in [(&context.dirs.certs, "key pairs"), (&context.dirs.ca, "CAs")] {
        if let State::Directory { mode, .. } = host.root.find(path)?.state {
            diagnose::directory(&pair.prefix, &path.display().to_string(), role, mode, findings);
        }
    }
    Ok(())
}

/// The CA that must have signed a certificate of this kind.
fn issuer(host: &Host, context: &Context<'_>, kind: &Kind) -> Result<Issuer> {
    if *kind == Kind::Ca {
        return Ok(Issuer::Itself);
    }
    let dirs = &context.dirs;
    let path = if *kind == Kind::Stream { dirs.stream_ca() } else { dirs.certificate(&Kind::Ca) };
    let given = request::authority(context.options, kind)?;
    let (bytes, file, exposes_key) = match &given.certificate {
        Some(path) => (facts::own_file(path)?, facts::own_name(path), false),
        None => {
            let found = host.root.find(&path)?;
            let exposes_key = diagnose::exposes_key(&found);
            (host.root.read(&path)?, path.display().to_string(), exposes_key)
        }
    };
    let read = match &bytes {
        None => Read::Absent,
        Some(bytes) => bundle_from_pem(bytes).map_or_else(Read::Invalid, Read::Valid),
    };
    let bytes = bytes.unwrap_or_default();
    let invalid = each_from_pem(&bytes).map_or(0, |each| each.iter().filter(|read| read.is_err()).count());
    Ok(Issuer::In { file, read, damaged: invalid + encoding::skipped(&bytes), exposes_key })
}
