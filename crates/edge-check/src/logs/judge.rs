//! Which hop was the last one that answered. Pure.
//!
//! cloudcore answers at once if it has no tunnel to the node, and sends nothing, not even a status, until edgecore sends
//! something: its answer begins with the first byte of edgecore's (kubeedge v1.4 to v1.23
//! `cloud/pkg/cloudstream/streamserver.go`, `pkg/stream`).

use edge_firewall::Outgoing;
use edge_host::{Finding, StatusLine};
use edge_hub::{Address, Failure, Stage};
use edge_pki::names::Name;

use super::request::Request;
use crate::redirect::target;

/// The findings, of which there is at most one, and the hops that were seen to answer.
///
/// Only behind a redirect it is known whose answer it is.
pub(crate) fn judge(
    request: &Request,
    result: &Result<u16, Failure>,
    outgoing: &Outgoing,
) -> (Option<Finding>, Vec<StatusLine>) {
    // The end of a large answer is not read.
    let status = match result {
        Ok(status) | Err(Failure::TooLarge { status, .. }) => Ok(*status),
        Err(failure) => Err(failure),
    };
    let Outgoing::Redirected(to) = outgoing else { return (Some(elsewhere(request, status, outgoing)), Vec::new()) };
    let node = &request.node;
    let ok = |hop: &str, text: String| StatusLine::new(hop, "ok", text);
    let mut hops = vec![ok("redirect", format!("port {} to {to}", node.port))];
    let failed = |place: &str, text: String, hint: &str| Some(Finding::error(place, text).hint(hint));
    let cloudcore = "on the host of cloudcore, run edge-check cloud";
    let finding = match status {
        Ok(200) => {
            hops.push(ok("cloudcore", "it answers".to_owned()));
            hops.push(ok("tunnel", "the node is connected".to_owned()));
            let what = if request.is_for_pod {
                "it has sent the log, which is not printed"
            } else {
                "it has sent its metrics"
            };
            hops.push(ok("edgecore", what.to_owned()));
            None
        }
        Ok(500) => {
            hops.push(ok("cloudcore", "it answers".to_owned()));
            let pod = if request.is_for_pod { ", or the pod does not exist" } else { "" };
            let hint = "on the node, run edge-check edge; with several cloudcores each redirect must go to the one that the node is connected to";
            failed("tunnel", format!("cloudcore has no tunnel to the node {}{pod}", node.url_host()), hint)
        }
        Ok(status @ (401 | 403)) => {
            let text = format!("a kubelet answers (status {status}), and not cloudcore: {}", way(outgoing));
            failed(&node.to_string(), text, &add(request))
        }
        Ok(status) => {
            let text =
                format!("what answers (status {status}) is not the stream server of cloudcore: {}", way(outgoing));
            failed(&node.to_string(), text, cloudcore)
        }
        // Another TLS server could be as silent.
        Err(Failure::Late(Stage::Answer)) => {
            hops.push(ok(to, "TLS established".to_owned()));
            let text = format!(
                "nothing comes through the tunnel: the last hop that answered is the TLS server at {to}; if that is cloudcore, edgecore does not answer on 127.0.0.1:10350, or its connection is dead"
            );
            failed("edgecore", text, "on the node, run edge-check edge; on the host of cloudcore, edge-check cloud")
        }
        // The route is looked up before the redirect changes the address.
        Err(failure @ Failure::Unreachable(_)) => {
            let text = format!("the connection to {node}, which is redirected to {to}: {failure}");
            let redirected = target(to).map_or_else(|| to.clone(), |to| to.ip().to_string());
            let hint =
                format!("this host needs a route to both: ip route get {}; ip route get {redirected}", bare(node));
            failed("cloudcore", text, &hint)
        }
        Err(failure) => failed("cloudcore", format!("{to}, to which the port is redirected: {failure}"), cloudcore),
    };
    (finding, hops)
}

/// No rule is known to redirect the port: whatever answers, it was not seen to be cloudcore.
fn elsewhere(request: &Request, status: Result<u16, &Failure>, outgoing: &Outgoing) -> Finding {
    let (node, port) = (request.node.to_string(), request.node.port);
    let what = match status {
        Ok(status @ (401 | 403)) => format!("a kubelet answers (status {status})"),
        Ok(status) => format!("it answers with status {status}"),
        Err(failure) => failure.to_string(),
    };
    let is_silent = status.is_err_and(Failure::is_of_network);
    match outgoing {
        Outgoing::Direct if is_silent => {
            let text =
                format!("no rule of this host redirects port {port}: connections go to the node itself, and {what}");
            Finding::error("redirect", text).hint(add(request))
        }
        Outgoing::Direct | Outgoing::Redirected(_) => {
            let text = format!("no rule redirects port {port}: another server answers there: {what}");
            Finding::error("redirect", text).hint(add(request))
        }
        Outgoing::Taken(rule) => {
            let text = format!("another rule decides about port {port} ({rule}): {what}");
            Finding::error("redirect", text).hint("see what is in effect: edge-redirect check")
        }
        Outgoing::Unknown(why) => {
            let text = format!(
                "{what}; which server that is, is unknown, as it is unknown whether a rule redirects the port: {why}"
            );
            let text = if is_silent { format!("{what}; {}", way(outgoing)) } else { text };
            let hint = "run it as root on a host with an API server";
            // The request works, by whatever way.
            if matches!(status, Ok(200)) {
                return Finding::warning(&node, text).hint(hint);
            }
            Finding::error(&node, text).hint(hint)
        }
    }
}

/// The host without brackets.
fn bare(node: &Address) -> String {
    match &node.host {
        Name::Ip(ip) => ip.to_string(),
        Name::Dns(name) => name.clone(),
    }
}

fn way(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Redirected(to) => format!("the port is redirected to {to}"),
        Outgoing::Direct => "no rule of this host redirects the port".to_owned(),
        Outgoing::Taken(rule) => format!("another rule decides about the port: {rule}"),
        Outgoing::Unknown(why) => format!("whether a rule of this host redirects the port is unknown: {why}"),
    }
}

fn add(request: &Request) -> String {
    format!("edge-redirect add {}=IP:10003 --persist", request.node.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "as it is made")]
    #[track_caller]
    fn of(pod: Option<&str>, result: Result<u16, Failure>, outgoing: &Outgoing) -> (String, Vec<String>) {
        let request = Request::new("198.51.100.7:10351", pod).unwrap();
        let (finding, hops) = judge(&request, &result, outgoing);
        let shown = finding.map(|one| format!("{}: {}", one.file, one.text)).unwrap_or_default();
        (shown, hops.into_iter().map(|hop| hop.object).collect())
    }

    #[test]
    fn last_hop_that_answered_is_named() {
        let redirected = Outgoing::Redirected("192.0.2.1:10003".to_owned());
        let all = ["redirect", "cloudcore", "tunnel", "edgecore"].map(str::to_owned).to_vec();
        assert_eq!(of(None, Ok(200), &redirected), (String::new(), all.clone()));
        assert_eq!(
            of(Some("a/b/c"), Err(Failure::TooLarge { limit: 1, status: 200 }), &redirected),
            (String::new(), all.clone())
        );
        let (text, hops) = of(None, Ok(500), &redirected);
        assert_eq!(
            (text.as_str(), hops),
            ("tunnel: cloudcore has no tunnel to the node 198.51.100.7", all[..2].to_vec())
        );
        assert!(of(Some("a/b/c"), Ok(500), &redirected).0.ends_with(", or the pod does not exist"));
        let (text, hops) = of(None, Err(Failure::Late(Stage::Answer)), &redirected);
        assert!(text.starts_with("edgecore: nothing comes through the tunnel: the last hop that answered is the TLS server at 192.0.2.1:10003"), "{text}");
        assert_eq!(hops, ["redirect", "192.0.2.1:10003"]);
        // The status of an answer that is not read to its end counts.
        let large = |status| Err(Failure::TooLarge { limit: 1, status });
        assert!(of(None, large(500), &redirected).0.starts_with("tunnel: cloudcore has no tunnel"));
        assert!(of(None, large(404), &redirected).0.contains("is not the stream server of cloudcore"));
    }

    #[test]
    fn answer_without_a_redirect_is_of_another_server() {
        let late = || Err(Failure::Late(Stage::Answer));
        let other = "redirect: no rule redirects port 10351: another server answers there";
        for result in [Ok(200), Ok(500), late(), Err(Failure::NotTls), Err(Failure::NotHttp)] {
            let shown = format!("{result:?}");
            let (text, hops) = of(None, result, &Outgoing::Direct);
            assert!(text.starts_with(other) && hops.is_empty(), "{shown}: {text} {hops:?}");
        }
        let request = Request::new("198.51.100.7:10351", None).unwrap();
        let hint = judge(&request, &Ok(200), &Outgoing::Direct).0.unwrap().hint;
        assert_eq!(hint.as_deref(), Some("edge-redirect add 10351=IP:10003 --persist"));
        for outgoing in [Outgoing::Taken("rule".to_owned()), Outgoing::Unknown("why".to_owned())] {
            for result in [Ok(200), Ok(500), late()] {
                let (text, hops) = of(None, result, &outgoing);
                assert!(!text.is_empty() && hops.is_empty(), "{text} {hops:?}");
            }
        }
    }

    #[test]
    fn hop_before_cloudcore_is_the_redirect_of_this_host() {
        let redirected = Outgoing::Redirected("192.0.2.1:10003".to_owned());
        let refused = || Err(Failure::Refused);
        let (text, hops) = of(None, refused(), &redirected);
        assert!(
            text.starts_with("cloudcore: 192.0.2.1:10003, to which the port is redirected: the connection is refused")
        );
        assert_eq!(hops, ["redirect"]);
        // Without a route to the node the redirect is not reached.
        let (text, hops) = of(None, Err(Failure::Unreachable("Network is unreachable".to_owned())), &redirected);
        assert_eq!(
            text,
            "cloudcore: the connection to 198.51.100.7:10351, which is redirected to 192.0.2.1:10003: Network is unreachable"
        );
        assert_eq!(hops, ["redirect"]);
        let (text, hops) = of(None, refused(), &Outgoing::Direct);
        assert!(text.starts_with("redirect: no rule of this host redirects port 10351") && hops.is_empty(), "{text}");
        assert!(of(None, refused(), &Outgoing::Unknown("why".to_owned())).0.contains("is unknown: why"));
        assert!(of(None, Ok(401), &Outgoing::Direct).0.contains("a kubelet answers (status 401)"));
        assert!(of(None, Ok(404), &redirected).0.contains("is not the stream server of cloudcore"));
    }
}
