//! One case for each finding.

use super::*;
use edge_kubeedge::schema::{Key, KeyType, Table};

fn findings(kind: Kind, version: u16, yaml: &str) -> String {
    let doc = edge_yaml::read(yaml).unwrap();
    let version = (version > 0).then(|| Minor::new(version));
    let lines: Vec<String> = check(kind, version, &doc, &[])
        .into_iter()
        .map(|finding| {
            let hint = finding.hint.as_deref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
            format!("  {:?} {}: {}{hint}", finding.severity, finding.path(), finding.message)
        })
        .collect();
    if lines.is_empty() { "  nothing".to_owned() } else { lines.join("\n") }
}

fn table(kind: Kind, cases: &[(u16, &str)]) -> String {
    let cases: Vec<String> =
        cases.iter().map(|(version, yaml)| format!("{version} {yaml:?}\n{}", findings(kind, *version, yaml))).collect();
    cases.join("\n")
}

#[test]
fn keys_of_edgecore() {
    insta::assert_snapshot!(table(
        Kind::EdgeCore,
        &[
            (8, "edgeStream: {enable: true}"),
            (8, "modules: {dynamicController: {enable: true}}"),
            (8, "modules: {edgeHub: {heartbeet: 15}}"),
            (8, "modules: {frobnicator: {enable: true}}"),
            (8, "modules: {edgeMesh: {enable: false}}"),
            (8, "modules: {edged: {tailoredKubeletConfig: {cgroupDriver: systemd}}}"),
            (12, "modules: {edged: {cgroupDriver: systemd, clusterDNS: 10.0.0.10}}"),
            (16, "modules: {edged: {remoteRuntimeEndpoint: 'unix:///var/run/crio/crio.sock'}}"),
            (18, "modules: {edged: {remoteRuntimeEndpoint: 'unix:///var/run/crio/crio.sock'}}"),
            (6, "modules: {edged: {interfaceName: eth0}}"),
            (0, "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nmodules: {edged: {cgroupDriver: systemd}}"),
            (0, "modules: {edged: {cgroupDriver: systemd}}"),
            (8, "modules: {edgeStream: {enable: yes please}}"),
            (8, "modules: {edgeStream: {enable: yes}}"),
            (8, "modules: {edgeHub: {heartbeat: 15s}}"),
            (12, "modules: {edged: {tailoredKubeletConfig: {clusterDNS: 10.0.0.10, syncFrequency: 60}}}"),
            (12, "modules: {edged: {tailoredKubeletConfig: {evictionHard: {memory.available: 1}}}}"),
            (8, "modules: {edged: {cgroupDriver: Systemd}}"),
            (13, "modules: {edged: {tailoredKubeletConfig: {registerWithTaints: [{key: a, efect: b}]}}}"),
            (8, "modules: {eventBus: {mqttMode: 3}}"),
            (8, "modules:\n  edgeHub:\n"),
            (8, "modules:\n"),
            (23, "modules: {edged: {tailoredKubeletConfig: {memorySwap: }}}"),
            (8, "modules: {edgeStream: {Enable: true, enable: false}}"),
            (8, "modules: {EdgeStream: {enable: true}, edgeStream: {server: '10.0.0.1:10004'}}"),
            (8, "modules: {EDGESTREAM: {ENABLE: true}}"),
            (8, "modules: {EdgeHub: {enable: false}, edgeHub: {enable: true}}"),
            (8, "1: 2"),
            (8, "- a list"),
            (8, ""),
        ]
    ));
}

#[test]
fn settings_of_edgecore() {
    insta::assert_snapshot!(table(
        Kind::EdgeCore,
        &[
            (12, "apiVersion: edgecore.config.kubeedge.io/v1alpha1"),
            (11, "apiVersion: edgecore.config.kubeedge.io/v1alpha2"),
            (8, "apiVersion: edgecore.config.kubeedge.io/v1"),
            (8, "apiVersion: cloudcore.config.kubeedge.io/v1alpha1"),
            (8, "kind: CloudCore"),
            (8, "kind: Edge"),
            (8, "modules: {edgeHub: {enable: false}, deviceTwin: {enable: false}, eventBus: {enable: false}}"),
            (8, "modules: {eventBus: {enable: false}}"),
            (8, "modules: {edged: {enable: false, hostnameOverride: A_b}}"),
            (8, "modules: {edgeHub: {websocket: {enable: false}}}"),
            (8, "modules: {edgeHub: {quic: {enable: true}}}"),
            (11, "modules: {edgeHub: {messageQPS: -1}}"),
            (8, "modules: {edgeStream: {enable: true}, edgeHub: {websocket: {server: '10.0.0.1:10000'}}}"),
            (
                8,
                "modules: {edgeStream: {enable: true, server: '[::1]:10004'}, edgeHub: {websocket: {server: 'cloud.example:10000'}}}"
            ),
            (
                8,
                "modules: {edgeStream: {enable: true, server: '10.0.0.1:10004'}, edgeHub: {websocket: {server: '10.0.0.1:10000'}}}"
            ),
            (8, "modules: {edgeStream: {enable: true}, edgeHub: {websocket: {server: '127.0.0.1:10000'}}}"),
            (8, "modules: {edged: {hostnameOverride: Edge_1}}"),
            (7, "modules: {edged: {hostnameOverride: Edge_1}}"),
            (4, "modules: {edged: {nodeIP: ''}}"),
        ]
    ));
}

#[test]
fn cloudcore() {
    insta::assert_snapshot!(table(
        Kind::CloudCore,
        &[
            (8, "cloudStream: {enable: true}"),
            (8, "modules: {metaManager: {metaServer: {enable: true}}, edgeMesh: {enable: false}}"),
            (8, "modules: {cloudHub: {enable: false}}"),
            (9, "modules: {iptablesManager: {mode: both}}"),
            (16, "modules: {nodeUpgradeJobController: {enable: true}}"),
            (13, "apiVersion: cloudcore.config.kubeedge.io/v1alpha2"),
            (8, "kubeAPIConfig: {kubeConfig: config}"),
            (
                8,
                "modules: {cloudHub: {tokenRefreshDuration: 0, websocket: {port: 70000}, unixsocket: {address: /run/x}}}"
            ),
            (8, "modules: {edgeController: {nodeUpdateFrequency: 0}}"),
            (8, "modules: {cloudHub: {advertiseAddress: 10.0.0.1}}"),
            (8, "modules: {cloudHub: }"),
        ]
    ));
}

/// Every key that is a port, with the version that has it.
#[test]
fn port_is_an_error_outside_its_range() {
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        let table = Table::of(kind);
        let is_port =
            |key: &Key| matches!(key.ty, KeyType::Int { .. }) && key.path.to_ascii_lowercase().ends_with("port");
        let ports: Vec<Key> = table.keys().filter(is_port).collect();
        assert!(ports.len() >= 5, "{kind}");
        for key in ports {
            let (sections, name) = key.path.rsplit_once('.').unwrap();
            let document = |value: &str| {
                let own = format!("enable: true, {name}: {value}");
                let text = sections.rsplit('.').fold(own, |inner, section| format!("{section}: {{{inner}}}"));
                edge_yaml::read(&text).unwrap()
            };
            let errors = |value: &str| {
                let found = check(kind, Some(key.first), &document(value), &[]);
                found.into_iter().filter(|one| one.severity == Severity::Error && one.path() == key.path).count()
            };
            for bad in ["65536", "70000", "-1"] {
                assert_eq!(errors(bad), 1, "{} {bad}", key.path);
            }
            assert_eq!((errors("1"), errors("65535")), (0, 0), "{}", key.path);
        }
    }
}

#[test]
fn duplicates_are_reported_with_their_lines() {
    let servers = "{websocket: {server: '192.0.2.1:10000'}, httpServer: 'https://192.0.2.1:10002'}";
    let doc = edge_yaml::read(&format!("modules: {{edgeHub: {servers}}}")).unwrap();
    let duplicate = Duplicate { steps: vec!["modules".to_owned(), "edgeHub".to_owned()], lines: vec![3, 9] };
    let findings = check(Kind::EdgeCore, None, &doc, &[duplicate]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Error);
    assert_eq!(findings[0].path(), "modules.edgeHub");
    assert_eq!(
        findings[0].message,
        "is set more than once, in lines 3, 9; KubeEdge uses the last one and ignores the others"
    );
}
