//! Which hop was the last one that answered. Pure.
//!
//! cloudcore answers at once if it has no tunnel to the node, and sends nothing, not even a status, until edgecore sends
//! something: its answer begins with the first byte of edgecore's (kubeedge v1.4 to v1.23
//! `cloud/pkg/cloudstream/streamserver.go`, `pkg/stream`).

use edge_firewall::Outgoing;
use edge_host::{Finding, StatusLine};
use edge_hub::{Failure, Stage};

use super::request::Request;

/// The findings, of which there is at most one, and the hops that answered.
pub(crate) fn judge(
    request: &Request,
    result: &Result<u16, Failure>,
    outgoing: &Outgoing,
) -> (Option<Finding>, Vec<StatusLine>) {
    let node = &request.node;
    let ok = |hop: &str, text: String| StatusLine::new(hop, "ok", text);
    let mut hops = Vec::new();
    if let Outgoing::Redirected(to) = outgoing {
        hops.push(ok("redirect", format!("port {} to {to}", node.port)));
    }
    let failed = |place: &str, text: String, hint: String| Some(Finding::error(place, text).hint(hint));
    let cloudcore = |hops: &mut Vec<StatusLine>, text: &str| hops.push(ok("cloudcore", text.to_owned()));
    let finding = match result {
        // The end of a large answer is not read.
        Ok(200) | Err(Failure::TooLarge(_)) => {
            cloudcore(&mut hops, "it answers");
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
            cloudcore(&mut hops, "it answers");
            let pod = if request.is_for_pod { ", or the pod does not exist" } else { "" };
            let hint = "on the node, run edge-check edge; with several cloudcores each redirect must go to the one that the node is connected to";
            failed("tunnel", format!("cloudcore has no tunnel to the node {}{pod}", node.url_host()), hint.to_owned())
        }
        Ok(status @ (401 | 403)) => {
            let text = format!("a kubelet answers (status {status}), and not cloudcore: {}", way(outgoing));
            failed(&node.to_string(), text, add(request))
        }
        Ok(status) => {
            let text =
                format!("what answers (status {status}) is not the stream server of cloudcore: {}", way(outgoing));
            failed(&node.to_string(), text, "on the host of cloudcore, run edge-check cloud".to_owned())
        }
        Err(Failure::Late(Stage::Answer)) => {
            cloudcore(&mut hops, "it accepts the request");
            hops.push(ok("tunnel", "cloudcore has one to the node".to_owned()));
            let text = "nothing comes through the tunnel: edgecore does not answer on 127.0.0.1:10350, or its connection is dead";
            failed("edgecore", text.to_owned(), "on the node, run edge-check edge".to_owned())
        }
        Err(failure) => unanswered(request, failure, outgoing),
    };
    (finding, hops)
}

/// No hop after the redirect has answered.
fn unanswered(request: &Request, failure: &Failure, outgoing: &Outgoing) -> Option<Finding> {
    let node = request.node.to_string();
    let failed = |place: &str, text: String, hint: String| Some(Finding::error(place, text).hint(hint));
    match outgoing {
        Outgoing::Redirected(to) => {
            let hint = "on the host of cloudcore, run edge-check cloud".to_owned();
            failed("cloudcore", format!("{to}, to which the port is redirected: {failure}"), hint)
        }
        Outgoing::Direct => {
            let text = format!(
                "no rule of this host redirects port {}: connections go to the node itself, and {failure}",
                request.node.port
            );
            failed("redirect", text, add(request))
        }
        Outgoing::Taken(rule) => {
            let text = format!("another rule decides about port {} ({rule}), and {failure}", request.node.port);
            failed("redirect", text, "see what is in effect: edge-redirect check".to_owned())
        }
        Outgoing::Unknown(why) => {
            let text = format!("{failure}; whether a rule of this host redirects the port is unknown: {why}");
            failed(&node, text, "run it as root on a host with an API server".to_owned())
        }
    }
}

fn way(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Redirected(to) => format!("the port is redirected to {to}"),
        Outgoing::Direct => "no rule of this host redirects the port".to_owned(),
        Outgoing::Taken(rule) => format!("another rule decides about the port: {rule}"),
        Outgoing::Unknown(why) => format!("whether a rule redirects the port is unknown: {why}"),
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
        assert_eq!(of(Some("a/b/c"), Err(Failure::TooLarge(1)), &redirected), (String::new(), all.clone()));
        let (text, hops) = of(None, Ok(500), &redirected);
        assert_eq!(
            (text.as_str(), hops),
            ("tunnel: cloudcore has no tunnel to the node 198.51.100.7", all[..2].to_vec())
        );
        assert!(of(Some("a/b/c"), Ok(500), &redirected).0.ends_with(", or the pod does not exist"));
        let (text, hops) = of(None, Err(Failure::Late(Stage::Answer)), &redirected);
        assert!(text.starts_with("edgecore: nothing comes through the tunnel") && hops == all[..3], "{text} {hops:?}");
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
        let (text, hops) = of(None, refused(), &Outgoing::Direct);
        assert!(text.starts_with("redirect: no rule of this host redirects port 10351") && hops.is_empty(), "{text}");
        assert!(of(None, refused(), &Outgoing::Unknown("why".to_owned())).0.contains("is unknown: why"));
        assert!(of(None, Ok(401), &Outgoing::Direct).0.contains("a kubelet answers (status 401)"));
        assert!(of(None, Ok(404), &redirected).0.contains("is not the stream server of cloudcore"));
    }
}
