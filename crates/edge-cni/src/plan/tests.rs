//! Subnets, routes and versions as literals.

use std::path::PathBuf;

use edge_host::Exit;

use super::*;
use crate::conflist::parse;
use crate::networks::{Address, Route};

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn cni(texts: &[&str]) -> Vec<Cni> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn refuse_overlaps_compares_routes_addresses_and_networks() {
    let request = Network::new("n", &nets(&["10.85.0.0/16", "fd00:85::/64"])).unwrap();
    let on = |to: &str, link: &str| Networks {
        routes: vec![Route { to: to.parse().unwrap(), link: Some(link.to_owned()) }],
        ..Networks::default()
    };
    for (networks, valid) in [
        (on("10.0.0.0/8", "tun0"), false),
        (on("10.85.3.0/24", "eth0"), false),
        (on("fd00::/16", "eth0"), false),
        (on("192.0.2.0/24", "eth0"), true),
        (on("10.85.0.0/16", BRIDGE), true),
    ] {
        assert_eq!(refuse_overlaps(&request, Some(&networks), &[]).is_ok(), valid, "{networks:?}");
    }
    let has = |address: &str, link: &str| Networks {
        addresses: vec![Address { address: address.parse().unwrap(), link: link.to_owned() }],
        ..Networks::default()
    };
    for (networks, valid) in [
        (has("10.85.7.7/32", "lo"), false),
        (has("fd00:85::1/128", "lo"), false),
        (has("10.0.0.1/8", "eth0"), true),
        (has("10.85.0.1/16", BRIDGE), true),
    ] {
        assert_eq!(refuse_overlaps(&request, Some(&networks), &[]).is_ok(), valid, "{networks:?}");
    }
    let other = |text: &str| File { path: PathBuf::from("/x"), content: parse(text, "conflist") };
    let with = |name: &str, subnet: &str| {
        other(&format!(
            r#"{{"name": "{name}", "plugins": [{{"type": "ptp", "ipam": {{"type": "host-local", "subnet": "{subnet}"}}}}]}}"#
        ))
    };
    for (file, valid) in [
        (with("m", "10.85.7.0/24"), false),
        (with("n", "10.86.0.0/16"), false),
        (with("m", "10.86.0.0/16"), true),
        (other("{"), true),
    ] {
        assert_eq!(refuse_overlaps(&request, None, &[&file]).is_ok(), valid, "{file:?}");
    }
}

#[test]
fn version_is_the_newest_that_all_plugins_support() {
    let of = |name: &str, texts: &[&str]| (name.to_owned(), cni(texts));
    let old = of("bridge", &["0.1.0", "0.3.1", "0.4.0"]);
    let new = of("portmap", &["0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
    assert_eq!(version(std::slice::from_ref(&new), None).unwrap().to_string(), "1.1.0");
    assert_eq!(version(&[new.clone(), old.clone()], None).unwrap().to_string(), "0.4.0");
    assert!(version(&[new.clone(), of("x", &["0.2.0"])], None).is_err());
    let requested = |text: &str| version(&[new.clone(), old.clone()], text.parse().ok());
    assert_eq!(requested("0.3.1").unwrap().to_string(), "0.3.1");
    let error = requested("1.0.0").unwrap_err();
    assert_eq!(error.message(), "cannot write CNI version 1.0.0: the installed bridge supports versions up to 0.4.0");
    assert_eq!((error.exit(), requested("0.2.0").unwrap_err().exit()), (Exit::Refused, Exit::Usage));
}

#[test]
fn document_is_parsed_as_requested() {
    let request = Network::new("edge", &nets(&["10.85.0.0/16", "fd00:85::/64"])).unwrap();
    let network = parse(&document(&request, Cni::NEWEST).unwrap(), "conflist").unwrap();
    assert_eq!((network.name.as_str(), network.version, network.bridge()), ("edge", Cni::NEWEST, Some(BRIDGE)));
    assert_eq!(network.ranges().iter().map(|range| range.subnet).collect::<Vec<_>>(), request.subnets);
    let programs: Vec<String> = network.programs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(programs, PROGRAMS);
}
