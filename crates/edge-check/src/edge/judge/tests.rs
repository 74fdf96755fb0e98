//! Each broken link, and what must not be reported beside it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use edge_host::SocketOwner;
use edge_hub::{Address, Distrust, Failure, Identity, Stage};
use edge_pki::cert::Certificate;
use edge_pki::issue::{self, Contents};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::names::Name;
use edge_pki::sign::Signer;
use edge_pki::{subject, times};

use super::*;
use crate::edge::local::{Open, Unit};
use crate::edge::pair::Files;
use crate::edge::probes::Reached;
use crate::running::Running;

const NOW: i64 = 1_800_000_000;

fn pair() -> Pair {
    let (ca_key, key) =
        (PrivateKey::generate(Algorithm::EcdsaP256).unwrap(), PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
    let contents = |days| Contents {
        subject: subject::parse("/CN=x").unwrap(),
        names: Vec::new(),
        usages: Vec::new(),
        now: NOW,
        days,
    };
    let signer = Signer::new(&ca_key).unwrap();
    let ca = issue::authority(&contents(3650), &ca_key.public_key_info().unwrap(), &signer).unwrap();
    let ca = Certificate::from_pem(ca.as_bytes()).unwrap();
    let pem = issue::leaf(&contents(365), &key.public_key_info().unwrap(), &ca, &signer).unwrap();
    let identity = Identity::from_pem(pem.as_bytes(), &key).unwrap();
    Pair { ca, certificate: Certificate::from_pem(pem.as_bytes()).unwrap(), shown: "server.crt".to_owned(), identity }
}

fn of_process(program: &str) -> SocketOwner {
    SocketOwner::Process { pid: 7, program: program.to_owned() }
}

const CLOUD: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The answer of the HTTPS port, or of another one.
fn reached(is_https: bool) -> Reached {
    let status = if is_https { 200 } else { 404 };
    Reached { address: CLOUD, verifies_clients: true, status, is_certificate: is_https }
}

/// A node on which everything works.
fn facts() -> Facts {
    let at = |port| Some(Address::parse("", "192.0.2.1", port).unwrap());
    let path = |name: &str| PathBuf::from(name);
    let files = Files { ca: path("/ca.crt"), certificate: path("/c"), key: path("/k") };
    let open = |port, listens| Open { port, listens, remote: CLOUD, owner: of_process("/usr/local/bin/edgecore") };
    let pair = pair();
    Facts {
        config: Config {
            shown: "edgecore.yaml".to_owned(),
            version: None,
            hub: at(10000),
            https: at(10002),
            tunnel: at(10004),
            files: files.clone(),
            tunnel_files: files,
            ports: vec![(10350, "edgecore's kubelet")],
            kubelet: 10350,
            directories: Vec::new(),
        },
        tunnel_pair: None,
        probes: Probes {
            clocks: Some((NOW, NOW + 30)),
            ca: Some(pair.ca.der.clone()),
            https: Some(Ok(reached(true))),
            hub: Some(Ok(reached(false))),
            tunnel: Some(Ok(reached(false))),
            kubelet: Some(Ok(())),
        },
        pair: Ok(pair),
        local: Local {
            unit: Unit::Active,
            runs: Running::Yes,
            open: vec![open(10350, true), open(10000, false), open(10004, false)],
        },
        now: NOW + 30,
    }
}

/// The findings after this change, as `FILE: SEVERITY: TEXT`.
#[track_caller]
fn found(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = facts();
    change(&mut facts);
    let findings = judge(&facts).findings;
    findings.iter().map(|one| format!("{}: {}: {}", one.file, one.severity.word(), one.text)).collect()
}

fn distrust(why: Distrust) -> Option<Result<Reached, Failure>> {
    Some(Err(Failure::Distrusted(Box::new(why))))
}

#[test]
fn node_on_which_everything_works_has_no_finding() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    assert_eq!(judge(&facts()).links.len(), 10);
}

#[test]
fn broken_way_hides_what_follows_from_it() {
    // edgecore does not run without a connection.
    let stopped = |facts: &mut Facts| {
        facts.local = Local { unit: Unit::Inactive("activating".to_owned()), runs: Running::No, open: Vec::new() };
        facts.probes.kubelet = Some(Err(Failure::Refused));
    };
    let late = || Some(Err(Failure::Late(Stage::Connect)));
    assert_eq!(
        found(|facts| {
            stopped(facts);
            (facts.probes.hub, facts.probes.https, facts.probes.tunnel) = (late(), late(), late());
        }),
        [
            "192.0.2.1: error: ports 10000 (hub), 10002 (HTTPS port), 10004 (tunnel): the connection is not answered in time"
        ]
    );
    assert_eq!(
        found(|facts| {
            stopped(facts);
            facts.probes.hub = Some(Err(Failure::CertificateRefused("unknown CA")));
        }),
        ["192.0.2.1:10000: error: hub: the server rejects the client certificate: unknown CA"]
    );
    assert_eq!(found(stopped), ["edgecore.service: error: the unit is activating, and edgecore does not run"]);
}

#[test]
fn wrong_clock_is_the_cause_of_certificates_that_are_not_valid() {
    let certificate = pair().certificate;
    let behind = times::DAY * 400;
    let found_with = |invalid: bool| {
        found(|facts| {
            facts.probes.clocks = Some((NOW + 3600, NOW));
            if invalid {
                facts.probes.hub = distrust(Distrust::NotYetValid(certificate.clone()));
                facts.probes.https = distrust(Distrust::NotYetValid(certificate.clone()));
            }
        })
    };
    let warned = found_with(false);
    assert!(
        warned.len() == 1
            && warned[0].starts_with("clock: warning: the clock of this host is 60 minutes behind that of cloudcore"),
        "{warned:?}"
    );
    let caused = found_with(true);
    assert!(caused.len() == 1 && caused[0].starts_with("clock: error: "), "{caused:?}");
    // The own certificate has expired by this clock alone.
    let expired = found(|facts| {
        facts.now = NOW + behind;
        facts.probes.clocks = Some((NOW, NOW + behind));
    });
    assert!(expired.len() == 1 && expired[0].contains("400 days ahead of that of cloudcore"), "{expired:?}");
    // By both clocks: it is the certificate.
    let both = found(|facts| {
        facts.now = NOW + behind;
        facts.probes.clocks = Some((NOW + behind, NOW + behind));
    });
    assert!(
        both.len() == 1 && both[0].starts_with("server.crt: error: the certificate of the node expired on"),
        "{both:?}"
    );
}

#[test]
fn other_ca_is_one_cause_of_all_that_distrust() {
    let (other, certificate) = (pair().ca, pair().certificate);
    let all = found(|facts| {
        facts.probes.ca = Some(other.der.clone());
        facts.probes.https = distrust(Distrust::OtherCa(certificate.clone()));
        facts.probes.hub = distrust(Distrust::OtherCa(certificate.clone()));
        facts.probes.tunnel = Some(Err(Failure::CertificateRefused("unknown CA")));
    });
    assert!(
        all.len() == 1 && all[0].starts_with("/ca.crt: error: cloudcore at 192.0.2.1:10002 has another CA"),
        "{all:?}"
    );
    // A wrong name is reported once for all ports.
    let wrong = || {
        let host = Name::Ip("192.0.2.1".parse().unwrap());
        distrust(Distrust::WrongName { host, certificate: certificate.clone() })
    };
    let named =
        found(|facts| (facts.probes.hub, facts.probes.https, facts.probes.tunnel) = (wrong(), wrong(), wrong()));
    assert!(named.len() == 1 && named[0].contains("its certificate does not name "), "{named:?}");
}

#[test]
fn causes_are_the_same_by_what_they_are_and_not_by_their_text() {
    let one = pair();
    let wrong = |certificate: &Certificate| {
        distrust(Distrust::WrongName { host: Name::Ip(CLOUD), certificate: certificate.clone() })
    };
    // Each server has a certificate of its own to be replaced.
    let named = found(|facts| {
        facts.probes.hub = wrong(&one.certificate);
        facts.probes.https = wrong(&one.certificate);
        facts.probes.tunnel = wrong(&one.ca);
    });
    let begins = |line: &str, start: &str| line.starts_with(start);
    assert!(
        named.len() == 2
            && begins(&named[0], "192.0.2.1:10000: error: hub: ")
            && begins(&named[1], "192.0.2.1:10004: error: tunnel: "),
        "{named:?}"
    );
    // The same failure at another host is another cause.
    let hosts = found(|facts| {
        facts.config.tunnel = Some(Address::parse("", "192.0.2.2", 10004).unwrap());
        (facts.probes.hub, facts.probes.tunnel) = (Some(Err(Failure::NotTls)), Some(Err(Failure::NotTls)));
    });
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    // A file that both pairs lack is missing once, and another one for itself.
    let lacks = |file: &str| Some(Err(Box::new(Finding::error(file, "it does not exist"))));
    for (of_tunnel, count) in [("/ca.crt", 1), ("/tunnel.crt", 2)] {
        let all = found(|facts| {
            facts.pair = Err(Box::new(Finding::error("/ca.crt", "it does not exist")));
            facts.tunnel_pair = lacks(of_tunnel);
        });
        assert_eq!(all.len(), count, "{all:?}");
    }
}

#[test]
fn hint_names_what_is_known_of_cloudcore() {
    let hints = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        judge(&facts).findings.into_iter().filter_map(|one| one.hint).collect::<Vec<_>>()
    };
    let no_https: fn(&mut Facts) = |facts| (facts.config.https, facts.probes.https) = (None, None);
    assert_eq!(hints(no_https), ["edge-conf set modules.edgeHub.httpServer=https://192.0.2.1:10002"]);
    let not_tls = hints(|facts| facts.probes.tunnel = Some(Err(Failure::NotTls)));
    assert_eq!(
        not_tls,
        ["is that the tunnel of cloudcore? check its address: edge-conf get modules.edgeStream.server"]
    );
}

#[test]
fn foreign_program_on_a_port_is_a_cause_of_its_own() {
    let foreign = |facts: &mut Facts| {
        facts.local.open =
            vec![Open { port: 10350, listens: true, remote: CLOUD, owner: of_process("/usr/bin/python3.11") }];
        facts.local.runs = Running::No;
    };
    let text = "port 10350: error: the port of edgecore's kubelet is in use by /usr/bin/python3.11 (process 7): edgecore does not start";
    assert_eq!(found(foreign), [text]);
    let both = found(|facts| {
        foreign(facts);
        facts.probes.hub = Some(Err(Failure::Refused));
    });
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn edgecore_without_a_connection_is_named_only_if_that_is_known() {
    let without = found(|facts| facts.local.open.retain(|open| open.port != 10004));
    assert_eq!(
        without,
        [
            "edgecore.service: error: edgecore runs, but has no connection to the tunnel (port 10004): kubectl logs, exec and top fail"
        ]
    );
    let unknown = found(|facts| facts.local.open.iter_mut().for_each(|open| open.owner = SocketOwner::Unknown));
    assert!(
        unknown.len() == 2 && unknown[0].contains(": note: it is unknown whether edgecore is connected to the hub"),
        "{unknown:?}"
    );
    let silent = found(|facts| facts.probes.kubelet = Some(Err(Failure::Late(Stage::Answer))));
    assert_eq!(
        silent,
        [
            "127.0.0.1:10350: error: edgecore's kubelet does not answer: no answer in time, before the answer was complete"
        ]
    );
}

#[test]
fn servers_on_swapped_ports_are_named() {
    let required = found(|facts| facts.probes.https = Some(Err(Failure::CertificateRequired)));
    assert_eq!(
        required,
        ["192.0.2.1:10002: error: HTTPS port: the server requires a client certificate: that is the hub's port"]
    );
    let no_ca = found(|facts| facts.probes.https = Some(Ok(reached(false))));
    assert_eq!(
        no_ca,
        [
            "192.0.2.1:10002: error: HTTPS port: the request for /ca.crt is answered with status 404, and not with the CA"
        ]
    );
    let page = found(|facts| facts.probes.https = Some(Ok(Reached { is_certificate: false, ..reached(true) })));
    assert!(page.len() == 1 && page[0].contains("/ca.crt is not a certificate"), "{page:?}");
    for name in ["hub", "tunnel"] {
        let open = found(|facts| {
            let result = Some(Ok(Reached { verifies_clients: false, ..reached(false) }));
            *(if name == "hub" { &mut facts.probes.hub } else { &mut facts.probes.tunnel }) = result;
        });
        let text = format!("{name}: the server does not verify client certificates: it is not the {name} of cloudcore");
        assert!(open.len() == 1 && open[0].ends_with(&text), "{open:?}");
    }
}

#[test]
fn what_is_not_compared_is_a_note() {
    let clock = found(|facts| facts.probes.clocks = None);
    assert!(clock.len() == 1 && clock[0].contains(": note: the clock was not compared"), "{clock:?}");
    let ca = found(|facts| facts.probes.ca = None);
    assert!(ca.len() == 1 && ca[0].contains(": note: the CA was not compared"), "{ca:?}");
}

#[test]
fn connection_to_another_cloudcore_is_an_error() {
    let elsewhere = |facts: &mut Facts| facts.local.open[1].remote = "192.0.2.9".parse().unwrap();
    assert_eq!(
        found(elsewhere),
        [
            "edgecore.service: error: edgecore is connected to the hub at 192.0.2.9:10000, not to the configured one, 192.0.2.1:10000"
        ]
    );
    // A name may have both.
    let named = found(|facts| {
        elsewhere(facts);
        facts.config.hub = Some(Address::parse("", "cloud.example", 10000).unwrap());
    });
    assert!(
        named.len() == 1 && named[0].contains(": warning: edgecore is connected to the hub at 192.0.2.9"),
        "{named:?}"
    );
}

#[test]
fn hidden_processes_are_unknown_and_not_absent() {
    let hidden = |unit: Unit| {
        found(|facts| {
            facts.local = Local { unit, runs: Running::Unknown, open: Vec::new() };
            facts.probes.kubelet = Some(Err(Failure::Refused));
        })
    };
    assert_eq!(
        hidden(Unit::Unknown),
        ["edgecore.service: note: unknown whether edgecore runs: processes of other users are hidden"]
    );
    let by_unit = hidden(Unit::Active);
    assert!(by_unit.iter().all(|line| !line.contains("no connection")), "{by_unit:?}");
}

#[test]
fn unit_is_judged_by_what_systemd_says() {
    let of = |unit: Unit| found(|facts| facts.local.unit = unit);
    for state in ["activating", "deactivating"] {
        assert_eq!(of(Unit::Inactive(state.to_owned())), Vec::<String>::new());
    }
    assert_eq!(
        of(Unit::Inactive("failed".to_owned())),
        ["edgecore.service: warning: edgecore runs, but not by its unit: it is not started again after a reboot"]
    );
    assert_eq!(
        of(Unit::Disabled),
        ["edgecore.service: warning: the unit is active, but not enabled: edgecore is not started after a reboot"]
    );
    assert_eq!(
        of(Unit::Silent("why".to_owned())),
        ["edgecore.service: note: unknown whether its unit is active and enabled: why"]
    );
}
