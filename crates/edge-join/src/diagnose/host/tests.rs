//! Hosts that are described, not read.

use std::net::SocketAddr;
use std::path::PathBuf;

use edge_host::SocketState;
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
        version: version.map(Minor::new),
        installed: VersionSource::Unknown,
    }
}

fn good() -> HostFacts {
    HostFacts {
        name: "edge1".to_owned(),
        is_resolved: true,
        processes: Vec::new(),
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
    let config = config("", Some(23));
    let all = [socket(10350, 1), socket(22, 2)];
    let of = |program: &str| {
        let owners = BTreeMap::from([(1, SocketOwner::Process { pid: 7, program: program.to_owned() })]);
        ports(&config, &all, &owners).into_iter().map(|one| one.text).collect::<Vec<_>>()
    };
    assert!(of("/usr/local/bin/edgecore").is_empty());
    assert!(of("/usr/bin/nc")[0].starts_with("/usr/bin/nc (process 7) listens on it"));
    assert!(ports(&config, &all, &BTreeMap::new())[0].text.starts_with("a process of another user listens"));
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
fn other_edgecore_is_one_whose_certificate_is_not_of_this_node() {
    let running = vec![("edgecore".to_owned(), 7)];
    let said = |facts: HostFacts| {
        let facts = HostFacts { processes: running.clone(), ..facts };
        leftovers(&facts, None, Some("edge1")).into_iter().map(|one| one.text).collect::<Vec<_>>()
    };
    assert_eq!(said(good()), ["another edgecore is running (process 7)"]);
    assert_eq!(
        said(with_certificate("/O=system:nodes/CN=system:node:edge2")),
        ["another edgecore is running (process 7)"]
    );
    assert!(said(with_certificate("/O=system:nodes/CN=system:node:edge1")).is_empty());
    assert!(said(with_certificate("/O=kubeEdge/CN=kubeedge.io")).is_empty());
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
    assert_eq!(unknown.severity, Severity::Warning);
    assert_eq!(memory(&HostFacts { has_memory_cgroup: Some(false), ..good() }).unwrap().severity, Severity::Error);
    let foreign = (0..9).map(|number| PathBuf::from(format!("/etc/kubeedge/{number}"))).collect();
    let found = leftovers(&HostFacts { foreign, ..good() }, None, None);
    assert!(found[0].text.ends_with("/etc/kubeedge/4 and 4 more"), "{found:?}");
    let damaged = HostFacts { certificate: Some(Err("it is empty".to_owned())), ..good() };
    assert_eq!(leftovers(&damaged, None, None)[0].text, "server.crt cannot be used: it is empty");
}
