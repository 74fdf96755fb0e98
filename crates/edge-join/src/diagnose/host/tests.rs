//! Hosts that are described, not read.

use std::net::SocketAddr;
use std::path::PathBuf;

use edge_host::{Socket, SocketState};
use edge_pki::issue::{self, Contents};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::sign::Signer;
use edge_pki::{cert::Certificate, subject};
use edge_yaml::Value;

use super::*;

fn config(text: &str, version: Option<u16>) -> Config {
    Config {
        path: PathBuf::from("/edgecore.yaml"),
        document: if text.is_empty() { Value::Null } else { edge_yaml::read(text).unwrap() },
        exists: !text.is_empty(),
        version: version.map(Minor::new),
        installed: VersionSource::Unknown,
    }
}

fn good() -> HostFacts {
    HostFacts {
        name: "edge1".to_owned(),
        is_resolved: true,
        processes: Vec::new(),
        unit_pid: None,
        listening: Vec::new(),
        has_memory_cgroup: Some(true),
        config: config("", Some(23)),
        foreign: Vec::new(),
        certificate: None,
        ca: None,
    }
}

fn socket(port: u16, inode: u64) -> Socket {
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    Socket { local: SocketAddr::new(any.ip(), port), remote: any, state: SocketState::Listening, uid: 0, inode }
}

fn with_certificate(name: &str) -> HostFacts {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let contents = Contents {
        subject: subject::parse(name).unwrap(),
        names: Vec::new(),
        usages: Vec::new(),
        now: 1_800_000_000,
        days: 1,
    };
    let made = issue::authority(&contents, &key.public_key_info().unwrap(), &Signer::new(&key).unwrap()).unwrap();
    HostFacts { certificate: Some(Certificate::from_pem(made.as_bytes())), ..good() }
}

#[test]
fn name_that_cannot_be_that_of_a_node_is_a_finding() {
    for good in ["edge1", "Edge-1.example", "1"] {
        assert_eq!(node_name(good), None, "{good}");
    }
    for (name, hint) in [
        ("edge_1", "name the node with --node-name NAME, such as --node-name edge-1"),
        ("_Edge", "name the node with --node-name NAME, such as --node-name edge"),
        ("(none)", "name the node with --node-name NAME, such as --node-name none"),
        ("__", "name the node with --node-name NAME"),
    ] {
        let found = node_name(name).unwrap();
        assert!(
            found.severity == Severity::Error && found.text.contains(&format!("name, {name}, cannot")),
            "{found:?}"
        );
        assert_eq!(found.hint.as_deref(), Some(hint));
    }
}

#[test]
fn good_host_has_no_findings() {
    let facts = good();
    assert_eq!((name(&facts), memory(&facts)), (None, None));
    assert!(processes(&facts).is_empty() && leftovers(&facts, Some(Minor::new(23)), Some("edge1")).is_empty());
}

#[test]
fn ports_are_those_of_the_configuration() {
    let ports = |text: &str, version| {
        needed_ports(&config(text, Some(version))).into_iter().map(|(port, _)| port).collect::<Vec<_>>()
    };
    assert_eq!(ports("", 23), [10350]);
    assert_eq!(ports("modules: {metaManager: {metaServer: {enable: true}}}", 23), [10350, 10550]);
    assert_eq!(ports("modules: {metaManager: {metaServer: {enable: true, server: '127.0.0.1:7'}}}", 23), [10350, 7]);
    assert_eq!(ports("modules: {eventBus: {mqttMode: 0}}", 8), [10350, 1884]);
    assert_eq!(ports("modules: {eventBus: {mqttMode: 1, mqttServerInternal: 'tcp://127.0.0.1:9'}}", 8), [10350, 9]);
    assert_eq!(ports("modules: {eventBus: {enable: false, mqttMode: 0}}", 8), [10350]);
}

#[test]
fn port_that_edgecore_itself_has_is_not_taken() {
    let facts = HostFacts { listening: vec![socket(10350, 1), socket(22, 2)], unit_pid: Some(7), ..good() };
    let of = |pid: u32, program: &str| {
        let owner = SocketOwner::Process { pid, program: program.to_owned() };
        ports(&facts, &BTreeMap::from([(1, owner)])).into_iter().map(|one| one.text).collect::<Vec<_>>()
    };
    assert!(of(7, "/usr/local/bin/edgecore").is_empty());
    assert!(of(8, "/usr/bin/nc")[0].starts_with("/usr/bin/nc (process 8) listens on it"));
    // Another program of that name is not the unit's.
    assert!(of(8, "/usr/local/bin/edgecore")[0].starts_with("/usr/local/bin/edgecore (process 8) listens on it"));
    assert!(ports(&facts, &BTreeMap::new())[0].text.starts_with("a process of another user listens"));
    let without = HostFacts { listening: vec![socket(10350, 1)], ..good() };
    assert_eq!(ports(&without, &BTreeMap::from([(1, SocketOwner::Outside)])).len(), 1);
}

#[test]
fn process_in_the_way_depends_on_the_version() {
    let of = |name: &str, version: Option<u16>| {
        let processes = vec![(name.to_owned(), 7)];
        let facts = HostFacts { processes, config: config("", version), ..good() };
        super::processes(&facts).into_iter().map(|one| one.severity).collect::<Vec<_>>()
    };
    assert_eq!(of("kubelet", Some(23)), [Severity::Error]);
    assert_eq!(of("kube-proxy", Some(18)), [Severity::Error]);
    assert_eq!(of("kube-proxy", None), [Severity::Warning]);
    assert_eq!(of("kube-proxy", Some(19)), []);
    assert_eq!(of("edgecore", Some(23)), []);
}

#[test]
fn other_edgecore_is_one_that_the_unit_has_not_started() {
    let running = |facts, unit_pid| HostFacts { processes: vec![("edgecore".to_owned(), 7)], unit_pid, ..facts };
    let own = || with_certificate("/O=system:nodes/CN=system:node:edge1");
    for unit_pid in [None, Some(8)] {
        for facts in [good(), own()] {
            let found = second(&running(facts, unit_pid));
            assert!(found.len() == 1 && found[0].severity == Severity::Error, "{found:?}");
            assert!(found[0].text.starts_with("another edgecore is running (process 7)"), "{found:?}");
        }
    }
    assert!(second(&running(own(), Some(7))).is_empty() && second(&good()).is_empty());
}

#[test]
fn edgecore_of_the_unit_is_reported_where_its_certificate_is_not_of_this_node() {
    let said = |facts: HostFacts| {
        let facts = HostFacts { processes: vec![("edgecore".to_owned(), 7)], unit_pid: Some(7), ..facts };
        leftovers(&facts, None, Some("edge1")).into_iter().map(|one| one.text).collect::<Vec<_>>()
    };
    let without = ["edgecore is running already (process 7), without a certificate of this node"];
    assert_eq!(said(good()), without);
    assert_eq!(said(with_certificate("/O=system:nodes/CN=system:node:edge2")), without);
    assert!(said(with_certificate("/O=system:nodes/CN=system:node:edge1")).is_empty());
    assert!(said(with_certificate("/O=kubeEdge/CN=kubeedge.io")).is_empty());
}

#[test]
fn other_version_of_edgecore_is_reported() {
    let installed = |source| HostFacts { config: Config { installed: source, ..config("", Some(23)) }, ..good() };
    let of = |source, given: u16| leftovers(&installed(source), Some(Minor::new(given)), None).len();
    assert_eq!(
        (of(VersionSource::InProgram(Minor::new(22)), 23), of(VersionSource::InProgram(Minor::new(23)), 23)),
        (1, 0)
    );
    assert_eq!(of(VersionSource::Conflicting(Minor::new(8), Minor::new(23)), 23), 1);
}

#[test]
fn unknown_is_not_absent() {
    let unknown = memory(&HostFacts { has_memory_cgroup: None, ..good() }).unwrap();
    assert_eq!(unknown.severity, Severity::Note);
    assert_eq!(memory(&HostFacts { has_memory_cgroup: Some(false), ..good() }).unwrap().severity, Severity::Error);
    let foreign = (0..9).map(|number| PathBuf::from(format!("/etc/kubeedge/{number}"))).collect();
    let found = leftovers(&HostFacts { foreign, ..good() }, None, None);
    assert!(found[0].text.ends_with("/etc/kubeedge/4 and 4 more"), "{found:?}");
    let damaged = HostFacts { certificate: Some(Err("it is empty".to_owned())), ..good() };
    assert_eq!(leftovers(&damaged, None, None)[0].text, "server.crt cannot be used: it is empty");
}
