//! What `check` finds on a host, on one that is the test's own: private mount, network and UTS namespaces.

mod answers;
mod apply;
mod joins;
mod kill;
mod machine;

use std::time::{Duration, Instant};

use edgeutils_tests::cloudcore;
use edgeutils_tests::live::{cannot_unshare, script};
use edgeutils_tests::tool::path;

/// A host `edge1` with cloudcore at 192.0.2.1; `check` prints what it finds about the host.
fn on_host(text: &str) -> Option<String> {
    let Some(double) = cloudcore::program() else {
        edgeutils_tests::skip("live", "Go is not installed");
        return None;
    };
    let prelude = format!(
        r#"
        hostname edge1
        mkdir upper work; mount -t overlay -o lowerdir=/etc,upperdir=upper,workdir=work overlay /etc || exit 98
        rm -rf /etc/kubeedge; mkdir /etc/kubeedge
        echo '127.0.0.1 localhost edge1' > /etc/hosts; echo 'hosts: files dns' > /etc/nsswitch.conf
        ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
        ip address add 192.0.2.1/24 dev v0; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0
        CLOUD={double} JOIN={join}
        $CLOUD make pki --san 192.0.2.1
        serve() {{ $CLOUD serve pki --address 192.0.2.1 "$@" > ports & P=$!; for i in $(seq 100); do [ -s ports ] && break; sleep 0.05; done; }}
        check() {{ $JOIN check --cloudcore 192.0.2.1 --token pki/token "$@" | grep -v -e containerd -e 'hint: ' -e 'container runtime' -e 'memory cgroup'; }}
        serve
        {text}
        kill $P
        "#,
        double = double.display(),
        join = path("edge-join").display(),
    );
    Some(script("/bin/true", &prelude).stdout)
}

#[test]
fn check_finds_what_keeps_edgecore_from_starting() {
    if cannot_unshare("check_finds_what_keeps_edgecore_from_starting") {
        return;
    }
    let text = r#"
        echo "== name"; echo '127.0.0.1 localhost' > /etc/hosts; check
        echo "== own"; echo 'hosts: files myhostname' > /etc/nsswitch.conf; check
        echo "== kubelet"; cp /bin/sleep kubelet; ./kubelet 60 & K=$!; sleep 0.2; check; kill $K; wait $K 2>/dev/null
        echo "== proxy"; cp /bin/sleep kube-proxy; ./kube-proxy 60 & K=$!; sleep 0.2; check --version 1.18.3; check --version 1.23.1; kill $K; wait $K 2>/dev/null
        echo "== port"; $CLOUD serve pki --ports 0,10350,0 > other & K=$!; for i in $(seq 100); do [ -s other ] && break; sleep 0.05; done; check; kill $K; wait $K 2>/dev/null
        echo "== named"; echo edge_1 > /proc/sys/kernel/hostname; echo '127.0.0.1 localhost edge_1' > /etc/hosts; check; check --node-name edge1; hostname edge1; echo '127.0.0.1 localhost edge1' > /etc/hosts
        echo "== files"; mkdir -p /etc/kubeedge/edgemesh; check
    "#;
    let Some(said) = on_host(text) else { return };
    let after = |name: &str| {
        said.split(&format!("== {name}\n")).nth(1).unwrap_or_default().split("== ").next().unwrap().to_owned()
    };
    assert!(after("name").contains("/etc/hosts: error: this host's own name, edge1, is only known to DNS"), "{said}");
    assert!(!after("own").contains("own name"), "{said}");
    assert!(after("kubelet").contains("error: kubelet is running (process "), "{said}");
    assert_eq!(after("proxy").matches("error: kube-proxy is running").count(), 1, "{said}");
    assert!(after("port").contains("port 10350: error: ") && after("port").contains("cloudcore (process "), "{said}");
    assert_eq!(
        after("named").matches("error: this host's name, edge_1, cannot be the name of a node").count(),
        1,
        "{said}"
    );
    assert!(after("files").contains("warning: files of another installation: /etc/kubeedge/edgemesh"), "{said}");
}

#[test]
fn check_of_a_dead_host_ends_in_time() {
    if cannot_unshare("check_of_a_dead_host_ends_in_time") {
        return;
    }
    let began = Instant::now();
    let text = r#"$JOIN check --cloudcore 192.0.2.9 --token pki/token --node-name edge1; echo "exit $?""#;
    let Some(said) = on_host(text) else { return };
    assert!(
        said.contains("192.0.2.9: error: cannot connect to cloudcore: the connection is not answered in time"),
        "{said}"
    );
    assert!(said.contains("exit 3") && began.elapsed() < Duration::from_secs(15), "{said} {:?}", began.elapsed());
}
