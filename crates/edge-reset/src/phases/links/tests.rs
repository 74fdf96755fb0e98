//! Links as literals, with the built-in data.

use edge_link::{Address, Link};
use ipnet::IpNet;

use super::*;
use crate::cli::ChoiceArgs;
use crate::creator::{Creators, Profile};
use crate::networks::{CniNetwork, Networks};
use crate::ownership::Ownership;
use crate::request::Request;
use crate::roots::Roots;

const FLANNEL: &str = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\n";

fn context(networks: Networks) -> Context {
    let choice = ChoiceArgs { profile: Profile::All, only: Vec::new(), skip: Vec::new(), also: Vec::new() };
    Context {
        request: Request::of(&choice, true, true).unwrap(),
        ownership: Ownership::built_in(),
        creators: Creators::built_in(),
        renamed: Vec::new(),
        roots: Roots::default(),
        networks,
        pods_remain: false,
    }
}

/// A network of pods with cni0, and Podman's.
fn networks() -> Networks {
    let of = |name: &str, bridge: &str, owner: Option<&str>| CniNetwork {
        name: name.to_owned(),
        bridges: [bridge.to_owned()].into(),
        owner: owner.map(str::to_owned),
        ..CniNetwork::default()
    };
    Networks {
        owned: vec![of("cbr0", "cni0", None)],
        foreign: vec![of("mine", "br7", Some("Podman's"))],
        ..Networks::default()
    }
}

/// `INDEX NAME KIND`, then `master=INDEX`, `peer=INDEX`, `pod` (the other end is elsewhere), `vni=N`, `mac=ee`.
fn link(text: &str) -> Link {
    let mut words = text.split(' ');
    let index = words.next().unwrap().parse().unwrap();
    let name = words.next().unwrap().to_owned();
    let kind = words.next().filter(|kind| *kind != "-").map(str::to_owned);
    let mut link = Link { index, name, kind, ..Link::default() };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, "0"));
        match key {
            "master" => link.master = value.parse().ok(),
            "peer" => link.peer = value.parse().ok(),
            "vni" => link.vni = value.parse().ok(),
            "mac" => link.mac = vec![u8::from_str_radix(value, 16).unwrap(); 6],
            "pod" => (link.is_peer_elsewhere, link.peer) = (true, Some(2)),
            other => panic!("{other}"),
        }
    }
    link
}

/// The items of these links, each with its fate and text; addresses are `INDEX CIDR`.
fn judged(links: &[&str], addresses: &[&str], flannel: &str) -> Vec<String> {
    let address = |text: &str| {
        let (link, address) = text.split_once(' ').unwrap();
        Address { address: address.parse::<IpNet>().unwrap(), link: link.parse().unwrap() }
    };
    let snapshot = Snapshot {
        links: links.iter().map(|text| link(text)).collect(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        routes: Vec::new(),
    };
    let flannel = if flannel.is_empty() { Flannel::default() } else { Flannel::parse(flannel) };
    let (context, view) = (context(networks()), View::of(snapshot));
    let mut found = Judge { context: &context, view: &view, flannel: &flannel }.links().unwrap();
    obstacle::refuse(&view, &mut found);
    let shown = |one: &Found| format!("{} {}: {}", one.item.fate.word(), one.item.object, one.item.text);
    found.iter().map(|one| shown(one).trim_end_matches(": ").to_owned()).collect()
}

#[test]
fn bridge_of_pods_goes_with_its_members() {
    let links = ["3 cni0 bridge", "4 veth1a2b3c4d veth pod master=3", "5 eth0 -"];
    assert_eq!(
        judged(&links, &["3 10.244.1.1/24", "3 fe80::1/64"], ""),
        ["remove bridge cni0", "remove veth veth1a2b3c4d"]
    );
    assert_eq!(judged(&["3 br9 bridge", "4 veth1a2b3c4d veth pod master=3"], &[], ""), [""; 0], "nobody names it");
}

#[test]
fn bridge_with_a_foreign_member_is_refused_and_keeps_its_pods() {
    for (member, shown) in [
        ("5 eth1 - master=3", "eth1 (hardware)"),
        ("5 tap0 tap master=3", "tap0 (tap)"),
        ("5 uplink0 veth pod master=3", "uplink0 (veth)"),
        ("5 veth00000002 veth peer=9 master=3", "veth00000002 (veth)"),
    ] {
        let found = judged(&["3 cni0 bridge", "4 veth1a2b3c4d veth pod master=3", member], &[], "");
        assert_eq!(
            found,
            [
                format!("refuse bridge cni0: its member {shown} is not of a pod"),
                "keep veth veth1a2b3c4d: its bridge cni0 is not removed".to_owned()
            ]
        );
    }
    let found = judged(&["3 cni0 bridge"], &["3 192.168.1.10/24"], "");
    assert_eq!(found, ["refuse bridge cni0: its address 192.168.1.10/24 is not of the network cbr0"]);
}

#[test]
fn links_of_other_programs_are_kept() {
    let links = [
        "3 cni-podman0 bridge",
        "4 veth1a2b3c4d veth pod master=3",
        "5 br7 bridge",
        "6 docker0 bridge",
        "7 br-0123456789ab bridge",
        "8 eth0.5 vlan",
    ];
    assert_eq!(
        judged(&links, &[], ""),
        [
            "keep bridge cni-podman0: Podman's",
            "keep bridge br7: the network mine uses it: Podman's",
            "keep bridge docker0: Docker's",
            "keep bridge br-0123456789ab: Docker's",
            "keep link eth0.5: a VLAN of this host"
        ]
    );
}

#[test]
fn links_of_flannel_need_more_than_their_name() {
    let links = ["3 flannel.1 vxlan vni=1", "4 flannel.4096 vxlan vni=1", "5 flannel0 tun", "6 flannel.7 dummy"];
    assert_eq!(
        judged(&links, &["5 10.244.1.0/16"], FLANNEL),
        [
            "remove vxlan flannel.1",
            "keep vxlan flannel.4096: it is not proven to be one of these: its VNI is 1",
            "remove tun flannel0"
        ]
    );
    assert_eq!(
        judged(&links[..3], &[], ""),
        [
            "keep vxlan flannel.1: it is not proven to be one of these: nothing else shows that this host uses flannel",
            "keep vxlan flannel.4096: it is not proven to be one of these: nothing else shows that this host uses flannel",
            "keep tun flannel0: it is not proven to be one of these: no address is in flannel's network"
        ]
    );
}

#[test]
fn links_of_single_programs_are_found() {
    let links = [
        "3 cali0123456789a veth pod mac=ee",
        "4 cali0123456789b veth pod mac=02",
        "5 calico-dhcp-1 veth pod mac=ee",
        "6 edgemesh0 bridge",
        "7 edge_tun0 tun",
        "8 kube-ipvs0 dummy",
        "9 nodelocaldns dummy",
        "10 cilium_host veth peer=11",
        "11 cilium_net veth peer=10",
        "12 tun-0a0a0a0a0a0 ipip",
    ];
    assert_eq!(
        judged(&links, &["6 169.254.96.16/32", "9 169.254.20.10/32"], ""),
        [
            "remove veth cali0123456789a",
            "keep veth cali0123456789b: it is not proven to be one of these: it has no address of calico",
            "remove bridge edgemesh0",
            "remove tun edge_tun0",
            "remove dummy kube-ipvs0",
            "remove dummy nodelocaldns",
            "keep veth cilium_host: of cilium",
            "keep veth cilium_net: of cilium",
            "keep ipip tun-0a0a0a0a0a0: of kube-router"
        ]
    );
    let with = ["6 edgemesh0 bridge", "7 eth1 - master=6"];
    assert_eq!(
        judged(&with, &["6 169.254.96.16/32"], ""),
        ["refuse bridge edgemesh0: its member eth1 (hardware) is not of a pod"]
    );
}

#[test]
fn link_on_which_another_one_depends_is_refused() {
    // A VLAN on the bridge, and one of calico's that has its other end on this host.
    let links = ["3 cni0 bridge", "4 cni0.7 vlan peer=3"];
    assert_eq!(judged(&links, &[], "")[0], "refuse bridge cni0: cni0.7 depends on it and would be deleted with it");
    let links = ["3 cali0123456789a veth peer=4 mac=ee", "4 eth7 veth peer=3"];
    assert_eq!(judged(&links, &[], ""), ["refuse veth cali0123456789a: its other end, eth7, would be deleted with it"]);
    let both = ["3 bpfin.cali veth peer=4", "4 bpfout.cali veth peer=3"];
    assert_eq!(judged(&both, &[], ""), ["remove veth bpfin.cali", "remove veth bpfout.cali"]);
}
