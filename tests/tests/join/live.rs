//! What `check` finds on a host, on one that is the test's own: private mount, network and UTS namespaces.

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
        echo '127.0.0.1 localhost edge1' > hosts; mount --bind hosts /etc/hosts
        echo 'hosts: files dns' > nsswitch; mount --bind nsswitch /etc/nsswitch.conf
        mkdir etc; mount --bind etc /etc/kubeedge 2>/dev/null || {{ mkdir -p upper work; mount -t overlay -o lowerdir=/etc,upperdir=upper,workdir=work overlay /etc; mkdir -p /etc/kubeedge; }}
        ip link set lo up; ip link add d0 type dummy; ip address add 192.0.2.1/24 dev d0; ip link set d0 up
        CLOUD={double} JOIN={join}
        $CLOUD make pki --san 192.0.2.1
        serve() {{ $CLOUD serve pki --address 192.0.2.1 "$@" > ports & P=$!; until [ -s ports ]; do sleep 0.05; done; }}
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
        echo "== name"; echo '127.0.0.1 localhost' > hosts; check
        echo "== own"; echo 'hosts: files myhostname' > nsswitch; check
        echo "== kubelet"; cp /bin/sleep kubelet; ./kubelet 60 & K=$!; sleep 0.2; check; kill $K; wait $K 2>/dev/null
        echo "== proxy"; cp /bin/sleep kube-proxy; ./kube-proxy 60 & K=$!; sleep 0.2; check --version 1.18.3; check --version 1.23.1; kill $K; wait $K 2>/dev/null
        echo "== port"; $CLOUD serve pki --ports 0,10350,0 > other & K=$!; until [ -s other ]; do sleep 0.05; done; check; kill $K; wait $K 2>/dev/null
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
