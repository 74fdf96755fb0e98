//! `check` of servers that are not cloudcore's HTTPS port, or do not answer as one: bounded in time and bytes, and named.

use std::time::{Duration, Instant};

use edgeutils_tests::cloudcore::{Authority, Cloudcore, Settings};

use crate::{authority, check, of_cloud};

/// The one finding about a double in a mode.
#[track_caller]
fn finding(ca: &Authority, mode: &str, other: Option<&Authority>) -> (String, String) {
    let cloud = Cloudcore::start(ca, &Settings { mode, other, ..Settings::default() });
    let began = Instant::now();
    let ran = check(&cloud, &ca.token(), &[]).expect(3);
    assert!(began.elapsed() < Duration::from_secs(15), "{mode}: {:?}", began.elapsed());
    let found = of_cloud(&ran);
    assert_eq!(found.len(), 1, "{mode}: {found:?}");
    (found[0].text.clone(), found[0].hint.clone())
}

#[test]
fn check_names_what_answers_in_place_of_cloudcore() {
    let Some(ca) = authority("check_names_what_answers") else { return };
    let other = Authority::new("127.0.0.1").unwrap();
    for (mode, want, hint) in [
        (
            "hub-on-https",
            "a hub or tunnel port of cloudcore, which requires a client certificate",
            "--https-port 10002",
        ),
        ("html", "GET /ca.crt is answered with a page for browsers (200)", "login page"),
        ("redirect", "GET /ca.crt is answered with a redirect (302)", "proxy"),
        ("plain", "the port is open, but does not speak TLS", "--https-port"),
        ("closed", "the server closed the connection during the TLS handshake", "--https-port"),
        ("endless", "the answer is larger than 65536 bytes", "--https-port"),
        ("no-https", "cannot connect to cloudcore's HTTPS port: the connection is refused", "--https-port 30002"),
        ("no-hub", "cannot connect to cloudcore's hub port: the connection is refused", "--hub-port"),
        ("no-https,no-hub,no-tunnel", "cannot connect to cloudcore: nothing listens on its ports", "start cloudcore"),
        ("other-ca", "the token is of another cloudcore", "get a new token"),
        ("other-server", "cloudcore cannot be trusted: its certificate is not from this CA", "restart cloudcore"),
    ] {
        let (text, said) = finding(&ca, mode, Some(&other));
        assert!(text.contains(want) && said.contains(hint), "{mode}: {text}\n{said}");
    }
}

#[test]
fn cloudcore_without_a_tunnel_can_be_joined() {
    let Some(ca) = authority("cloudcore_without_a_tunnel") else { return };
    let cloud = Cloudcore::start(&ca, &Settings { mode: "no-tunnel", ..Settings::default() });
    let found = of_cloud(&check(&cloud, &ca.token(), &[]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, "warning");
    assert!(found[0].text.starts_with("cannot connect to cloudcore's tunnel port: the connection is refused"));
    assert!(found[0].hint.contains("--tunnel-port"), "{found:?}");
}

#[test]
fn check_waits_no_longer_than_its_deadline_for_a_server_that_stalls() {
    let Some(ca) = authority("check_waits_no_longer") else { return };
    for (mode, want) in [
        ("stall", "no answer in time, during the TLS handshake"),
        ("stall-answer", "no answer in time, before the answer was complete"),
        ("drip", "no answer in time, before the answer was complete"),
    ] {
        let (text, _) = finding(&ca, mode, None);
        assert!(text.contains(want), "{mode}: {text}");
    }
}
