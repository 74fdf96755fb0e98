//! Each problem of the host of cloudcore.

use std::net::{IpAddr, Ipv4Addr};

use edge_hub::Stage;

use super::*;

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn port(name: &'static str, number: u16) -> Port {
    let owner = SocketOwner::Process { pid: 7, program: "/usr/local/bin/cloudcore".to_owned() };
    Port { name, number, setting: "modules.cloudHub.https", listeners: vec![(ANY, owner)] }
}

fn facts() -> Facts {
    Facts {
        file: "cloudcore.yaml".to_owned(),
        has_file: true,
        runs: Running::Yes,
        streams: true,
        ports: vec![port("hub", 10000), port("stream port", 10003)],
        stream: None,
        stream_port: 10003,
        own_address: "192.0.2.1".to_owned(),
        has_api_server: Running::Yes,
        redirects: vec![Redirect {
            port: 10351,
            recorded: Some("192.0.2.1".parse().unwrap()),
            is_without_address: false,
            outgoing: Outgoing::Redirected("192.0.2.1:10003".to_owned()),
            hint: None,
            reached: Some(Ok("192.0.2.1:10003".parse().unwrap())),
        }],
    }
}

#[track_caller]
fn found(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = facts();
    change(&mut facts);
    let all = judge(&facts, 0).0;
    all.iter().map(|one| format!("{}: {}: {}", one.file, one.severity.word(), one.text)).collect()
}

#[test]
fn cloud_without_a_problem_has_no_finding() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    assert_eq!(found(|facts| facts.has_api_server = Running::No).len(), 1, "a note");
}

#[test]
fn ports_are_judged_by_who_listens() {
    let foreign = found(|facts| {
        facts.ports[0].listeners[0].1 = SocketOwner::Process { pid: 8, program: "/usr/sbin/nginx".to_owned() }
    });
    assert_eq!(foreign, ["port 10000: error: the hub of cloudcore is in use by /usr/sbin/nginx (process 8)"]);
    let loopback = found(|facts| facts.ports[0].listeners[0].0 = IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(loopback, ["port 10000: error: the hub listens on this host alone: no other host can connect"]);
    let silent = found(|facts| facts.ports[0].listeners.clear());
    assert_eq!(silent, ["port 10000: error: nothing listens: the hub of cloudcore does not answer"]);
    let stopped = |facts: &mut Facts| {
        facts.runs = Running::No;
        facts.ports.iter_mut().for_each(|port| port.listeners.clear());
        facts.redirects.clear();
    };
    assert_eq!(found(stopped), ["cloudcore.yaml: error: cloudcore does not run: nothing listens on its ports"]);
    // A proxy of a service may listen for a cloudcore in a pod.
    assert_eq!(
        found(|facts| {
            facts.has_file = false;
            facts.ports[0].listeners[0].1 = SocketOwner::Outside;
        }),
        Vec::<String>::new()
    );
}

#[test]
fn redirects_are_judged_by_where_connections_go() {
    let of = |outgoing: Outgoing, reached: Option<Failure>| {
        found(|facts| {
            facts.redirects[0].outgoing = outgoing;
            facts.redirects[0].reached = reached.map(Err);
        })
    };
    let to = |text: &str| Outgoing::Redirected(text.to_owned());
    let place = "redirect of port 10351";
    assert_eq!(
        of(Outgoing::Direct, None),
        [format!("{place}: error: no rule redirects it: the API server connects to the edge nodes themselves")]
    );
    assert_eq!(
        of(Outgoing::Unknown("why".to_owned()), None),
        [format!("{place}: warning: it is unknown whether it is in effect: why")]
    );
    assert_eq!(
        of(to("192.0.2.9:10003"), None),
        [format!("{place}: error: it is redirected to 192.0.2.9:10003, and cloudcore 192.0.2.1 has recorded it")]
    );
    assert_eq!(
        of(to(":10003"), None),
        [format!("{place}: error: it is redirected to :10003, which is not an address of cloudcore")]
    );
    assert_eq!(
        of(to("192.0.2.1:10003"), Some(Failure::Late(Stage::Connect))),
        [format!("{place}: error: it is redirected to 192.0.2.1:10003: the connection is not answered in time")]
    );
}

#[test]
fn host_of_an_api_server_alone_has_no_port_errors() {
    let alone = |facts: &mut Facts| {
        (facts.has_file, facts.runs) = (false, Running::No);
        facts.ports.iter_mut().for_each(|port| port.listeners.clear());
    };
    assert_eq!(
        found(alone),
        [": note: no cloudcore was found on this host: only the redirects of its API server are checked"]
    );
    let broken = found(|facts| {
        alone(facts);
        facts.redirects[0].outgoing = Outgoing::Direct;
    });
    assert!(broken.len() == 2 && broken[1].starts_with("redirect of port 10351: error: no rule"), "{broken:?}");
}

#[test]
fn hidden_processes_are_unknown_and_not_absent() {
    let unknown = found(|facts| {
        (facts.runs, facts.has_api_server) = (Running::Unknown, Running::Unknown);
        facts.has_file = false;
        facts.ports.iter_mut().for_each(|port| port.listeners.clear());
        facts.redirects.clear();
    });
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    assert!(unknown.iter().all(|line| line.starts_with(": note: unknown whether ")), "{unknown:?}");
}

#[test]
fn recorded_port_without_an_address_is_a_finding() {
    let found = found(|facts| (facts.redirects[0].recorded, facts.redirects[0].is_without_address) = (None, true));
    assert_eq!(
        found,
        [
            "redirect of port 10351: warning: it is recorded with an empty address: that cloudcore could not determine its own"
        ]
    );
}

#[test]
fn stream_server_without_client_certificates_is_a_warning_and_unknown_a_note() {
    let of = |without_certificate| {
        let mut facts = facts();
        let address = "127.0.0.1:10003".parse().unwrap();
        // Without a certificate, which is an error of its own.
        let presented = Ok(edge_hub::Peer { address, certificates: Vec::new(), verifies_clients: true });
        facts.stream = Some(Stream { port: 10003, presented, in_file: None, without_certificate });
        let all = judge(&facts, 0).0;
        all.into_iter().filter(|one| one.severity != Severity::Error).collect::<Vec<_>>()
    };
    let open = of(Ok(404));
    assert!(
        open.len() == 1
            && open[0].text.starts_with("it does not require a client certificate: unless a firewall limits it")
    );
    // Accept rules come before the drop.
    let hint = open[0].hint.clone().unwrap();
    let at = |text: &str| hint.find(text).unwrap();
    // As printed nothing is dropped: iptables fails with the placeholder, and what follows is not run.
    assert!(!hint.contains("; ") && hint.matches(" && iptables ").count() == 2, "{hint}");
    assert!(at("-i lo") < at("-s APISERVER") && at("-s APISERVER") < at("-j DROP") && !hint.contains("! -s"), "{hint}");
    assert!(of(Err(Failure::CertificateRequired)).is_empty());
    let unknown = of(Err(Failure::Late(Stage::Answer)));
    assert!(unknown.len() == 1 && unknown[0].severity == Severity::Note, "{unknown:?}");
    assert!(unknown[0].text.starts_with("unknown whether it requires a client certificate: "), "{unknown:?}");
}
