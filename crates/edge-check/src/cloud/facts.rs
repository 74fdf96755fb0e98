//! What cloudcore.yaml names, who listens, and what answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use edge_firewall::{Family, Outgoing};
use edge_host::{Error, Host, Result, ResultExt, SocketOwner, SocketState, socket_owners, sockets};
use edge_hub::{Address, Failure, Peer, Request, Tls, exchange, look, reach};
use edge_kubeedge::settings::{Settings, texts};
use edge_kubeedge::stream::{HTTPS_PORT, STREAM_PORT, TUNNEL_PORT, WEBSOCKET_PORT, dialled_port};
use edge_kubeedge::tunnelport::Recorded;
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::{Kind, Minor, version};
use edge_pki::cert::Certificate;

use crate::probe::{MOST, deadline, deadline_since};
use crate::redirect::{Rules, family, target};
use crate::running::{Processes, Running};

/// The port that the API server connects to if the version is unknown: that of the first cloudcore from 1.7 on.
const USUAL_DIALLED: u16 = 10351;
/// An API server of kubeadm.
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// A port of cloudcore on this host.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    /// What it serves.
    pub(crate) name: &'static str,
    /// Its number.
    pub(crate) number: u16,
    /// The setting that decides about it.
    pub(crate) setting: &'static str,
    /// The addresses on which something listens there, each with its owner.
    pub(crate) listeners: Vec<(IpAddr, SocketOwner)>,
}

/// The stream server of cloudcore.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// Its port.
    pub(crate) port: u16,
    /// The certificate that it presents.
    pub(crate) presented: Result<Peer, Failure>,
    /// The certificate in the file of its configuration, and that path; none if it cannot be read.
    pub(crate) in_file: Option<(PathBuf, Certificate)>,
    /// Whether it answers a client without a certificate.
    pub(crate) without_certificate: Result<u16, Failure>,
}

/// A port that the API server connects to, and what becomes of it.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    /// The port.
    pub(crate) port: u16,
    /// The cloudcore that has recorded it.
    pub(crate) recorded: Option<IpAddr>,
    /// It is recorded without an address.
    pub(crate) is_without_address: bool,
    /// Where its connections go.
    pub(crate) outgoing: Outgoing,
    /// What to do if that is unknown.
    pub(crate) hint: Option<String>,
    /// Whether something listens where they go.
    pub(crate) reached: Option<Result<SocketAddr, Failure>>,
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The configuration, for messages.
    pub(crate) file: String,
    /// Whether there is one; cloudcore in a pod has it elsewhere.
    pub(crate) has_file: bool,
    /// Whether a cloudcore runs on this host.
    pub(crate) runs: Running,
    /// Whether kubectl logs is on; the ports of the stream are then among the others.
    pub(crate) streams: bool,
    /// The ports.
    pub(crate) ports: Vec<Port>,
    /// The stream server; none if it is off or nothing listens.
    pub(crate) stream: Option<Stream>,
    /// The port of the stream server.
    pub(crate) stream_port: u16,
    /// The address of this cloudcore for a command; `IP` if the configuration has none.
    pub(crate) own_address: String,
    /// Whether an API server runs here.
    pub(crate) has_api_server: Running,
    /// The redirects that an API server needs.
    pub(crate) redirects: Vec<Redirect>,
}

impl Facts {
    /// An API server runs here, and no cloudcore: of ports nothing is expected.
    pub(crate) fn is_api_server_alone(&self) -> bool {
        !self.has_file && self.runs == Running::No && self.has_api_server == Running::Yes
    }
}

/// Reads them; `records` are the ports that cloudcores have recorded, if they were given.
///
/// Errors: exit 1 if the configuration, /proc or the units cannot be read.
pub(crate) fn read(host: &Host, records: Option<&[Recorded]>) -> Result<Facts> {
    let kind = Kind::CloudCore;
    let file = config_in_use(&host.root, kind)?.path;
    let bytes = host.root.read(&file)?;
    let has_file = bytes.is_some();
    let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|_| "it is not UTF-8 text").on("read", &file)?;
    let document = edge_yaml::read(&text).map_err(|error| {
        Error::cannot("read", &file, format!("cloudcore cannot read it: {error}")).hint("edge-conf check")
    })?;
    let version = if has_file { version(&host.root, None, kind, &document, Some(&file))?.version() } else { None };
    let settings = Settings::new(kind, version, &document);
    let own = texts(&document, "modules.cloudHub.advertiseAddress").find_map(|text| text.parse().ok());
    let mut facts = of_settings(&settings, &file, has_file, own);
    let processes = Processes::read(&host.root)?;
    facts.runs = processes.running(kind.program());
    facts.has_api_server = processes.api_server();
    if host.root.entry_kind(Path::new(MANIFEST))?.is_some() {
        facts.has_api_server = Running::Yes;
    }
    listeners(host, &mut facts.ports)?;
    if facts.is_api_server_alone() {
        facts.ports.clear();
    }
    let needs_rules = facts.has_api_server == Running::Yes && (facts.streams || records.is_some());
    let certificate = settings.in_force("modules.cloudStream.tlsStreamCertFile").map(PathBuf::from);
    let is_served = facts.ports.iter().any(|port| port.number == facts.stream_port && !port.listeners.is_empty());
    let to = stream_server(&facts.ports, facts.stream_port);
    let (root, begin) = (&host.root, Instant::now());
    let request = Request::get("/stats/summary");
    let stream = thread::scope(|scope| {
        let presented = is_served.then(|| scope.spawn(|| look(&to, Tls::UNVERIFIED, deadline())));
        let answer = is_served.then(|| {
            let (request, to) = (&request, &to);
            scope.spawn(move || {
                exchange(to, Tls::UNVERIFIED, request, MOST, deadline()).map(|found| found.answer.status)
            })
        });
        let rules = needs_rules.then(|| scope.spawn(|| Rules::read(root)));
        let rules = rules.map(|thread| thread.join().unwrap_or_else(|_| Rules::unread()));
        facts.redirects = rules.map(|rules| redirects(&rules, records, version, own)).unwrap_or_default();
        let reached: Vec<_> = facts
            .redirects
            .iter()
            .map(|redirect| {
                let Outgoing::Redirected(to) = &redirect.outgoing else { return None };
                let to = target(to)?;
                let to = Address::of_ip(to.ip(), to.port());
                Some(scope.spawn(move || reach(&to, deadline_since(begin))))
            })
            .collect();
        for (redirect, thread) in facts.redirects.iter_mut().zip(reached) {
            redirect.reached = thread.and_then(|thread| thread.join().ok());
        }
        Some((presented?.join().ok()?, answer?.join().ok()?))
    });
    facts.stream = stream.map(|(presented, without_certificate)| Stream {
        port: facts.stream_port,
        presented,
        in_file: certificate.and_then(|path| {
            let found = Certificate::from_pem(&host.root.read(&path).ok()??).ok()?;
            Some((path, found))
        }),
        without_certificate,
    });
    Ok(facts)
}

fn of_settings(settings: &Settings<'_>, file: &Path, has_file: bool, own: Option<IpAddr>) -> Facts {
    let port = |path: &str, usual: u16| {
        settings.in_force(path).and_then(|port| port.parse().ok()).filter(|port| *port != 0).unwrap_or(usual)
    };
    let stream_port = port("modules.cloudStream.streamPort", STREAM_PORT);
    // Without a file it is not known; the chart of KubeEdge turns it on.
    let streams = settings.is_on("modules.cloudStream.enable") || !has_file;
    let all = [
        (
            "hub",
            settings.is_on("modules.cloudHub.websocket.enable"),
            ("modules.cloudHub.websocket", port("modules.cloudHub.websocket.port", WEBSOCKET_PORT)),
        ),
        (
            "HTTPS port",
            settings.is_on("modules.cloudHub.https.enable"),
            ("modules.cloudHub.https", port("modules.cloudHub.https.port", HTTPS_PORT)),
        ),
        ("stream port", streams, ("modules.cloudStream.streamPort", stream_port)),
        ("tunnel", streams, ("modules.cloudStream.tunnelPort", port("modules.cloudStream.tunnelPort", TUNNEL_PORT))),
    ];
    let ports = all.into_iter().filter(|(_, is_on, _)| *is_on);
    let ports = ports.map(|(name, _, (setting, number))| Port { name, number, setting, listeners: Vec::new() });
    Facts {
        file: file.display().to_string(),
        has_file,
        runs: Running::No,
        streams,
        ports: ports.collect(),
        stream: None,
        stream_port,
        own_address: own
            .map_or_else(|| "IP".to_owned(), |ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }),
        has_api_server: Running::No,
        redirects: Vec::new(),
    }
}

/// Where this host connects to the stream server: by the loopback address if it listens on all addresses.
fn stream_server(ports: &[Port], number: u16) -> Address {
    let mut listeners = ports.iter().filter(|port| port.number == number).flat_map(|port| &port.listeners);
    let only = listeners.clone().all(|(ip, _)| !ip.is_unspecified()).then(|| listeners.next()).flatten();
    Address::of_ip(only.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |(ip, _)| *ip), number)
}

fn listeners(host: &Host, ports: &mut [Port]) -> Result<()> {
    let is_wanted = |number: u16| ports.iter().any(|port| port.number == number);
    let all = sockets(&host.root)?.into_iter();
    let wanted: Vec<_> = all.filter(|one| one.state == SocketState::Listening && is_wanted(one.local.port())).collect();
    let owners = socket_owners(&host.root, &wanted)?;
    for port in ports {
        let own = wanted.iter().filter(|one| one.local.port() == port.number);
        let owner = |inode: &u64| owners.get(inode).cloned().unwrap_or(SocketOwner::Unknown);
        port.listeners = own.map(|one| (one.local.ip(), owner(&one.inode))).collect();
    }
    Ok(())
}

/// The redirects that were recorded, or the usual one.
fn redirects(
    rules: &Rules,
    records: Option<&[Recorded]>,
    version: Option<Minor>,
    own: Option<IpAddr>,
) -> Vec<Redirect> {
    // Edge nodes have addresses of the family of their cloudcore.
    let family = |recorded: &Recorded| recorded.address.or(own).map_or(Family::V4, family);
    let usual = [Recorded { address: None, port: version.and_then(dialled_port).unwrap_or(USUAL_DIALLED) }];
    let one = |recorded: &Recorded| Redirect {
        port: recorded.port,
        recorded: recorded.address,
        is_without_address: records.is_some() && recorded.address.is_none(),
        outgoing: rules.of(family(recorded), recorded.port, None),
        hint: rules.hint().map(str::to_owned),
        reached: None,
    };
    records.unwrap_or(&usual).iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_server_is_reached_at_the_address_on_which_it_listens() {
        let of = |addresses: &[&str]| {
            let listeners = addresses.iter().map(|ip| (ip.parse().unwrap(), SocketOwner::Unknown)).collect();
            stream_server(&[Port { name: "stream port", number: 10003, setting: "", listeners }], 10003).to_string()
        };
        assert_eq!(of(&["0.0.0.0"]), "127.0.0.1:10003");
        assert_eq!(of(&["::"]), "127.0.0.1:10003");
        assert_eq!(of(&["192.0.2.1", "::"]), "127.0.0.1:10003");
        assert_eq!(of(&["fd00::1"]), "[fd00::1]:10003");
        assert_eq!(of(&["192.0.2.1"]), "192.0.2.1:10003");
    }
}
