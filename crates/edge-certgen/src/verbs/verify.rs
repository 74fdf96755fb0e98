//! `edge-certgen verify`.

use edge_host::{Finding, Host, Outcome, Result, State};

use crate::cert::Certificate;
use crate::cli::{Names, Options, VerifyTarget};
use crate::cloudcore;
use crate::facts::{self, Pair, Read};
use crate::judge::{self, Chain, PairCheck};
use crate::kind::{Dirs, Kind};
use crate::names::Name;
use crate::report::{certificate_record, end_shown};
use crate::{names, wanted};

pub(crate) fn run(host: &mut Host, options: &Options, what: VerifyTarget, given: &Names) -> Result<Outcome> {
    let dirs = wanted::dirs(host, options)?;
    let mut findings = Vec::new();
    let asked = wanted_names(host, &dirs, given, &mut findings)?;
    let now = facts::now();
    let mut seen = 0;
    for kind in kinds(what) {
        let pair = facts::pair(host, &dirs, &kind)?;
        let is_there = pair.certificate_found.exists() || pair.key_found.exists();
        if what == VerifyTarget::All && !is_there {
            continue;
        }
        seen += 1;
        look_at(host, options, &dirs, &kind, &pair, &asked, now, &mut findings)?;
    }
    if seen == 0 {
        let file = host.root.display(&dirs.certs).display().to_string();
        findings.push(
            Finding::error(file, "no certificate of KubeEdge is here")
                .hint("edge-certgen stream --ip IP makes the stream's; cloudcore makes its others itself"),
        );
    }
    Ok(host.report.findings(&findings))
}

fn kinds(what: VerifyTarget) -> Vec<Kind> {
    match what {
        VerifyTarget::Stream => vec![Kind::Stream],
        VerifyTarget::Ca => vec![Kind::Ca],
        VerifyTarget::Server => vec![Kind::Server],
        VerifyTarget::Edge => vec![Kind::Edge],
        VerifyTarget::All => vec![Kind::Stream, Kind::Ca, Kind::Server, Kind::Edge],
    }
}

/// The names that cloudcore's certificates must have: given, else those in cloudcore.yaml.
fn wanted_names(host: &Host, dirs: &Dirs, given: &Names, findings: &mut Vec<Finding>) -> Result<Vec<Name>> {
    let asked = wanted::names_or_variables(given)?;
    let Some((path, read)) = cloudcore::read(host)? else { return Ok(asked) };
    let file = path.display().to_string();
    let mut warn = |text: String, hint: Option<String>| {
        findings.push(Finding { hint, ..Finding::warning(&file, text) });
    };
    let found = match read {
        Ok(found) => found,
        Err(why) => {
            warn(format!("its addresses are not known: {why}"), None);
            return Ok(asked);
        }
    };
    for odd in &found.odd {
        warn(format!("{odd:?} is neither an address nor a name"), None);
    }
    if let Some(other) = found.stream_certificate.filter(|path| *path != dirs.certificate(&Kind::Stream)) {
        let dir = other.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
        warn(
            format!("the stream's certificate is another there: {}", other.display()),
            Some(format!("--cert-dir {dir} looks at that one")),
        );
    }
    Ok(if asked.is_empty() { names::collect(found.names) } else { asked })
}

#[allow(clippy::too_many_arguments, reason = "one call site; each is another part of what is looked at")]
fn look_at(
    host: &mut Host,
    options: &Options,
    dirs: &Dirs,
    kind: &Kind,
    pair: &Pair,
    asked: &[Name],
    now: i64,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let chain = chain(host, options, dirs, kind)?;
    let of_server = matches!(kind, Kind::Stream | Kind::Server);
    let check = PairCheck {
        pair,
        kind,
        loads: kind.knowledge()?.loads,
        certificate_file: host.root.display(&pair.certificate_path).display().to_string(),
        key_file: host.root.display(&pair.key_path).display().to_string(),
        names: if of_server { asked } else { &[] },
        renew_before: options.renew_before,
        now,
    };
    if let Some(certificate) = pair.certificate.good() {
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
    judge::pair(&check, findings);
    judge::chain(&check, &chain, findings);
    for (path, role) in [(&dirs.certs, "pairs"), (&dirs.ca, "CAs")] {
        if let State::Directory { mode, .. } = host.root.find(path)?.state {
            judge::directory(&host.root.display(path).display().to_string(), role, mode, findings);
        }
    }
    Ok(())
}

/// The CA that must have signed a kind.
fn chain(host: &Host, options: &Options, dirs: &Dirs, kind: &Kind) -> Result<Chain> {
    if *kind == Kind::Ca {
        return Ok(Chain::Itself);
    }
    let path = if *kind == Kind::Stream { dirs.stream_ca() } else { dirs.certificate(&Kind::Ca) };
    let given = wanted::authority(options, kind)?;
    let (bytes, file, bares_key) = match &given.certificate {
        Some(path) => (facts::own_file(path)?, facts::own_name(path), false),
        None => {
            let found = host.root.find(&path)?;
            let bares_key = judge::bares_key(&found);
            (host.root.read(&path)?, host.root.display(&path).display().to_string(), bares_key)
        }
    };
    let read = match bytes {
        None => Read::Absent,
        Some(bytes) => match Certificate::from_pem(&bytes) {
            Ok(certificate) => Read::Good(certificate),
            Err(why) => Read::Bad(why),
        },
    };
    Ok(Chain::Signed { file, read: Box::new(read), bares_key })
}
