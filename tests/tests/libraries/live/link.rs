//! edge-link in network namespaces of its own, set up and compared by ip.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;

use edge_host::Exit;
use edge_link::{Link, RouteKind, Snapshot, delete};
use edgeutils_tests::live::cannot_unshare;
use nix::sched::{CloneFlags, unshare};

/// Runs a shell script in the network namespace of this thread.
#[track_caller]
fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a test in a thread with a network namespace of its own.
fn in_namespace(test: fn()) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        test();
    });
    thread.join().unwrap();
}

fn named(snapshot: &Snapshot, name: &str) -> Link {
    snapshot.links.iter().find(|link| link.name == name).unwrap().clone()
}

#[test]
fn snapshot_reads_what_ip_has_made() {
    if cannot_unshare("snapshot_reads_what_ip_has_made") {
        return;
    }
    in_namespace(|| {
        sh("ip link set lo up
            ip link add cni0 type bridge; ip link set cni0 up
            ip link add veth1 type veth peer name eth1; ip link set veth1 master cni0 group 7
            ip link add flannel.4096 type vxlan id 4096 dstport 8472
            ip tuntap add edge_tun0 mode tun; ip tuntap add tap0 mode tap
            ip address add 10.244.1.1/24 dev cni0; ip -6 address add fd00::1/64 dev cni0 nodad
            ip route add 10.244.7.0/24 via 10.244.1.9 dev cni0
            ip route add blackhole 10.9.0.0/26 proto 80
            ip -6 route add blackhole fd09::/64
            ip route add default via 10.244.1.2 table 300
            ip route add 10.66.0.0/24 nexthop via 10.244.1.3 nexthop via 10.244.1.4");
        let read = Snapshot::read().unwrap();
        let (bridge, veth) = (named(&read, "cni0"), named(&read, "veth1"));
        assert!(bridge.is("bridge") && bridge.is_up && !veth.is_up && veth.is("veth"));
        assert_eq!((veth.master, veth.group), (Some(bridge.index), 7));
        assert_eq!((veth.peer, veth.is_peer_elsewhere), (Some(named(&read, "eth1").index), false));
        assert_eq!(read.members_of(bridge.index).collect::<Vec<_>>(), [&veth]);
        assert_eq!(named(&read, "flannel.4096").vni, Some(4096));
        assert!(named(&read, "edge_tun0").is("tun") && named(&read, "tap0").is("tap"));
        assert_eq!(named(&read, "lo").kind, None);
        let names: Vec<&str> = read.links.iter().map(|link| link.name.as_str()).collect();
        let ip: Vec<String> = sh("ls /sys/class/net >/dev/null; ip -o link | cut -d' ' -f2 | tr -d : | cut -d@ -f1")
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(names, ip);
        let addresses: Vec<String> = read.addresses_of(bridge.index).map(|one| one.address.to_string()).collect();
        assert_eq!(addresses[..2], ["10.244.1.1/24", "fd00::1/64"]);
        let to = |to: &str| read.routes.iter().find(|route| route.to.to_string() == to).unwrap();
        assert_eq!(to("10.244.7.0/24").gateways, ["10.244.1.9".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!((to("10.9.0.0/26").kind, to("10.9.0.0/26").protocol), (RouteKind::Blackhole, 80));
        assert!(to("0.0.0.0/0").is_default() && to("0.0.0.0/0").table == 300);
        assert_eq!(to("10.66.0.0/24").links, [bridge.index, bridge.index]);
        // Deleted once, and again: an object that is gone is success.
        for route in ["10.244.7.0/24", "10.9.0.0/26", "fd09::/64", "0.0.0.0/0"] {
            to(route).delete().unwrap();
            to(route).delete().unwrap();
        }
        assert!(to("10.66.0.0/24").delete().unwrap_err().message().ends_with("it has several gateways"));
        for address in read.addresses_of(bridge.index) {
            address.delete().unwrap();
            address.delete().unwrap();
        }
        let after = Snapshot::read().unwrap();
        assert_eq!(after.addresses_of(bridge.index).count(), 0);
        assert_eq!(sh("ip route; ip route show table 300; ip -6 route | grep fd0 || true"), "");
    });
}

#[test]
fn snapshot_reads_names_and_aliases_that_are_not_utf_8() {
    if cannot_unshare("snapshot_reads_names_and_aliases_that_are_not_utf_8") {
        return;
    }
    in_namespace(|| {
        sh("name=$(printf 'caf\\351'); ip link add cni0 type bridge
            ip link set cni0 alias \"$name\"; ip link add \"$name\" type bridge
            ip address add 10.1.0.1/24 dev \"$name\"");
        let read = Snapshot::read().unwrap();
        let odd = named(&read, "caf\u{fffd}");
        assert_eq!(read.addresses_of(odd.index).count(), 1);
        assert_eq!(delete(&[named(&read, "cni0").identity(), odd.identity()]).unwrap(), BTreeMap::new());
        assert_eq!(sh("ip -o link | wc -l"), "1\n");
    });
}

#[test]
fn routes_of_tunnels_and_with_gateways_of_another_family_are_deleted() {
    if cannot_unshare("routes_of_tunnels_and_with_gateways_of_another_family_are_deleted") {
        return;
    }
    in_namespace(|| {
        sh("ip link add cni0 type bridge; ip link set cni0 up
            ip address add 10.1.0.1/24 dev cni0; ip -6 address add fd00::1/64 dev cni0 nodad
            ip route add 10.2.0.0/24 via inet6 fd00::9 dev cni0
            ip route add 10.2.0.0/24 via inet6 fd00::8 dev cni0 metric 5
            ip route add 10.3.0.0/24 encap ip id 1 dst 10.1.0.9 via 10.1.0.9 dev cni0
            ip route add 10.4.0.0/24 nexthop encap ip id 1 dst 10.1.0.9 via 10.1.0.9 nexthop via inet6 fd00::9 dev cni0");
        let read = Snapshot::read().unwrap();
        let to = |to: &str| read.routes.iter().find(|route| route.to.to_string() == to).unwrap();
        assert_eq!(
            to("10.4.0.0/24").gateways.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.1.0.9", "fd00::9"]
        );
        for route in ["10.2.0.0/24", "10.3.0.0/24"] {
            to(route).delete().unwrap();
        }
        assert_eq!(
            sh("ip route show 10.2.0.0/24 | sed 's/ *$//'; ip route show 10.3.0.0/24"),
            "10.2.0.0/24 via inet6 fd00::8 dev cni0 metric 5\n"
        );
    });
}

#[test]
fn delete_leaves_links_that_are_not_the_same_any_more() {
    if cannot_unshare("delete_leaves_links_that_are_not_the_same_any_more") {
        return;
    }
    in_namespace(|| {
        sh("ip link add cni0 type bridge; ip link set cni0 up
            for n in 1 2 3; do
                ip link add veth$n type veth peer name eth$n; ip link set veth$n master cni0 up
            done
            ip link add flannel.1 type vxlan id 1 dstport 8472; ip link set flannel.1 group 5");
        let read = Snapshot::read().unwrap();
        let all: Vec<_> =
            ["cni0", "veth1", "veth2", "veth3", "flannel.1"].map(|name| named(&read, name).identity()).to_vec();
        // One is renamed, one replaced, one gone.
        sh("ip link set veth2 down; ip link set veth2 name uplink
            ip link delete flannel.1; ip link add flannel.1 type vxlan id 2 dstport 8472; ip link delete veth3");
        let errors = delete(&all).unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = &errors[&all[2].index];
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.message().starts_with("cannot delete veth2: it has changed since it was read"));
        let after = Snapshot::read().unwrap();
        let names: Vec<&str> = after.links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["lo", "eth2", "uplink", "flannel.1"]);
        assert!(after.links.iter().all(|link| link.group == 0));
        assert_eq!(delete(&all[..2]).unwrap(), BTreeMap::new(), "they are gone already");
        // The kernel refuses to delete hardware and lo, alone or in a group: the others go.
        let lo = named(&after, "lo").identity();
        let errors = delete(&[lo.clone(), named(&after, "flannel.1").identity()]).unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), [&lo.index]);
        assert_eq!(errors[&lo.index].message(), "cannot delete lo: Operation not supported (os error 95)");
        assert_eq!(sh("ip -o link show group 0 | wc -l"), "3\n");
    });
}
