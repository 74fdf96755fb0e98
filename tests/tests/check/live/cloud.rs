//! `cloud`: ports, the pair of the stream server, redirects.

use std::time::Duration;

use super::world::{finds, run};

/// The stream server lets everybody in, in every version of KubeEdge.
const OPEN: &str = "port 10003: warning: it does not require a client certificate: unless a firewall limits it";
const CHECK: &str = "\"$CHECK\" cloud";

#[test]
fn cloud_reports_every_link_that_works() {
    let test = "cloud_reports_every_link_that_works";
    let Some(shown) = finds(test, &format!("cloud; api_server; redirect; {CHECK}"), 0, &[OPEN]) else { return };
    for line in [
        "hub 10000: ok: it listens",
        "HTTPS port 10002: ok: it listens",
        "stream port 10003: ok: it listens",
        "tunnel 10004: ok: it listens",
        "certificate of the stream server: ok: valid for 36",
        "redirect of port 10351: ok: to 192.0.2.1:10003",
    ] {
        assert!(shown.lines().any(|own| own.starts_with(line)), "{line}:\n{shown}");
    }
    let Some(shown) = finds(test, &format!("cloud; {CHECK}"), 0, &[OPEN]) else { return };
    assert!(shown.contains("note: no API server runs on this host"), "{shown}");
}

#[test]
fn cloud_names_ports_on_which_nothing_listens() {
    let test = "cloud_names_ports_on_which_nothing_listens";
    finds(test, CHECK, 3, &["/etc/kubeedge/config/cloudcore.yaml: error: cloudcore does not run"]);
    finds(
        test,
        &format!("cloud --mode no-tunnel; {CHECK}"),
        3,
        &["port 10004: error: nothing listens: the tunnel", OPEN],
    );
    let foreign = "python3 -m http.server 10002 > /dev/null & until_true sh -c 'ss -ltn | grep -q :10002'";
    finds(
        test,
        &format!("{foreign}; cloud --mode no-https; {CHECK}"),
        3,
        &["port 10002: error: the HTTPS port of cloudcore is in use by /usr/bin/python3", OPEN],
    );
}

#[test]
fn cloud_names_what_is_wrong_with_a_redirect() {
    let test = "cloud_names_what_is_wrong_with_a_redirect";
    let api = "cloud; api_server";
    let missing = [OPEN, "redirect of port 10351: error: no rule redirects it"];
    let Some(shown) = finds(test, &format!("{api}; {CHECK}"), 3, &missing) else { return };
    assert!(shown.contains("    hint: edge-redirect add 10351=192.0.2.1:10003 --persist\n"), "{shown}");
    finds(
        test,
        &format!("{api}; redirect 10351 198.51.100.9:10003; {CHECK}"),
        3,
        &[
            OPEN,
            "redirect of port 10351: error: it is redirected to 198.51.100.9:10003: the connection is not answered in time",
        ],
    );
    finds(
        test,
        &format!("{api}; redirect 10351 192.0.2.1:9; {CHECK}"),
        3,
        &[
            OPEN,
            "redirect of port 10351: error: it is redirected to 192.0.2.1:9, where nothing listens; the stream port is 10003",
        ],
    );
    finds(
        test,
        &format!("{api}; iptables-nft -t nat -A OUTPUT -p tcp --dport 10351 -j ACCEPT; redirect; {CHECK}"),
        3,
        &[
            OPEN,
            "redirect of port 10351: error: another rule decides about it: -A OUTPUT -p tcp -m tcp --dport 10351 -j ACCEPT",
        ],
    );
    // One for each cloudcore that has recorded a port.
    let record = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tunnelport", "namespace": "kubeedge", "annotations": {"tunnelportrecord.kubeedge.io": "{\"ipTunnelPort\":{\"192.0.2.1\":10351,\"192.0.2.2\":10352}}"}}}"#;
    let with =
        |rules: &str| format!("{api}; {rules}; printf '%s' '{record}' > /mnt/record; {CHECK} --tunnelport /mnt/record");
    finds(test, &with("redirect; redirect 10352 192.0.2.2:10003"), 0, &[OPEN]);
    finds(test, &with("redirect"), 3, &[OPEN, "redirect of port 10352: error: no rule redirects it"]);
    finds(
        test,
        &with("redirect; redirect 10352"),
        3,
        &[
            OPEN,
            "redirect of port 10352: error: it is redirected to 192.0.2.1:10003, and cloudcore 192.0.2.2 has recorded it",
        ],
    );
}

#[test]
fn cloud_compares_the_pair_that_is_served_with_that_of_the_file() {
    let test = "cloud_compares_the_pair_that_is_served_with_that_of_the_file";
    let script = format!("cloud; cp \"$OTHER/server.crt\" /etc/kubeedge/certs/stream.crt; {CHECK}");
    finds(
        test,
        &script,
        0,
        &[
            "port 10003: warning: the stream server presents a certificate other than the one in /etc/kubeedge/certs/stream.crt: cloudcore has not been restarted since it changed",
            OPEN,
        ],
    );
    let off = format!("cloud; sed -i 's/enable: true/enable: false/' /etc/kubeedge/config/cloudcore.yaml; {CHECK}");
    finds(
        test,
        &off,
        0,
        &["/etc/kubeedge/config/cloudcore.yaml: warning: modules.cloudStream.enable: the stream is off"],
    );
}

#[test]
fn cloud_of_an_api_server_without_cloudcore_checks_only_redirects() {
    let test = "cloud_of_an_api_server_without_cloudcore_checks_only_redirects";
    let alone = "rm /etc/kubeedge/config/cloudcore.yaml; api_server";
    let missing = "redirect of port 10351: error: no rule redirects it";
    let Some(shown) = finds(test, &format!("{alone}; {CHECK}"), 3, &[missing]) else { return };
    assert!(shown.contains("note: no cloudcore was found on this host"), "{shown}");
    finds(
        test,
        &format!("{alone}; redirect 10351 198.51.100.9:10003; {CHECK}"),
        3,
        &[
            "redirect of port 10351: error: it is redirected to 198.51.100.9:10003: the connection is not answered in time",
        ],
    );
}

#[test]
fn cloud_does_not_take_an_empty_record_for_success() {
    let test = "cloud_does_not_take_an_empty_record_for_success";
    let record = |record: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "tunnelport", "namespace": "kubeedge", "annotations": {{"tunnelportrecord.kubeedge.io": "{record}"}}}}}}"#
        )
    };
    let with = |text: &str| {
        let record = record(text);
        format!("cloud; api_server; redirect; printf '%s' '{record}' > /mnt/record; {CHECK} --tunnelport /mnt/record")
    };
    let none = r#"{\"ipTunnelPort\":{}}"#;
    let Some((ran, _)) = run(test, &with(none)) else { return };
    let shown = "edge-check: cannot use /mnt/record: no cloudcore has recorded a port\n";
    assert!(ran.code == 1 && ran.stdout.starts_with(shown), "{}", ran.stdout);
    let empty = r#"{\"ipTunnelPort\":{\"\":10351}}"#;
    finds(test, &with(empty), 0, &[OPEN, "redirect of port 10351: warning: it is recorded with an empty address"]);
}

#[test]
fn cloud_of_another_user_says_how_the_rules_can_be_read() {
    let test = "cloud_of_another_user_says_how_the_rules_can_be_read";
    let user = "touch /mnt/check; mount --bind \"$CHECK\" /mnt/check; chmod 755 /mnt; \
        setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/check cloud";
    let unknown = "redirect of port 10351: warning: it is unknown whether it is in effect: cannot read the IPv4 rules";
    let Some(shown) = finds(test, &format!("cloud; api_server; redirect; {user}"), 0, &[OPEN, unknown]) else { return };
    assert!(shown.contains("not run as root\n    hint: run it as root (sudo)\n"), "{shown}");
}

#[test]
fn cloud_and_logs_follow_ipv6() {
    let test = "cloud_and_logs_follow_ipv6";
    let world = "ip address add fd00::1/128 dev lo; ip -6 route add fd00::/64 dev out; api_server; \
        sed -i 's/\\[192.0.2.1\\]/[\"fd00::1\"]/' /etc/kubeedge/config/cloudcore.yaml; \
        \"$CLOUD\" serve \"$PKI\" --address fd00::1 --ports 10000,10002,10004 --stream 10003 > /mnt/ports & until_true test -s /mnt/ports";
    let missing = "redirect of port 10351: error: no rule redirects it";
    let Some(shown) = finds(test, &format!("{world}; {CHECK}"), 3, &[OPEN, missing]) else { return };
    assert!(shown.contains("    hint: edge-redirect add 10351=[fd00::1]:10003 --persist\n"), "{shown}");
    let rule = "ip6tables-nft -t nat -A OUTPUT -p tcp --dport 10351 -j DNAT --to-destination '[fd00::1]:10003'";
    let Some(shown) = finds(test, &format!("{world}; {rule}; {CHECK}"), 0, &[OPEN]) else { return };
    assert!(shown.contains("redirect of port 10351: ok: to [fd00::1]:10003\n"), "{shown}");
    let logs = "\"$CHECK\" logs --node '[fd00::7]:10351'";
    finds(
        test,
        &format!("{world}; {rule}; {logs}"),
        3,
        &["tunnel: error: cloudcore has no tunnel to the node [fd00::7]"],
    );
}

#[test]
fn cloud_does_not_wait_for_an_iptables_that_hangs() {
    let test = "cloud_does_not_wait_for_an_iptables_that_hangs";
    let hang = "printf '#!/bin/sh\\ntrap \"\" TERM\\nsleep 30\\n' > /mnt/hang; chmod 755 /mnt/hang; \
        for name in iptables-nft iptables-nft-save; do mount --bind /mnt/hang \"$(readlink -f \"$(command -v \"$name\")\")\" || exit 99; done";
    let script = format!("cloud; api_server; redirect; {hang}; {CHECK}");
    let unknown = "redirect of port 10351: warning: it is unknown whether it is in effect: ";
    finds(test, &script, 0, &[OPEN, unknown]);
    let Some((_, took)) = run(test, &script) else { return };
    assert!(took < Duration::from_secs(6), "{took:?}");
    let logs = format!("cloud; edge; redirect; {hang}; \"$CHECK\" logs --node 198.51.100.7:10351");
    let Some((ran, took)) = run(test, &logs) else { return };
    assert!(took < Duration::from_secs(6) && !ran.stdout.contains("cloudcore: ok"), "{took:?} {}", ran.stdout);
}
