//! Ranges, routes and addresses as literals.

use super::*;
use crate::conflist::parse;
use crate::networks::{Address, Link, Route};

fn file(name: &str, ipam: &str) -> File {
    let text = format!(
        r#"{{"cniVersion": "1.0.0", "name": "{name}", "plugins": [{{"type": "bridge", "isGateway": true, "ipam": {ipam}}}]}}"#
    );
    File { path: format!("/c/{name}.conflist").into(), content: parse(&text, "x.conflist") }
}

fn texts(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| format!("{}: {}", finding.path, finding.text)).collect()
}

#[test]
fn ranges_are_those_that_host_local_accepts() {
    for (ipam, want) in [
        (r#""subnet": "10.85.0.0/16""#, vec![]),
        (r#""ranges": [[{"subnet": "10.85.0.0/16"}], [{"subnet": "fd00::/64"}]]"#, vec![]),
        (r#""ranges": [[{"subnet": "10.85.0.0/24"}, {"subnet": "10.85.1.0/24"}]]"#, vec![]),
        (
            r#""ranges": [[{"subnet": "10.85.0.0/99"}]]"#,
            vec![
                "plugins[0].ipam.ranges[0][0].subnet: \"10.85.0.0/99\" is not a valid CIDR: the prefix length must be 0 to 32",
            ],
        ),
        (
            r#""subnet": "10.85.0.7/16""#,
            vec!["plugins[0].ipam.subnet: \"10.85.0.7/16\" has host bits set: the subnet is 10.85.0.0/16"],
        ),
        (r#""dataDir": "/x""#, vec!["plugins[0].ipam: host-local has neither a subnet nor ranges"]),
        (r#""ranges": []"#, vec!["plugins[0].ipam: host-local has neither a subnet nor ranges"]),
        (r#""ranges": [[]]"#, vec!["plugins[0].ipam.ranges[0]: the list is empty"]),
        (
            r#""ranges": [{"subnet": "10.85.0.0/16"}]"#,
            vec![
                "plugins[0].ipam.ranges[0]: expected a list such as [{\"subnet\": \"10.85.0.0/16\"}], found {\"subnet\":\"10.85.0.0/16\"}",
            ],
        ),
        (r#""ranges": "x""#, vec!["plugins[0].ipam.ranges: expected a list of lists, found \"x\""]),
        (
            r#""ranges": [[{"subnet": "10.85.0.0/16"}, {"subnet": "fd00::/64"}]]"#,
            vec!["plugins[0].ipam.ranges[0]: the list mixes IPv4 and IPv6: use a list for each"],
        ),
        (
            r#""subnet": "10.85.0.0/16", "ranges": [[{"subnet": "10.85.3.0/24"}]]"#,
            vec!["plugins[0].ipam.ranges[0][0]: the range overlaps ipam"],
        ),
    ] {
        let file = file("n", &format!(r#"{{"type": "host-local", {ipam}}}"#));
        assert_eq!(texts(ranges(&file, file.content.as_ref().unwrap())), want, "{ipam}");
    }
    for plugin in [
        r#"{"type": "calico", "ipam": {"type": "host-local", "subnet": "usePodCidr"}}"#,
        r#"{"type": "bridge", "capabilities": {"ipRanges": true}, "ipam": {"type": "host-local"}}"#,
        r#"{"type": "bridge", "ipam": {"type": "dhcp"}}"#,
    ] {
        let content = parse(&format!(r#"{{"name": "n", "plugins": [{plugin}]}}"#), "x.conflist");
        let file = File { path: "/c/n".into(), content };
        assert!(ranges(&file, file.content.as_ref().unwrap()).is_empty(), "{plugin}");
    }
}

#[test]
fn same_subnet_compares_networks_with_other_names() {
    let of = |name: &str, subnet: &str| {
        let used = file("n", r#"{"type": "host-local", "subnet": "10.85.0.0/16"}"#);
        let other = file(name, &format!(r#"{{"type": "host-local", "subnet": "{subnet}"}}"#));
        texts(same_subnet(&used, used.content.as_ref().unwrap(), &[used.clone(), other]))
    };
    assert!(of("m", "10.86.0.0/16").is_empty() && of("m", "fd00::/64").is_empty());
    assert_eq!(
        of("m", "10.85.3.0/24"),
        [
            ": 10.85.3.0/24 of the network m overlaps 10.85.0.0/16 of /c/n.conflist: where both are used, pods get the same addresses"
        ]
    );
}

#[test]
fn against_host_finds_routes_and_addresses_of_other_networks() {
    let found = |ranges: &str, route: (&str, &str), own: &[&str]| {
        let file = file("n", &format!(r#"{{"type": "host-local", "ranges": {ranges}}}"#));
        let routes = vec![Route { to: route.0.parse().unwrap(), link: Some(route.1.to_owned()) }];
        let address = |text: &&str| Address { address: text.parse().unwrap(), link: "cni0".to_owned() };
        let networks = Networks { routes, addresses: own.iter().map(address).collect(), ..Networks::default() };
        let found = against_host(&file, file.content.as_ref().unwrap(), &networks);
        found.into_iter().map(|finding| finding.text).collect::<Vec<_>>()
    };
    let both = r#"[[{"subnet": "10.85.0.0/16"}], [{"subnet": "fd00:85::/64"}]]"#;
    let of = |route, own: &[&str]| found(both, route, own);
    let none = ("192.0.2.0/24", "eth0");
    assert!(of(("10.85.0.0/16", "cni0"), &["10.85.0.1/16", "fd00:85::1/64"]).is_empty());
    assert!(of(("10.85.7.7/32", "veth1"), &["fe80::1/64"]).is_empty());
    assert!(of(none, &["fd00:99::1/64"]).is_empty(), "another subnet of IPv6 may be added");
    assert_eq!(
        of(("10.0.0.0/8", "tun0"), &[]),
        ["10.85.0.0/16 overlaps this host's route to 10.0.0.0/8 on tun0: pods receive that traffic"]
    );
    for (own, expected) in [
        ("10.88.0.1/16", "10.85.0.1/16"),
        ("10.85.0.9/16", "10.85.0.1/16"),
        ("10.85.0.1/24", "10.85.0.1/16"),
        ("fd00:85::5/64", "fd00:85::1/64"),
    ] {
        let want = format!("cni0 has the address {own} of another network instead of {expected}: pods fail");
        assert_eq!(of(none, &[own]), [want]);
    }
    assert!(of(none, &["10.88.0.1/16", "10.85.0.1/16"]).is_empty());
}

#[test]
fn against_host_finds_a_link_that_is_not_a_bridge() {
    let file = file("n", r#"{"type": "host-local", "subnet": "10.85.0.0/16"}"#);
    let found = |name: &str, kind: Option<&str>| {
        let addresses = vec![Address { address: "10.88.0.1/16".parse().unwrap(), link: name.to_owned() }];
        let networks = Networks { links: vec![Link::new(name, kind)], addresses, ..Networks::default() };
        let all = against_host(&file, file.content.as_ref().unwrap(), &networks);
        let flannel = FlannelBridge { name: "cni0".to_owned(), subnets: vec!["10.85.0.0/16".parse().unwrap()] };
        assert_eq!(of_flannel(&file, &flannel, &networks), all, "flannel uses the plugin bridge");
        all.into_iter().map(|one| format!("{}; {}", one.text, one.hint.unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(
        found("cni0", Some("veth")),
        [
            "the link cni0 exists and is not a bridge but of the kind veth: pods fail; set another name as \"bridge\" of the network, or run: ip link delete cni0"
        ]
    );
    assert_eq!(
        found("cni0", None),
        ["the link cni0 exists and is not a bridge: pods fail; set another name as \"bridge\" of the network"]
    );
    assert!(found("cni0", Some("bridge"))[0].starts_with("cni0 has the address"));
    assert!(found("eth0", Some("veth")).is_empty());
}
