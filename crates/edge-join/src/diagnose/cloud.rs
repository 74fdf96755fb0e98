//! Whether cloudcore can be reached, and is the one that the token is for.

use edge_host::Finding;
use edge_hub::{Address, Answer, Distrust, Exchange, Failure, Stage};
use edge_pki::names;

use crate::facts::cloud::CloudFacts;
use crate::request::Cloud;

const NODE_PORT: &str =
    "a cloudcore behind a NodePort service has --https-port 30002 --hub-port 30000 --tunnel-port 30004";
const TUNNEL: &str = "--tunnel-port";
/// What cloudcore 1.20 and later say of a node.
const NODE_ABSENT: &str = "Node not found";

/// What is wrong with the ports. After a finding about the HTTPS port nothing else is known of cloudcore.
pub fn ports(cloud: &Cloud, facts: &CloudFacts) -> Vec<Finding> {
    let https = facts.ca.as_ref().err().filter(|failure| failure.is_of_network());
    let all = [
        (&cloud.https, "HTTPS", "--https-port", https),
        (&cloud.hub, "hub", "--hub-port", facts.hub.as_ref().err()),
        (&cloud.tunnel, "tunnel", TUNNEL, facts.tunnel.as_ref().err()),
    ];
    let ports = all.iter().map(|(to, ..)| to.port.to_string()).collect::<Vec<_>>().join(", ");
    let failed: Vec<_> =
        all.iter().filter_map(|(to, name, option, failure)| Some((to, name, option, (*failure)?))).collect();
    if let (true, Some((to, .., failure))) = (failed.len() == all.len(), failed.first()) {
        return vec![host(to, &ports, failure)];
    }
    failed.into_iter().map(|(to, name, option, failure)| port(to, name, option, failure)).collect()
}

/// No port of the host accepts a connection.
fn host(to: &Address, ports: &str, failure: &Failure) -> Finding {
    let host = to.url_host();
    let text = match failure {
        Failure::Refused => format!("cannot connect to cloudcore: nothing listens on its ports {ports}"),
        _ => format!("cannot connect to cloudcore: {failure}"),
    };
    Finding::error(&host, text).hint(match failure {
        Failure::Refused => format!("start cloudcore there, or name its ports; {NODE_PORT}"),
        Failure::Unresolved(_) | Failure::Late(Stage::Resolve) => {
            format!("check --cloudcore and DNS: getent hosts {host}")
        }
        _ => format!(
            "check --cloudcore, the route and firewalls on the way: ip route get {}",
            host.trim_matches(['[', ']'])
        ),
    })
}

fn port(to: &Address, name: &str, option: &str, failure: &Failure) -> Finding {
    let text = format!("cannot connect to cloudcore's {name} port: {failure}");
    // A cloudcore whose stream is off has no tunnel, and edgecore joins without one.
    if option == TUNNEL {
        let text = format!("{text}; without the tunnel kubectl logs and exec do not reach this node");
        let hint = format!(
            "for them, turn the stream on, on the host of cloudcore: edge-conf enable logs; or name the port with {option}"
        );
        return Finding::warning(to.to_string(), text).hint(hint);
    }
    let finding = Finding::error(to.to_string(), text);
    finding.hint(format!("open the port on the way to cloudcore, or name it with {option}; {NODE_PORT}"))
}

/// What is wrong with the answer to GET /ca.crt.
pub fn authority(cloud: &Cloud, facts: &CloudFacts) -> Option<Finding> {
    let at = cloud.https.to_string();
    let not_cloudcore = |text: String| {
        let hint =
            format!("check --cloudcore and --https-port, and that no proxy or login page is on the way; {NODE_PORT}");
        Some(Finding::error(&at, text).hint(hint))
    };
    match &facts.ca {
        Err(failure) if failure.is_of_network() => None,
        Err(Failure::CertificateRequired) => Some(
            Finding::error(&at, "this is a hub or tunnel port of cloudcore, which requires a client certificate, and not its HTTPS port")
                .hint(format!("name the HTTPS port: --https-port 10002; {NODE_PORT}")),
        ),
        Err(failure) => not_cloudcore(format!("this is not cloudcore's HTTPS port: {failure}")),
        Ok(answer) => {
            let why = unusual(answer)?;
            not_cloudcore(format!("this is not cloudcore's HTTPS port: GET /ca.crt is answered with {why}"))
        }
    }
}

/// What an answer that should be a certificate is instead.
fn unusual(answer: &Answer) -> Option<String> {
    if (300..400).contains(&answer.status) {
        return Some(format!("a redirect ({})", answer.status));
    }
    if answer.is_html() {
        return Some(format!("a page for browsers ({})", answer.status));
    }
    if answer.status != 200 {
        return Some(format!("status {}", answer.status));
    }
    if answer.body.is_empty() {
        return Some("nothing".to_owned());
    }
    let is_certificate = edge_pki::cert::Certificate::from_der(&answer.body).is_ok();
    (!is_certificate).then(|| "something that is not a certificate".to_owned())
}

/// What is wrong with the server's certificate, or with the connection that it secures.
pub fn server(cloud: &Cloud, failure: &Failure) -> Finding {
    let at = cloud.https.to_string();
    let Failure::Distrusted(why) = failure else {
        return Finding::error(at, format!("cloudcore does not answer: {failure}")).hint("see the log of cloudcore");
    };
    let hint = match &**why {
        Distrust::WrongName { host, certificate } => {
            let usable: Vec<String> = certificate.names.iter().map(|name| match name {
                names::Name::Ip(ip) => ip.to_string(),
                names::Name::Dns(name) => name.clone(),
            }).collect();
            let other = match usable.first() {
                Some(first) => format!("join by a name that it has (--cloudcore {first}), or "),
                None => String::new(),
            };
            let bare = host.to_string();
            let bare = bare.split_once(':').map_or(bare.as_str(), |(_, bare)| bare);
            format!(
                "{other}on the cloud side add {bare} to modules.cloudHub.advertiseAddress (dnsNames for a name), delete the old certificate (kubectl delete secret -n kubeedge cloudcoresecret) and restart cloudcore"
            )
        }
        Distrust::Expired(_) | Distrust::Authority(..) => {
            "on the cloud side delete the old certificate (kubectl delete secret -n kubeedge cloudcoresecret) and restart cloudcore".to_owned()
        }
        Distrust::NotYetValid(_) => "set the clock of this host: timedatectl set-ntp true".to_owned(),
        Distrust::OtherCa(_) | Distrust::Damaged(_) | Distrust::NotForServers(_) => {
            "something else answers in place of cloudcore, or cloudcore was restarted with another CA: restart cloudcore, and check --cloudcore".to_owned()
        }
    };
    Finding::error(at, format!("cloudcore cannot be trusted: {why}")).hint(hint)
}

/// What cloudcore says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The API server has it.
    Yes,
    /// The API server does not have it.
    No,
    /// Versions before 1.20 do not know, and answer as for any other path.
    Unknown,
    /// Another status: it failed.
    Failed(u16),
}

impl Registered {
    /// Reads the answer to GET /node/NAME.
    pub fn of(answer: &Answer) -> Registered {
        match answer.status {
            200 => Registered::Yes,
            404 if answer.text() == NODE_ABSENT => Registered::No,
            404 => Registered::Unknown,
            status => Registered::Failed(status),
        }
    }
}

/// What cloudcore says of the name of the node, or why it does not answer.
pub fn asked(cloud: &Cloud, asked: Result<Exchange, Failure>, name: &str, is_joined: bool) -> Option<Finding> {
    match asked {
        Ok(exchange) => node(cloud, &exchange, name, is_joined),
        Err(failure) => Some(server(cloud, &failure)),
    }
}

/// What cloudcore says of the name of the node. Versions before 1.20 do not know.
pub fn node(cloud: &Cloud, exchange: &Exchange, name: &str, is_joined: bool) -> Option<Finding> {
    let at = cloud.https.to_string();
    match Registered::of(&exchange.answer) {
        Registered::Yes if is_joined => None,
        Registered::Yes => Some(
            Finding::warning(&at, format!("a node {name} is registered already: two hosts with one name take turns"))
                .hint(format!(
                    "if it is another host, use --node-name NAME; if it is a leftover: kubectl delete node {name}"
                )),
        ),
        Registered::No => None,
        Registered::Unknown => Some(Finding::new(
            edge_host::Severity::Note,
            &at,
            format!("this cloudcore is older than 1.20 and does not say whether a node {name} is registered already"),
        )),
        Registered::Failed(status) => Some(
            Finding::error(&at, format!("cloudcore answers {status} to the question for node {name}"))
                .hint("see the log of cloudcore"),
        ),
    }
}
