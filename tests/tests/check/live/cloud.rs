//! `cloud`: ports, the pair of the stream server, redirects.

use super::world::finds;

/// The stream server lets everybody in, in every version of KubeEdge.
const OPEN: &str = "port 10003: warning: it answers without a certificate of the client";
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
            "port 10003: warning: the stream server presents another certificate than that in /etc/kubeedge/certs/stream.crt",
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
