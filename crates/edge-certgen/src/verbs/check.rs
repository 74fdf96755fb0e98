//! `edge-certgen check`: prints each certificate and what is wrong with its key pair and chain.

use edge_host::{Finding, Host, Outcome, Result, State};

use crate::cert::Certificate;
use crate::cli::{CheckTarget, Names, Options};
use crate::cloudcore;
use crate::diagnose::{self, Chain, PairCheck};
use crate::facts::{self, Pair, Read};
use crate::kind::{Dirs, Kind};
use crate::names::Name;
use crate::report::{certificate_record, end_shown};
use crate::{names, request};

pub(crate) fn run(host: &mut Host, options: &Options, what: CheckTarget, given: &Names) -> Result<Outcome> {
    let dirs = request::dirs(host, options)?;
    let mut findings = Vec::new();
    let expected = expected_names(host, &dirs, given, &mut findings)?;
    let now = facts::now();
    let mut checked = 0;
    for kind in kinds(what) {
        let pair = facts::pair(host, &dirs, &kind)?;
        let exists = pair.certificate_found.exists() || pair.key_found.exists();
        if what == CheckTarget::All && !exists {
            continue;
        }
        checked += 1;
        check_pair(host, options, &dirs, &kind, &pair, &expected, now, &mut findings)?;
    }
    if checked == 0 {
        let file = host.root.display(&dirs.certs).display().to_string();
        findings.push(
            Finding::error(file, "no KubeEdge certificate found").hint(
                "make the certificate of the stream server: edge-certgen stream; cloudcore makes the others itself",
            ),
        );
    }
    Ok(host.report.findings(&findings))
}

fn kinds(what: CheckTarget) -> Vec<Kind> {
    match what {
        CheckTarget::Stream => vec![Kind::Stream],
        CheckTarget::Ca => vec![Kind::Ca],
        CheckTarget::Server => vec![Kind::Server],
        CheckTarget::Edge => vec![Kind::Edge],
        CheckTarget::All => vec![Kind::Stream, Kind::Ca, Kind::Server, Kind::Edge],
    }
}

/// The SANs that cloudcore's certificates must have: those given, or else those in cloudcore.yaml.
fn expected_names(host: &Host, dirs: &Dirs, given: &Names, findings: &mut Vec<Finding>) -> Result<Vec<Name>> {
    let expected = request::names_or_variables(given)?;
    let Some((path, read)) = cloudcore::read(host)? else { return Ok(expected) };
    let file = path.display().to_string();
    let mut warn = |text: String, hint: Option<String>| {
        findings.push(Finding { hint, ..Finding::warning(&file, text) });
    };
    let found = match read {
        Ok(found) => found,
        Err(why) => {
            warn(why, None);
            return Ok(expected);
        }
    };
    for entry in &found.invalid {
        warn(format!("{entry:?} is not a valid address or name"), None);
    }
    if let Some(other) = found.stream_certificate.filter(|path| *path != dirs.certificate(&Kind::Stream)) {
        let dir = other.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
        warn(
            format!("tlsStreamCertFile is {}, which this check does not read", other.display()),
            Some(format!("check that one: edge-certgen check stream --cert-dir {dir}")),
        );
    }
    Ok(if expected.is_empty() { names::collect(found.names) } else { expected })
}

#[allow(clippy::too_many_arguments, reason = "one call site; each is another part of the check")]
fn check_pair(
    host: &mut Host,
    options: &Options,
    dirs: &Dirs,
    kind: &Kind,
    pair: &Pair,
    expected: &[Name],
    now: i64,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let chain = chain(host, options, dirs, kind)?;
    let of_server = matches!(kind, Kind::Stream | Kind::Server);
    let check = PairCheck {
        pair,
        kind,
        loads: kind.entry()?.loads,
        certificate_file: host.root.display(&pair.certificate_path).display().to_string(),
        key_file: host.root.display(&pair.key_path).display().to_string(),
        names: if of_server { expected } else { &[] },
        renew_before: options.renew_before,
        now,
    };
    if let Some(certificate) = pair.certificate.valid() {
        host.report.line(&format!(
            "{}: {}, {}{}",
            check.certificate_file,
            end_shown(certificate, now),
            certificate.key_shown(),
            if certificate.names.is_empty() {
                String::new()
            } else {
                format!(", {}", names::shown(&certificate.names))
            },
        ));
        let key_file = (pair.matches() == Some(true)).then_some(check.key_file.as_str());
        certificate_record(host, &check.certificate_file, certificate, key_file, now);
    }
    diagnose::pair(&check, findings);
    diagnose::chain(&check, &chain, findings);
    for (path, role) in [(&dirs.certs, "key pairs"), (&dirs.ca, "CAs")] {
        if let State::Directory { mode, .. } = host.root.find(path)?.state {
            diagnose::directory(&host.root.display(path).display().to_string(), role, mode, findings);
        }
    }
    Ok(())
}

/// The CA that must have signed a certificate of this kind.
fn chain(host: &Host, options: &Options, dirs: &Dirs, kind: &Kind) -> Result<Chain> {
    if *kind == Kind::Ca {
        return Ok(Chain::Itself);
    }
    let path = if *kind == Kind::Stream { dirs.stream_ca() } else { dirs.certificate(&Kind::Ca) };
    let given = request::authority(options, kind)?;
    let (bytes, file, exposes_key) = match &given.certificate {
        Some(path) => (facts::own_file(path)?, facts::own_name(path), false),
        None => {
            let found = host.root.find(&path)?;
            let exposes_key = diagnose::exposes_key(&found);
            (host.root.read(&path)?, host.root.display(&path).display().to_string(), exposes_key)
        }
    };
    let read = match bytes {
        None => Read::Absent,
        Some(bytes) => match Certificate::from_pem(&bytes) {
            Ok(certificate) => Read::Valid(certificate),
            Err(why) => Read::Invalid(why),
        },
    };
    Ok(Chain::Signed { file, read: Box::new(read), exposes_key })
}
