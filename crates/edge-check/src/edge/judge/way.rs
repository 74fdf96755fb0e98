//! The way to cloudcore: key pair, name, network, clock, TLS.

use edge_host::Finding;
use edge_hub::{Address, Distrust, Failure, Stage};
use edge_kubeedge::stream::HTTPS_PORT;
use edge_pki::names::Name;
use edge_pki::times;

use super::{Facts, Verdict};
use crate::edge::probes::Reached;

/// A difference of clocks that is reported, in seconds.
const MOST_DIFFERENCE: u64 = 60;
/// From so many days on the end of the node's certificate is reported: edgecore renews it earlier while it is connected.
const SOON: i64 = 30;
const HTTPS: &str = "HTTPS port";
const HTTPS_SETTING: &str = "modules.edgeHub.httpServer";

/// A port of cloudcore, and what came of it.
struct Link<'f> {
    name: &'static str,
    /// The setting that has its address.
    setting: &'static str,
    to: &'f Address,
    result: &'f Result<Reached, Failure>,
}

pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    let is_clock_wrong = clock(facts, verdict);
    pair(facts, is_clock_wrong, verdict);
    let links = links(facts);
    // Names and networks come first: of a port that does not answer nothing more is known.
    network(&links, verdict);
    let is_other_ca = other_ca(facts, verdict);
    let mut seen: Vec<(&Name, &Failure)> = Vec::new();
    for link in &links {
        match link.result {
            Ok(reached) => match other_server(link, reached) {
                Some(finding) => verdict.findings.push(finding),
                None => verdict.works(format!("{} {}", link.name, link.to), ""),
            },
            Err(failure) if failure.is_of_network() => {}
            Err(failure) => {
                let follows_from_clock = is_clock_wrong
                    && matches!(failure, Failure::Distrusted(why) if matches!(**why, Distrust::Expired(_) | Distrust::NotYetValid(_)));
                let follows_from_ca = is_other_ca
                    && (matches!(failure, Failure::CertificateRefused(_))
                        || matches!(failure, Failure::Distrusted(why) if matches!(**why, Distrust::OtherCa(_))));
                // What all ports of a host have in common is one cause.
                let cause = (&link.to.host, failure);
                if follows_from_clock || follows_from_ca || seen.contains(&cause) {
                    continue;
                }
                if is_hub_at_https(link) {
                    verdict.findings.push(hub_at_https(link, failure));
                } else {
                    seen.push(cause);
                    verdict.findings.push(of_failure(facts, link, failure));
                }
            }
        }
    }
    if facts.config.hub.is_none() {
        let text = "the hub uses QUIC, which is not probed: whether cloudcore answers there is unknown";
        verdict.findings.push(Finding::new(edge_host::Severity::Note, &facts.config.shown, text));
    }
    if facts.config.https.is_none() {
        let text = "modules.edgeHub.httpServer is not an address of cloudcore: the clock and the CA are not compared, and the certificate cannot be renewed";
        let host = facts.config.hub.as_ref().or(facts.config.tunnel.as_ref()).map(Address::url_host);
        let host = host.unwrap_or_else(|| "HOST".to_owned());
        verdict.findings.push(
            Finding::warning(&facts.config.shown, text)
                .hint(format!("edge-conf set {HTTPS_SETTING}=https://{host}:{HTTPS_PORT}")),
        );
    }
    not_compared(facts, verdict);
}

/// Another server than the one of this link, although it accepts the node.
fn other_server(link: &Link<'_>, reached: &Reached) -> Option<Finding> {
    let text = if link.name != HTTPS {
        // Both verify the nodes (kubeedge v1.4 to v1.23 `cloud/pkg/cloudhub/servers`, `cloud/pkg/cloudstream`).
        if reached.verifies_clients {
            return None;
        }
        format!("the server does not verify client certificates: it is not the {} of cloudcore", link.name)
    } else if reached.status != 200 {
        format!("the request for /ca.crt is answered with status {}, and not with the CA", reached.status)
    } else if reached.is_certificate {
        return None;
    } else {
        "the answer to the request for /ca.crt is not a certificate".to_owned()
    };
    Some(Finding::error(link.to.to_string(), format!("{}: {text}", link.name)).hint(is_that(link)))
}

fn is_that(link: &Link<'_>) -> String {
    format!("is that the {} of cloudcore? check its address: edge-conf get {}", link.name, link.setting)
}

/// What was not compared with cloudcore, although its HTTPS port works.
fn not_compared(facts: &Facts, verdict: &mut Verdict) {
    let (Some(to), Some(Ok(reached))) = (&facts.config.https, &facts.probes.https) else { return };
    let mut note = |what: &str, why: &str| {
        let text = format!("{what} was not compared with that of cloudcore: {why}");
        verdict.findings.push(Finding::new(edge_host::Severity::Note, to.to_string(), text));
    };
    if facts.probes.clocks.is_none() {
        note("the clock", "its answer has no date that can be read");
    }
    // Any other answer than the CA is an error already.
    if facts.probes.ca.is_none() && reached.is_certificate {
        note("the CA", "the request for it was not answered");
    }
}

/// Clocks that differ make certificates invalid; whether they do. A smaller difference is a warning.
fn clock(facts: &Facts, verdict: &mut Verdict) -> bool {
    let Some((server, own)) = facts.probes.clocks else { return false };
    let difference = own.abs_diff(server);
    if difference <= MOST_DIFFERENCE {
        verdict.works("clock", "within 60 seconds of cloudcore's");
        return false;
    }
    let direction = if own > server { "ahead of" } else { "behind" };
    let text = format!(
        "the clock of this host is {} {direction} that of cloudcore: {} here, {} there",
        span(difference),
        times::rfc3339(own),
        times::rfc3339(server)
    );
    let is_invalid = |result: &Option<Result<Reached, Failure>>| matches!(result, Some(Err(Failure::Distrusted(why))) if matches!(**why, Distrust::Expired(_) | Distrust::NotYetValid(_)));
    let probes = &facts.probes;
    // Valid at one of both times, and not at the other.
    let is_own_invalid = facts.pair.as_ref().is_ok_and(|pair| {
        let is_valid = |at: i64| (pair.certificate.not_before..=pair.certificate.not_after).contains(&at);
        is_valid(own) != is_valid(server)
    });
    let is_cause = is_own_invalid || [&probes.https, &probes.hub, &probes.tunnel].into_iter().any(is_invalid);
    let finding = if is_cause { Finding::error("clock", text) } else { Finding::warning("clock", text) };
    verdict
        .findings
        .push(finding.hint("compare both with a third one, and set the wrong one: timedatectl set-ntp true"));
    is_cause
}

fn pair(facts: &Facts, is_clock_wrong: bool, verdict: &mut Verdict) {
    // A tunnel with files of its own has most of them in common with the hub.
    let of_tunnel = facts.tunnel_pair.as_ref().filter(|tunnel| match (tunnel, &facts.pair) {
        (Ok(tunnel), Ok(hub)) => tunnel.shown != hub.shown,
        (Err(tunnel), Err(hub)) => tunnel != hub,
        (..) => true,
    });
    for pair in [Some(&facts.pair), of_tunnel].into_iter().flatten() {
        let pair = match pair {
            Ok(pair) => pair,
            Err(finding) => {
                verdict.findings.push((**finding).clone());
                continue;
            }
        };
        let (from, to) = (pair.certificate.not_before, pair.certificate.not_after);
        let days = pair.certificate.days_left(facts.now);
        let end = times::date(to);
        if (facts.now > to || facts.now < from) && is_clock_wrong {
            // The clock is the cause.
        } else if facts.now > to {
            let text = format!("the certificate of the node expired on {end}: cloudcore rejects it");
            let hint = format!("get another one with a token: {}", facts.config.join());
            verdict.findings.push(Finding::error(&pair.shown, text).hint(hint));
        } else if facts.now < from {
            let text = format!("the certificate of the node is valid only from {}", times::rfc3339(from));
            verdict.findings.push(Finding::error(&pair.shown, text).hint("check the clock of this host: timedatectl"));
        } else if days <= SOON {
            let text = format!(
                "the certificate of the node expires in {} ({end}), and edgecore has not renewed it",
                times::days(days)
            );
            let hint = "edgecore renews it while it is connected: check modules.edgeHub.rotateCertificates";
            verdict.findings.push(Finding::warning(&pair.shown, text).hint(hint));
        } else {
            verdict.works("certificate of the node", format!("valid for {}, expires on {end}", times::days(days)));
        }
    }
}

fn links(facts: &Facts) -> Vec<Link<'_>> {
    let (config, probes) = (&facts.config, &facts.probes);
    let all = [
        // The hub is none if it is that of QUIC.
        ("hub", "modules.edgeHub.websocket.server", &config.hub, &probes.hub),
        (HTTPS, HTTPS_SETTING, &config.https, &probes.https),
        ("tunnel", "modules.edgeStream.server", &config.tunnel, &probes.tunnel),
    ];
    all.into_iter()
        .filter_map(|(name, setting, to, result)| {
            Some(Link { name, setting, to: to.as_ref()?, result: result.as_ref()? })
        })
        .collect()
}

/// Ports of one host that fail in the same way are one cause.
fn network(links: &[Link<'_>], verdict: &mut Verdict) {
    let mut seen: Vec<(&Address, &Failure, Vec<String>)> = Vec::new();
    for link in links {
        let Err(failure) = link.result else { continue };
        if !failure.is_of_network() {
            continue;
        }
        let port = format!("{} ({})", link.to.port, link.name);
        match seen.iter_mut().find(|(other, cause, _)| other.host == link.to.host && *cause == failure) {
            Some((.., ports)) => ports.push(port),
            None => seen.push((link.to, failure, vec![port])),
        }
    }
    for (to, failure, ports) in seen {
        let host = to.url_host();
        let plural = if ports.len() == 1 { "" } else { "s" };
        let of_ports = || format!("port{plural} {}: {failure}", ports.join(", "));
        let (text, hint) = match failure {
            Failure::Unresolved(_) | Failure::Late(Stage::Resolve) => {
                (failure.to_string(), format!("check DNS, or add the name to /etc/hosts: getent hosts {host}"))
            }
            Failure::Refused => {
                let hint = "on the host of cloudcore, run edge-check cloud; behind a NodePort the ports are 30000, 30002 and 30004";
                (of_ports(), hint.to_owned())
            }
            _ => (of_ports(), "check routes and firewalls between this host and cloudcore".to_owned()),
        };
        verdict.findings.push(Finding::error(&host, text).hint(hint));
    }
}

/// Whether cloudcore hands out another CA than the node trusts.
fn other_ca(facts: &Facts, verdict: &mut Verdict) -> bool {
    let (Some(served), Ok(pair)) = (&facts.probes.ca, &facts.pair) else { return false };
    let Ok(served) = edge_pki::cert::Certificate::from_der(served) else { return false };
    if served.fingerprint() == pair.ca.fingerprint() {
        return false;
    }
    let https = facts.config.https.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = format!(
        "cloudcore at {https} has another CA than the one of this node: it was installed again, or it is another cloudcore"
    );
    let hint = format!("join again with a token of that cloudcore: {}", facts.config.join());
    verdict.findings.push(Finding::error(facts.config.files.ca.as_path(), text).hint(hint));
    true
}

/// A node that joins has no certificate yet: the HTTPS port never requires one.
fn is_hub_at_https(link: &Link<'_>) -> bool {
    link.name == HTTPS && matches!(link.result, Err(Failure::CertificateRequired))
}

fn hub_at_https(link: &Link<'_>, failure: &Failure) -> Finding {
    let text = format!("{HTTPS}: {failure}: that is the hub's port");
    Finding::error(link.to.to_string(), text)
        .hint(format!("edge-conf set {HTTPS_SETTING}=https://{}:{HTTPS_PORT}", link.to.url_host()))
}

fn of_failure(facts: &Facts, link: &Link<'_>, failure: &Failure) -> Finding {
    let finding = Finding::error(link.to.to_string(), format!("{}: {failure}", link.name));
    let hint = match failure {
        Failure::Distrusted(why) => match **why {
            Distrust::WrongName { .. } => format!(
                "on the host of cloudcore, add {} to modules.cloudHub.advertiseAddress, delete Secret kubeedge/cloudcoresecret, and restart cloudcore",
                link.to.url_host()
            ),
            Distrust::OtherCa(_) => {
                format!(
                    "another server answers there, or cloudcore was installed again: join again: {}",
                    facts.config.join()
                )
            }
            _ => "on the host of cloudcore, run edge-certgen check".to_owned(),
        },
        Failure::CertificateRefused(_) => format!("join again: {}", facts.config.join()),
        Failure::NotTls | Failure::NotHttp | Failure::Handshake(_) => is_that(link),
        _ => "on the host of cloudcore, run edge-check cloud".to_owned(),
    };
    finding.hint(hint)
}

/// A span in its largest unit that has two or more of them.
fn span(seconds: u64) -> String {
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}
