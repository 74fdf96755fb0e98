//! The real plugins, built by edge-cni from the Go module, in private namespaces.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use edgeutils_tests::cni::{built, can_build, own_arch, script};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{live, skip};

const PLUGINS: &str = "bridge,dhcp,host-local,loopback,portmap";

/// The output of a script with two releases, $NEW and $OLD; none where it cannot run here.
pub(super) fn transcript(test: &str, text: &str) -> Option<String> {
    if !live::can_unshare() || !can_build() {
        skip(test, "namespaces cannot be made, or go is not on the PATH");
        return None;
    }
    let new = built("v1.9.1", own_arch(), PLUGINS);
    let old = built("v0.8.7", own_arch(), PLUGINS);
    let ran = script(&format!("NEW={}; OLD={}\n{text}", new.display(), old.display()));
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    Some(ran.stdout)
}

/// Fails unless each of these is in the text, in this order.
#[track_caller]
pub(super) fn in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for want in expected {
        let Some(at) = rest.find(want) else { panic!("{want:?} is not in its place in\n{text}") };
        rest = &rest[at + want.len()..];
    }
}

#[test]
fn trial_leaves_nothing_behind() {
    let Some(said) = transcript(
        "cni_live_network trial",
        r#"
        cni install --from-build "$NEW" > /dev/null
        cni conf bridge --subnet 10.85.0.0/16 --subnet fd00:85::/64
        state() {
            ip -o link; ip -o addr; ip route; iptables-save; ip netns list; cat /proc/sys/net/ipv4/ip_forward
            find /var/lib/cni /run /opt /etc/cni 2>/dev/null | sort
            grep -c . /proc/self/mountinfo
        }
        state > /mnt/before
        cni check --live
        state > /mnt/after
        cmp /mnt/before /mnt/after && echo "nothing is left"
        cni check --live --json | grep -c '"type":"finding"'
        /opt/cni/bin/bridge 2>&1 | head -1
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "wrote /etc/cni/net.d/10-edgeutils.conflist: the network edgeutils  [undo: exact]\n2 changes\nexit 0\n",
            "tested edgeutils: ADD assigned 10.85.0.2/16 and fd00:85::2/64, CHECK succeeded, DEL left nothing behind\n",
            "10-edgeutils.conflist (1.1.0, with bridge v1.9.1, host-local v1.9.1, portmap v1.9.1)\nno problems found\nexit 0\n",
            "nothing is left\n0\n",
            "CNI bridge plugin v1.9.1\n",
        ],
    );
}

#[test]
fn check_names_a_release_that_is_too_old() {
    let Some(said) = transcript(
        "cni_live_network old",
        r#"
        cni install --from-build "$OLD" > /dev/null
        cni conf bridge --subnet 10.85.0.0/16 > /dev/null
        grep cniVersion /etc/cni/net.d/*
        cni check --live
        sed -i 's/"0.4.0"/"1.0.0"/' /etc/cni/net.d/10-edgeutils.conflist
        cni check
        cni install --from-build "$NEW" > /dev/null
        cni check --live
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "\"cniVersion\": \"0.4.0\"",
            "tested edgeutils: ADD assigned 10.85.0.2/16, CHECK succeeded, DEL left nothing behind\n",
            "no problems found\nexit 0\n",
            "error: plugins[0].type: bridge v0.8.7 supports CNI versions up to 0.4.0, but the network requires 1.0.0",
            "hint: install a newer release",
            "exit 3\n",
            "tested edgeutils: ADD assigned 10.85.0.2/16",
            "no problems found\nexit 0\n",
        ],
    );
}

#[test]
fn install_replaces_a_running_plugin_and_undo_restores_it() {
    let Some(said) = transcript(
        "cni_live_network daemon",
        r#"
        cni install --from-build "$OLD" > /dev/null
        mkdir -p /run/cni
        /opt/cni/bin/dhcp daemon & daemon=$!
        for i in 1 2 3 4 5 6 7 8 9 10; do test -S /run/cni/dhcp.sock && break; sleep 0.2; done
        echo x 2>/dev/null >> /opt/cni/bin/dhcp || echo "it is busy"
        cni install --from-build "$NEW" > /dev/null
        cmp "$NEW/dhcp" /opt/cni/bin/dhcp && echo "replaced"
        kill -0 $daemon && echo "still running"
        cni undo > /dev/null
        cmp "$OLD/dhcp" /opt/cni/bin/dhcp && echo "restored"
        kill $daemon
        cni undo > /dev/null
        find /opt
        "#,
    ) else {
        return;
    };
    assert_eq!(said, "it is busy\nreplaced\nstill running\nrestored\n/opt\n");
}

#[test]
fn conf_and_check_find_other_routes_and_addresses() {
    let Some(said) = transcript(
        "cni_live_network routes",
        r#"
        cni install --from-build "$NEW" > /dev/null
        ip link add eth7 type veth peer name eth8 && ip link set eth8 up && ip addr add 10.85.3.1/24 dev eth7 && ip link set eth7 up
        cni conf bridge --subnet 10.85.0.0/16
        ip addr add 10.87.0.1/32 dev lo
        cni conf bridge --subnet 10.87.0.0/16
        cni conf bridge --subnet 10.86.0.0/16
        ip link add cni0 type bridge && ip addr add 10.99.0.1/16 dev cni0 && ip link set cni0 up
        cni check
        ip link delete cni0
        ip addr add 10.86.3.1/8 dev eth7
        cni check
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "edge-cni: cannot use 10.85.0.0/16: this host has a route to 10.85.3.0/24 on eth7\nhint: ",
            "exit 4\n",
            "edge-cni: cannot use 10.87.0.0/16: this host has the address 10.87.0.1 on lo\nhint: ",
            "exit 4\n",
            "wrote /etc/cni/net.d/10-edgeutils.conflist",
            "error: cni0 has the address 10.99.0.1/16 of another network instead of 10.86.0.1/16: pods fail\n",
            "hint: stop all pods and run: ip link delete cni0\n",
            "exit 3\n",
            "warning: 10.86.0.0/16 overlaps this host's route to 10.0.0.0/8 on eth7: pods receive that traffic\n",
            "no errors, 1 warning\nexit 0\n",
        ],
    );
}

#[test]
fn trial_reports_the_error_of_a_plugin() {
    let Some(said) = transcript(
        "cni_live_network failing",
        r#"
        cni install --from-build "$NEW" > /dev/null
        cni conf bridge --subnet 10.85.0.0/16 > /dev/null
        mv /opt/cni/bin/host-local /mnt/host-local
        printf '#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] || exec /mnt/host-local\n' > /opt/cni/bin/host-local
        chmod 755 /opt/cni/bin/host-local
        cni check --live
        mv /mnt/host-local /opt/cni/bin/host-local
        sed -i 's/"bridge": "cni0"/"bridge": "a-name-that-is-too-long"/' /etc/cni/net.d/10-edgeutils.conflist
        cni check --live
        ip -o link | grep -c veth
        sed -i 's/"type": "portmap"/"type": "macvlan", "master": "eth0"/' /etc/cni/net.d/10-edgeutils.conflist
        cp "$NEW/bridge" /opt/cni/bin/macvlan
        cni check --live
        # flannel needs a file of its daemon, which the trial does not see in /run.
        mkdir /run/flannel; printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n' > /run/flannel/subnet.env
        printf '{"cniVersion": "0.4.0", "name": "cbr0", "plugins": [{"type": "flannel"}]}' > /etc/cni/net.d/10-edgeutils.conflist
        cp "$OLD/bridge" /opt/cni/bin/flannel
        cni check --live
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "error: DEL does not release the lease of 10.85.0.2: the range runs out of addresses\n",
            "exit 3\n",
            "error: plugins[0]: ADD by bridge failed: failed to create bridge \"a-name-that-is-too-long\"",
            "exit 3\n",
            "0\n",
            "note: not tested: macvlan needs a device of the host (master)\n",
            "note: not tested: flannel may need a daemon of the host or the cluster\n",
            "no problems found\nexit 0\n",
        ],
    );
}

#[test]
fn trial_runs_plugins_below_tmp_and_says_where_it_cannot() {
    let Some(said) = transcript(
        "cni_live_network tmp",
        r#"
        dir=$(mktemp -d /tmp/edge-cni-test-XXXXXX); mkdir -p /run/plugins
        cp "$NEW"/* $dir; cp "$NEW"/* /run/plugins
        cni conf bridge --subnet 10.85.0.0/16 --bin-dir $dir > /dev/null
        cni check --live --bin-dir $dir
        ln -s $dir /opt/linked
        cni check --live --bin-dir /opt/linked
        cni check --live --bin-dir /run/plugins
        rm -r $dir
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "tested edgeutils: ADD assigned 10.85.0.2/16, CHECK succeeded, DEL left nothing behind\n",
            "no problems found\nexit 0\n",
            "tested edgeutils: ADD assigned 10.85.0.2/16, CHECK succeeded, DEL left nothing behind\n",
            "exit 0\n",
            "note: not tested: the plugins in /run/plugins are below /run, which is an empty directory during the test\n",
            "exit 0\n",
        ],
    );
}

#[test]
fn check_compares_the_bridge_with_flannel_and_finds_leftovers() {
    let Some(said) = transcript(
        "cni_live_network leftovers",
        r#"
        cni install --from-build "$NEW" > /dev/null
        cni conf bridge --subnet 10.85.0.0/16 > /dev/null
        cp "$OLD/bridge" /opt/cni/bin/flannel
        printf '{"cniVersion": "0.4.0", "name": "cbr0", "plugins": [{"type": "flannel"}]}' > /etc/cni/net.d/05-flannel.conflist
        cni check
        mkdir /run/flannel; : > /run/flannel/subnet.env
        cni check
        printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n' > /run/flannel/subnet.env
        ip link add cni0 type bridge && ip addr add 10.85.0.1/16 dev cni0
        cni check
        mv /etc/cni/net.d/05-flannel.conflist /etc/cni/net.d/05-flannel.conflist.disabled
        cni check
        "#,
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "05-flannel.conflist: error: plugins[0].type: flannel needs /run/flannel/subnet.env of flanneld, which does not exist: CRI-O reports that the network is ready, but pods fail\n",
            "hint: move this leftover away, so that 10-edgeutils.conflist is used: mv /etc/cni/net.d/05-flannel.conflist /etc/cni/net.d/05-flannel.conflist.disabled\n",
            "exit 3\n",
            "flannel needs /run/flannel/subnet.env of flanneld, which is empty",
            "exit 3\n",
            "05-flannel.conflist: error: cni0 has the address 10.85.0.1/16 of another network instead of 10.244.1.1/24: pods fail\n",
            "exit 3\n",
            "no problems found\nexit 0\n",
        ],
    );
}

#[test]
fn trial_has_a_network_namespace_for_the_runtime_and_one_for_the_pod() {
    if !live::can_unshare() {
        return skip("cni_live_network namespaces", "namespaces cannot be made");
    }
    let ran = script(
        r#"
        mkdir -p /opt/cni/bin /etc/cni/net.d
        echo '{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge"}]}' > /etc/cni/net.d/1.conflist
        printf '%s\n' '#!/bin/sh' 'case $CNI_COMMAND in' \
            'VERSION) echo "{\"supportedVersions\": [\"1.0.0\"]}";;' \
            'ADD) echo "{\"msg\": \"runtime $(readlink /proc/self/ns/net) pod $(stat -Lc %i "$CNI_NETNS").\"}"; exit 1;;' \
            'esac' > /opt/cni/bin/bridge
        chmod 755 /opt/cni/bin/bridge
        echo "host $(readlink /proc/self/ns/net)."
        cni check --live
        "#,
    );
    let number = |before: &str| -> u64 {
        let rest = ran.stdout.split_once(before).unwrap_or_else(|| panic!("{before}: {}", ran.stdout)).1;
        let digits: String =
            rest.chars().skip_while(|c| "net:[".contains(*c)).take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let (host, runtime, pod) = (number("host "), number("runtime "), number(" pod "));
    assert!(host != runtime && host != pod && runtime != pod, "{}", ran.stdout);
}

/// All plugins in one program, which goes by its own name.
const ALL_IN_ONE: &str = r#"package main

import ("fmt"; "os"; "path/filepath")

func main() {
    switch filepath.Base(os.Args[0]) {
    case "bridge", "host-local", "portmap", "loopback":
        fmt.Println(`{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}`)
    default:
        fmt.Println("no such plugin")
        os.Exit(1)
    }
}
"#;

#[test]
fn plugin_that_is_a_link_runs_under_its_own_name() {
    if !live::can_unshare() || !can_build() {
        skip("cni_live_network links", "namespaces cannot be made, or go is not on the PATH");
        return;
    }
    let tree = Tree::new();
    tree.write("main.go", ALL_IN_ONE);
    let program = tree.at("all-in-one");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(tree.at("main.go")).env("CGO_ENABLED", "0");
    assert!(go.status().unwrap().success());
    let ran = script(&format!(
        r#"
        mkdir -p /opt/cni/bin && cp '{}' /opt/cni/bin/all-in-one
        for name in bridge host-local portmap loopback; do ln -s all-in-one /opt/cni/bin/$name; done
        cni conf bridge --subnet 10.85.0.0/16 > /dev/null
        cni check
        "#,
        program.display()
    ));
    in_order(
        &ran.stdout,
        &["10-edgeutils.conflist (1.0.0, with bridge, host-local, portmap)\nno problems found\nexit 0\n"],
    );
}
