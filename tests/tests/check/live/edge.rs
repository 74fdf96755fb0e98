//! `edge`: each link cut in turn, and the named one compared.

use std::time::Duration;

use super::world::{finds, run};

#[test]
fn edge_reports_every_link_that_works() {
    let Some(shown) = finds("edge_reports_every_link_that_works", "cloud; edge; \"$CHECK\" edge", 0, &[]) else {
        return;
    };
    for line in [
        "edgecore.yaml: ok: /etc/kubeedge/config/edgecore.yaml",
        "clock: ok: within 60 seconds of cloudcore's",
        "certificate of the node: ok: valid for 36",
        "hub 192.0.2.1:10000: ok",
        "HTTPS port 192.0.2.1:10002: ok",
        "tunnel 192.0.2.1:10004: ok",
        "edgecore: ok: it runs",
        "127.0.0.1:10350: ok: edgecore's kubelet answers",
        "connection of edgecore to the hub: ok: established",
        "connection of edgecore to the tunnel: ok: established",
        "no problems found",
    ] {
        assert!(shown.lines().any(|own| own.starts_with(line)), "{line}:\n{shown}");
    }
}

#[test]
fn edge_names_the_port_that_does_not_answer() {
    let test = "edge_names_the_port_that_does_not_answer";
    let refused = "the connection is refused: nothing listens there";
    let one = |port: &str| format!("192.0.2.1: error: port {port}: {refused}");
    finds(test, "cloud --mode no-hub; \"$CHECK\" edge", 3, &[&one("10000 (hub)")]);
    finds(test, "cloud --mode no-https; \"$CHECK\" edge", 3, &[&one("10002 (HTTPS port)")]);
    finds(test, "cloud --mode no-tunnel; edge; \"$CHECK\" edge", 3, &[&one("10004 (tunnel)")]);
    // Neither edgecore, which does not run, nor its connections follow.
    let all = format!("192.0.2.1: error: ports 10000 (hub), 10002 (HTTPS port), 10004 (tunnel): {refused}");
    finds(test, "\"$CHECK\" edge", 3, &[&all]);
}

#[test]
fn edge_ends_within_five_seconds_with_everything_dead() {
    let test = "edge_ends_within_five_seconds_with_everything_dead";
    // The time of the utility alone, without that of its surroundings.
    let dead = "edit s/192.0.2.1/198.51.100.99/; timeout 5 \"$CHECK\" edge";
    let expected = "198.51.100.99: error: ports 10000 (hub), 10002 (HTTPS port), 10004 (tunnel): the connection is not answered in time";
    finds(test, dead, 3, &[expected]);
    // A name that DNS does not resolve, with a name server that does not answer.
    let script = "edit s/192.0.2.1/cloud.example/; timeout 5 \"$CHECK\" edge";
    finds(test, script, 3, &["cloud.example: error: no answer in time, while the name was resolved"]);
}

#[test]
fn edge_names_clock_and_certificates() {
    let test = "edge_names_clock_and_certificates";
    let check = "\"$CHECK\" edge";
    finds(
        test,
        &format!("cloud --skew 34560000; edge; {check}"),
        3,
        &["clock: error: the clock of this host is 400 days behind that of cloudcore: "],
    );
    finds(
        test,
        &format!("cloud --skew 600; edge; {check}"),
        0,
        &["clock: warning: the clock of this host is 10 minutes behind that of cloudcore: "],
    );
    finds(
        test,
        &format!("cp \"$OTHER/ca.crt\" /etc/kubeedge/ca/rootCA.crt; cloud; {check}"),
        3,
        &["/etc/kubeedge/ca/rootCA.crt: error: cloudcore at 192.0.2.1:10002 has another CA than the one of this node"],
    );
    finds(
        test,
        &format!("edit s/192.0.2.1/192.0.2.2/; cloud; {check}"),
        3,
        &["192.0.2.2:10000: error: hub: the server cannot be trusted: its certificate does not name "],
    );
    finds(
        test,
        &format!("cloud --mode other-clients --other \"$OTHER\"; {check}"),
        3,
        &["192.0.2.1:10000: error: hub: the server rejects the client certificate: "],
    );
    finds(
        test,
        &format!(
            "cp \"$PAIR/soon.crt\" /etc/kubeedge/certs/server.crt; cp \"$PAIR/soon.key\" /etc/kubeedge/certs/server.key; cloud; edge; {check}"
        ),
        0,
        &["/etc/kubeedge/certs/server.crt: warning: the certificate of the node expires in 4 days"],
    );
    finds(
        test,
        &format!("rm /etc/kubeedge/certs/server.crt; cloud; {check}"),
        3,
        &[
            "/etc/kubeedge/certs/server.crt: error: the certificate of the node does not exist: the node has not joined cloudcore",
        ],
    );
    // Without a pair, too, cloudcore must answer and be cloudcore.
    let missing = "/etc/kubeedge/certs/server.crt: error: the certificate of the node does not exist";
    let no_pair = "rm /etc/kubeedge/certs/server.crt";
    finds(
        test,
        &format!("{no_pair}; cloud --mode no-https; {check}"),
        3,
        &[missing, "192.0.2.1: error: port 10002 (HTTPS port): the connection is refused"],
    );
    finds(
        test,
        &format!("{no_pair}; edit s/:10002/:30010/; cloud --stream 30010; {check}"),
        3,
        &[missing, "192.0.2.1:30010: error: HTTPS port: the request for /ca.crt is answered with status 404"],
    );
    finds(
        test,
        &format!("rm /etc/kubeedge/certs/server.key; mkdir /etc/kubeedge/certs/server.key; cloud; {check}"),
        3,
        &["/etc/kubeedge/certs/server.key: error: it cannot be read: it is a directory, not a file"],
    );
    finds(
        test,
        &format!("cp \"$PAIR/soon.key\" /etc/kubeedge/certs/server.key; cloud; {check}"),
        3,
        &["/etc/kubeedge/certs/server.crt: error: the certificate is not that of the private key"],
    );
}

#[test]
fn edge_names_what_edgecore_lacks_on_its_host() {
    let test = "edge_names_what_edgecore_lacks_on_its_host";
    let check = "\"$CHECK\" edge";
    finds(test, &format!("cloud; {check}"), 3, &["edgecore.service: error: edgecore does not run"]);
    finds(
        test,
        &format!("cloud; export EDGECORE_STANDIN=no-kubelet; edge; {check}"),
        3,
        &["127.0.0.1:10350: error: edgecore runs, but its kubelet does not listen"],
    );
    finds(
        test,
        &format!("cloud; EDGECORE_STANDIN=silent \"$EDGE\" & sleep 0.3; until_true test -s /mnt/ports; {check}"),
        3,
        &["edgecore.service: error: edgecore runs, but has no connection to the hub (port 10000)"],
    );
    // A foreign program on its port is the cause, and not that edgecore does not run.
    finds(
        test,
        &format!(
            "cloud; python3 -m http.server 10350 > /dev/null & until_true sh -c 'ss -ltn | grep -q :10350'; until_true test -s /mnt/ports; {check}"
        ),
        3,
        &["port 10350: error: the port of edgecore's kubelet is in use by /usr/bin/python3"],
    );
    finds(
        test,
        "cloud; edit 's/server: 192.0.2.1:10000/server: CLOUD_IP:10000/'; \"$CHECK\" edge",
        3,
        &[
            "/etc/kubeedge/config/edgecore.yaml: error: modules.edgeHub.websocket.server: \"CLOUD_IP:10000\" is not an address of cloudcore",
        ],
    );
}

#[test]
fn edge_names_swapped_ports() {
    let test = "edge_names_swapped_ports";
    finds(
        test,
        "edit 's/:10000/:30002/; s/:10002/:30000/; s/:10004/:30004/'; cloud --ports 30000,30002,30004; \"$CHECK\" edge",
        3,
        &[
            "192.0.2.1:30002: error: hub: the server does not verify client certificates: it is not the hub of cloudcore",
            "192.0.2.1:30000: error: HTTPS port: the server requires a client certificate: that is the hub's port",
        ],
    );
}

#[test]
fn edge_names_a_connection_to_another_cloudcore() {
    let test = "edge_names_a_connection_to_another_cloudcore";
    // edgecore was not restarted after the address was changed; both are of one cloudcore here.
    finds(
        test,
        "cloud; edge; edit s/192.0.2.1/192.0.2.3/; \"$CHECK\" edge",
        3,
        &[
            "edgecore.service: error: edgecore is connected to the hub at 192.0.2.1:10000, not to the configured one, 192.0.2.3:10000",
        ],
    );
}

#[test]
fn edge_does_not_wait_for_a_systemd_that_hangs() {
    let test = "edge_does_not_wait_for_a_systemd_that_hangs";
    let hang = "mkdir -p /run/systemd/system; printf '[Service]\\nExecStart=/bin/true\\n' > /etc/systemd/system/edgecore.service; \
        printf '#!/bin/sh\\ntrap \"\" TERM\\nsleep 30\\n' > /mnt/hang; chmod 755 /mnt/hang; program=$(readlink -f \"$(command -v systemctl)\"); \
        [ -n \"$program\" ] || { mkdir -p /usr/local/bin; program=/usr/bin/systemctl; }; mount --bind /mnt/hang \"$program\" || exit 99";
    let script = format!("cloud; edge; {hang}; \"$CHECK\" edge");
    finds(test, &script, 0, &[]);
    let Some((ran, took)) = run(test, &script) else { return };
    assert!(
        ran.stdout.contains("edgecore.service: note: unknown whether its unit is active and enabled: "),
        "{}",
        ran.stdout
    );
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn edge_of_another_user_does_not_take_what_is_hidden_for_absent() {
    let test = "edge_of_another_user_does_not_take_what_is_hidden_for_absent";
    let user = "touch /mnt/check; mount --bind \"$CHECK\" /mnt/check; chmod 755 /mnt; chmod 644 /etc/kubeedge/certs/server.key; \
        setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/check edge";
    // The process has its name, and its connections are hidden.
    let Some(shown) = finds(test, &format!("cloud; edge; {user}"), 0, &[]) else { return };
    assert!(shown.contains("edgecore: ok: it runs\n"), "{shown}");
    assert!(shown.contains("note: it is unknown whether edgecore is connected to the hub"), "{shown}");
    // Without hidden processes it is absent for every user.
    finds(test, &format!("cloud; {user}"), 3, &["edgecore.service: error: edgecore does not run"]);
    // What may not be read is not broken.
    let secret = user.replace("chmod 644", "chmod 600");
    let Some((ran, _)) = run(test, &format!("cloud; edge; {secret}")) else { return };
    let cannot = "edge-check: cannot read /etc/kubeedge/certs/server.key: Permission denied";
    assert!(ran.code == 1 && ran.stdout.starts_with(cannot), "{}", ran.stdout);
    assert!(ran.stdout.contains("hint: run it as root (sudo)"), "{}", ran.stdout);
    let hidden = "mount -o remount,hidepid=2 /proc";
    let Some(shown) = finds(test, &format!("cloud; edge; {hidden}; {user}"), 0, &[]) else { return };
    assert!(shown.contains("edgecore.service: note: unknown whether edgecore runs"), "{shown}");
}
