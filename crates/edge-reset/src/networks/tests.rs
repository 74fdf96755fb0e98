//! Networks as literals, with the built-in data.

use edge_conflist::conflist::parse;

use super::*;
use crate::ownership::Ownership;

fn reading() -> Reading {
    Reading { others: Ownership::built_in().rows("network").unwrap(), ..Reading::default() }
}

fn conf(reading: &mut Reading, file: &str, text: &str) {
    reading.add_conf(&Path::new(CONF_DIR).join(file), &parse(text, file).unwrap(), false);
}

fn entry(network: &str, interfaces: &[&str]) -> Entry {
    Entry {
        path: PathBuf::from("/x"),
        network: network.to_owned(),
        container: "9f".to_owned(),
        netns: None,
        conf: None,
        host_interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        addresses: Vec::new(),
    }
}

fn done(reading: Reading) -> Networks {
    let (foreign, owned) = reading.networks.into_values().partition(|network| network.owner.is_some());
    Networks { owned, foreign, unknown: reading.unknown }
}

const PODMAN: &str = r#"{"cniVersion": "0.4.0", "name": "podman", "plugins": [
    {"type": "bridge", "bridge": "cni-podman0", "ipam": {"type": "host-local",
     "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]]}}, {"type": "portmap"}]}"#;
const NERDCTL: &str = r#"{"cniVersion": "1.0.0", "name": "bridge", "nerdctlID": "17f", "plugins": [
    {"type": "bridge", "bridge": "nerdctl0"}]}"#;
const FLANNEL_CONF: &str = r#"{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}}, {"type": "portmap"}]}"#;

#[test]
fn networks_of_podman_and_nerdctl_are_not_those_of_pods() {
    let mut reading = reading();
    conf(&mut reading, "87-podman-bridge.conflist", PODMAN);
    conf(&mut reading, "nerdctl-bridge.conflist", NERDCTL);
    conf(&mut reading, "mine.conflist", &PODMAN.replace("\"podman\"", "\"mine\"").replace("podman0", "podman1"));
    conf(&mut reading, "10-flannel.conflist", FLANNEL_CONF);
    reading.add_entry(entry("podman", &["cni-podman0", "veth00000001"]));
    reading.add_entry(entry("mine", &["veth00000002"]));
    reading.add_entry(entry("gone", &["cni-podman2", "veth00000003"]));
    reading.add_entry(entry("cbr0", &["cni0", "veth00000004"]));
    let networks = done(reading);
    let names = |all: &[CniNetwork]| all.iter().map(|network| network.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&networks.owned), ["cbr0"]);
    assert_eq!(names(&networks.foreign), ["gone", "mine", "podman", "bridge"]);
    assert!(networks.of_bridge("cni0").is_some() && networks.of_bridge("cni-podman0").is_none());
    assert!(networks.of_interface("veth00000004").is_some() && networks.of_interface("veth00000001").is_none());
    for veth in ["veth00000001", "veth00000002", "veth00000003"] {
        assert_eq!(networks.foreign_of_interface(veth).unwrap().owner.as_deref(), Some("Podman's"));
    }
    assert!(networks.use_plugin("flannel") && !networks.use_plugin("bridge"));
}

#[test]
fn name_and_bridge_that_another_program_uses_too_are_ambiguous() {
    let mut reading = reading();
    conf(&mut reading, "87-podman.conflist", &PODMAN.replace("cni-podman0", "cni0"));
    conf(&mut reading, "10-flannel.conflist", &FLANNEL_CONF.replace("cbr0", "podman2"));
    let networks = done(reading);
    assert!(networks.owned("podman2").is_some() && networks.owned("podman").is_none());
    assert!(networks.of_bridge("cni0").is_none());
}

#[test]
fn file_of_a_runtime_is_kept_though_its_network_is_one_of_pods() {
    let mut reading = reading();
    let text = r#"{"cniVersion": "1.0.0", "name": "crio", "plugins": [{"type": "bridge", "bridge": "cni0"}]}"#;
    conf(&mut reading, "10-crio-bridge.conflist", text);
    conf(&mut reading, "10-mine.conflist", text);
    let networks = done(reading);
    let crio = networks.owned("crio").unwrap();
    let keepers: Vec<Option<&str>> = crio.confs.iter().map(|conf| conf.keeper.as_deref()).collect();
    assert_eq!(keepers, [Some("CRI-O's own"), None]);
}

#[test]
fn explains_addresses_of_ranges_leases_and_daemons() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let mut network = CniNetwork { subnets: vec![net("10.85.0.0/16")], ..CniNetwork::default() };
    assert_eq!(network.explains(net("10.85.0.1/16")), Some("in its range"));
    assert_eq!(network.explains(net("10.86.0.1/16")), None);
    network.addresses.insert("10.86.3.7".parse().unwrap());
    assert_eq!(network.explains(net("10.86.0.1/16")), Some("in the subnet of its leases"));
    let flannel = CniNetwork::default();
    assert_eq!(flannel.explains(net("10.244.1.1/24")), Some("the first one of its subnet"));
    assert_eq!(flannel.explains(net("192.168.1.10/24")), None);
}

#[test]
fn network_is_anothers_by_its_keys_or_the_namespace_of_a_container() {
    let mut reading = reading();
    let claimed = Entry { netns: Some("/run/netns/netns-0a1b".into()), ..entry("apps", &["brapps"]) };
    reading.claim(std::slice::from_ref(&claimed));
    let bridge = |name: &str, extra: &str| {
        format!(
            r#"{{"cniVersion": "0.4.0", "name": "{name}", {extra} "plugins": [{{"type": "bridge", "bridge": "br{name}"}}]}}"#
        )
    };
    conf(&mut reading, "apps.conflist", &bridge("apps", ""));
    conf(&mut reading, "lan.conflist", &bridge("lan", r#""args": {"podman_labels": {"a": "b"}},"#));
    conf(&mut reading, "n.conflist", &bridge("n", r#""nerdctlLabels": {},"#));
    conf(&mut reading, "nomad.conflist", &bridge("nomad", ""));
    conf(&mut reading, "pods.conflist", &bridge("pods", ""));
    reading.add_entry(claimed);
    let networks = done(reading);
    let names = |all: &[CniNetwork]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&networks.owned), ["pods"]);
    assert_eq!(networks.foreign.len(), 4);
    assert!(networks.of_bridge("brapps").is_none() && networks.of_bridge("brpods").is_some());
}
