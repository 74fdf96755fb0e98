//! What is wrong on the host of cloudcore. Pure.

use std::path::Path;

use edge_firewall::Outgoing;
use edge_host::{Finding, Severity, SocketOwner, StatusLine};
use edge_hub::Failure;
use edge_kubeedge::Kind;
use edge_pki::times;

use super::facts::{Facts, Port, Redirect, Stream};
use crate::redirect::target;
use crate::running::Running;

/// From so many days on the end of a certificate is reported.
const SOON: i64 = 30;
const AS_ROOT: &str = "run it as root (sudo)";

/// The findings, causes only, and the links that were seen to work.
pub(crate) fn judge(facts: &Facts, now: i64) -> (Vec<Finding>, Vec<StatusLine>) {
    let (mut findings, mut links) = (Vec::new(), Vec::new());
    ports(facts, &mut findings, &mut links);
    if !facts.streams {
        let text = "the stream is off: kubectl logs, exec and top fail for edge nodes";
        let finding = Finding::warning(&facts.file, text).at("modules.cloudStream.enable");
        findings.push(finding.hint("edge-conf enable logs"));
    }
    if let Some(stream) = &facts.stream {
        certificate(stream, now, &mut findings, &mut links);
        without_certificate(facts, stream, &mut findings);
    }
    for redirect in &facts.redirects {
        if redirect.is_without_address {
            let text = "it is recorded with an empty address: that cloudcore could not determine its own";
            let hint = "add its host name and address to /etc/hosts on its host, and restart it";
            findings.push(Finding::warning(format!("redirect of port {}", redirect.port), text).hint(hint));
        }
        match of_redirect(facts, redirect) {
            Ok(link) => links.push(link),
            Err(finding) => findings.push(*finding),
        }
    }
    if facts.runs == Running::Yes && facts.streams && facts.has_api_server == Running::No {
        let text = "no API server runs on this host: the redirects are checked on the hosts that have one";
        findings.push(Finding::new(Severity::Note, "", text));
    }
    if facts.has_api_server == Running::Unknown {
        let text = "unknown whether an API server runs on this host, whose redirects would be checked: processes of other users are hidden";
        findings.push(Finding::new(Severity::Note, "", text).hint(AS_ROOT));
    }
    (findings, links)
}

fn ports(facts: &Facts, findings: &mut Vec<Finding>, links: &mut Vec<StatusLine>) {
    if facts.is_api_server_alone() {
        let text = "no cloudcore was found on this host: only the redirects of its API server are checked";
        findings.push(Finding::new(Severity::Note, "", text).hint("also run it on the host of cloudcore"));
        return;
    }
    let is_cloudcore = |owner: &SocketOwner| match owner {
        SocketOwner::Process { program, .. } => Some(Kind::CloudCore.is_program(Path::new(program))),
        SocketOwner::Unknown => None,
        SocketOwner::Outside => Some(false),
    };
    // A foreign program is the cause, whether or not cloudcore runs.
    let foreign = |port: &Port| port.listeners.iter().find(|(_, owner)| is_cloudcore(owner) == Some(false)).cloned();
    for port in &facts.ports {
        // A service of Kubernetes or a proxy may listen for a cloudcore in a pod.
        if let Some((_, owner)) = foreign(port).filter(|_| facts.has_file) {
            let text = format!("the {} of cloudcore is in use by {}", port.name, owner);
            findings.push(
                Finding::error(format!("port {}", port.number), text)
                    .hint("stop that program, or give it another port"),
            );
        }
    }
    let silent: Vec<&Port> = facts.ports.iter().filter(|port| port.listeners.is_empty()).collect();
    if facts.runs != Running::Yes && silent.len() == facts.ports.len() {
        if facts.runs == Running::Unknown && !facts.has_file {
            let text = "unknown whether cloudcore runs on this host: processes of other users are hidden";
            findings.push(Finding::new(Severity::Note, "", text).hint(AS_ROOT));
            return;
        }
        let (text, hint) = if facts.runs == Running::Unknown {
            ("nothing listens on the ports of cloudcore", "see its log: journalctl -u cloudcore -n 20")
        } else if facts.has_file {
            (
                "cloudcore does not run: nothing listens on its ports",
                "systemctl restart cloudcore, and see its log: journalctl -u cloudcore -n 20",
            )
        } else {
            ("cloudcore does not run on this host, and has no configuration here", "run it on the host of cloudcore")
        };
        findings.push(Finding::error(&facts.file, text).hint(hint));
        return;
    }
    for port in &facts.ports {
        if port.listeners.is_empty() {
            let text = format!("nothing listens: the {} of cloudcore does not answer", port.name);
            let finding = Finding::error(format!("port {}", port.number), text);
            findings.push(finding.hint("see the log of cloudcore: journalctl -u cloudcore -n 20"));
        } else if port.listeners.iter().all(|(ip, _)| ip.is_loopback()) {
            let text = format!("the {} listens on this host alone: no other host can connect", port.name);
            findings.push(
                Finding::error(format!("port {}", port.number), text).hint(format!("edge-conf get {}", port.setting)),
            );
        } else if foreign(port).is_none() || !facts.has_file {
            links.push(StatusLine::new(format!("{} {}", port.name, port.number), "ok", "it listens"));
        }
    }
}

/// The certificate that the stream server presents: the API server of k3s and others check it.
fn certificate(stream: &Stream, now: i64, findings: &mut Vec<Finding>, links: &mut Vec<StatusLine>) {
    let place = format!("port {}", stream.port);
    let error = |text: String, hint: &str| Finding::error(&place, text).hint(hint);
    let presented = match &stream.presented {
        Ok(peer) => peer.certificate(),
        Err(failure) => {
            findings.push(error(format!("the stream server does not answer: {failure}"), "edge-certgen check stream"));
            return;
        }
    };
    let presented = match presented {
        Ok(presented) => presented,
        Err(why) => {
            findings.push(error(
                format!("the certificate of the stream server cannot be used: {why}"),
                "edge-certgen check stream",
            ));
            return;
        }
    };
    let (days, end) = (presented.days_left(now), times::date(presented.not_after));
    if now > presented.not_after {
        let text = format!("the certificate that the stream server presents expired on {end}");
        findings.push(error(text, "renew it, and restart cloudcore: edge-certgen stream"));
    } else if let Some((path, _)) =
        stream.in_file.as_ref().filter(|(_, found)| found.fingerprint() != presented.fingerprint())
    {
        let text = format!(
            "the stream server presents a certificate other than the one in {}: cloudcore has not been restarted since it changed",
            path.display()
        );
        findings.push(Finding::warning(&place, text).hint("systemctl restart cloudcore"));
    } else if days <= SOON {
        let text = format!("the certificate of the stream server expires in {} ({end})", times::days(days));
        findings.push(Finding::warning(&place, text).hint("renew it, and restart cloudcore: edge-certgen stream"));
    } else {
        links.push(StatusLine::new(
            "certificate of the stream server",
            "ok",
            format!("valid for {}, expires on {end}", times::days(days)),
        ));
    }
}

/// cloudcore takes requests of everybody there (kubeedge v1.4 to v1.23 `cloud/pkg/cloudstream/streamserver.go`,
/// `RequestClientCert`, which verifies nothing).
fn without_certificate(facts: &Facts, stream: &Stream, findings: &mut Vec<Finding>) {
    let own = facts.ports.iter().find(|port| port.number == stream.port);
    let is_open = own.is_some_and(|port| port.listeners.iter().any(|(ip, _)| !ip.is_loopback()));
    if !is_open {
        return;
    }
    let port = stream.port;
    let place = format!("port {port}");
    match &stream.without_certificate {
        Ok(_) | Err(Failure::TooLarge { .. }) => {
            let text = "it does not require a client certificate: unless a firewall limits it, every host that reaches it can run commands in the pods of edge nodes";
            let accept = |from: &str| format!("iptables -A INPUT {from} -p tcp --dport {port} -j ACCEPT");
            let hint = format!(
                "accept this host and the address of every host with an API server, then drop the others, and again with ip6tables: {} && {} && iptables -A INPUT -p tcp --dport {port} -j DROP",
                accept("-i lo"),
                accept("-s APISERVER")
            );
            findings.push(Finding::warning(place, text).hint(hint));
        }
        Err(Failure::CertificateRequired | Failure::CertificateRefused(_)) => {}
        // It is an error already.
        Err(_) if stream.presented.is_err() => {}
        Err(failure) => {
            let text = format!("unknown whether it requires a client certificate: {failure}");
            findings.push(Finding::new(Severity::Note, place, text));
        }
    }
}

/// Whether a port of edge nodes is redirected to its cloudcore.
fn of_redirect(facts: &Facts, redirect: &Redirect) -> Result<StatusLine, Box<Finding>> {
    let Redirect { port, recorded, outgoing, reached, .. } = redirect;
    let place = format!("redirect of port {port}");
    let address = recorded
        .map_or_else(|| facts.own_address.clone(), |ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
    let add = format!("edge-redirect add {port}={address}:{} --persist", facts.stream_port);
    let error = |text: String, hint: &str| Err(Box::new(Finding::error(&place, text).hint(hint)));
    let to = match outgoing {
        Outgoing::Direct => {
            return error(
                "no rule redirects it: the API server connects to the edge nodes themselves".to_owned(),
                &add,
            );
        }
        Outgoing::Taken(rule) => {
            return error(
                format!("another rule decides about it: {rule}"),
                "see what is in effect: edge-redirect check",
            );
        }
        Outgoing::Unknown(why) => {
            let text = format!("it is unknown whether it is in effect: {why}");
            let hint = redirect.hint.as_deref().unwrap_or("edge-redirect check");
            return Err(Box::new(Finding::warning(&place, text).hint(hint)));
        }
        Outgoing::Redirected(to) => to,
    };
    let Some(found) = target(to) else {
        return error(format!("it is redirected to {to}, which is not an address of cloudcore"), &add);
    };
    if recorded.is_some_and(|ip| ip != found.ip()) {
        return error(format!("it is redirected to {to}, and cloudcore {address} has recorded it"), &add);
    }
    match reached {
        Some(Err(Failure::Refused)) if found.port() != facts.stream_port => error(
            format!("it is redirected to {to}, where nothing listens; the stream port is {}", facts.stream_port),
            &add,
        ),
        Some(Err(failure)) => {
            error(format!("it is redirected to {to}: {failure}"), "on that host, run edge-check cloud")
        }
        Some(Ok(_)) | None => Ok(StatusLine::new(place, "ok", format!("to {to}"))),
    }
}

#[cfg(test)]
mod tests;
