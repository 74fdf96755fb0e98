//! edge-certgen check uses what the host knows: its API server, its CA, the addresses that cloudcore advertises.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::{CA_KEYS, Pki, shell};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const MANIFEST: &str = "etc/kubernetes/manifests/kube-apiserver.yaml";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";
const STREAM_CA: &str = "etc/kubeedge/ca/streamCA.crt";
const CLEAN: &str = "no problems found\n";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn cluster(dir: &str, stem: &str, pki: &Pki) -> Tree {
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    Tree::with(&[(&format!("{dir}/{stem}.crt"), &read("ca.crt")), (&format!("{dir}/{stem}.key"), &read("ca.key"))])
}

fn kubeadm() -> Tree {
    cluster("etc/kubernetes/pki", "ca", &Pki::usual("ca"))
}

fn manifest(options: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --advertise-address=192.0.2.1\n{options}    name: kube-apiserver\n"
    )
}

const VERIFIES: &str = "    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt\n    - --kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname\n";

/// The command of a hint, with values for what it leaves open, and its exit code.
fn follow(tree: &Tree, stdout: &str, values: &[(&str, &str)]) {
    let hint = stdout.lines().find_map(|line| line.split_once("edge-certgen --root ")).unwrap().1;
    let mut hint = hint.split_once(' ').unwrap().1.replace('\'', "");
    for (name, value) in values {
        hint = hint.replace(name, value);
    }
    certgen(tree, &hint.split_whitespace().collect::<Vec<_>>()).expect(0);
}

#[test]
fn api_server_that_checks_nodes_needs_one_in_the_certificate() {
    let tree = kubeadm();
    tree.write(CLOUDCORE, "modules: {cloudHub: {advertiseAddress: [192.0.2.1], dnsNames: [cloud.example.com]}}\n");
    assert!(!certgen(&tree, &["stream"]).expect(0).stderr.contains("API server"));
    for healthy in [
        "",
        "    - --kubelet-certificate-authority=\n",
        "    - --kubelet-client-certificate=/etc/kubernetes/pki/x.crt\n",
        "    # - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt\n",
    ] {
        tree.write(MANIFEST, manifest(healthy));
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN), "{healthy}");
    }
    for verifies in [
        VERIFIES,
        "    - --kubelet-certificate-authority\n    - /etc/kubernetes/pki/ca.crt\n",
        "    - --kubelet_certificate_authority=/etc/kubernetes/pki/ca.crt\n",
        "    args: ['--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt']\n",
    ] {
        tree.write(MANIFEST, manifest(verifies));
        let ran = certgen(&tree, &["check"]).expect(3);
        let said = "/etc/kubeedge/certs/stream.crt: error: its SANs do not include the ";
        assert!(ran.stdout.contains(said), "{verifies}: {}", ran.stdout);
        assert!(ran.stdout.contains("of any edge node, and the API server checks them (/etc/kubernetes/manifests/kube-apiserver.yaml: --kubelet-certificate-authority): kubectl logs and exec fail\n"), "{}", ran.stdout);
    }
    // The kubelet reads every file in the directory.
    std::fs::rename(tree.at(MANIFEST), tree.at("etc/kubernetes/manifests/api.manifest")).unwrap();
    tree.write("etc/kubernetes/manifests/etcd.yaml", "spec: {containers: [{name: etcd, command: [etcd]}]}\n");
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("(/etc/kubernetes/manifests/api.manifest: --kubelet-certificate-authority)"));
    std::fs::remove_file(tree.at("etc/kubernetes/manifests/api.manifest")).unwrap();
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // The address, as that is preferred; a name is of no use. What check rejects, stream warns of.
    tree.write(MANIFEST, manifest(VERIFIES));
    let ran = certgen(&tree, &["stream", "-n"]).expect(0);
    assert!(ran.stderr.contains("warning: the API server checks the SANs of this certificate ("), "{}", ran.stderr);
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--dns", "cloud.example.com", "--node-name", "edge-1"]).expect(0);
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("SANs do not include the address of any edge node"), "{}", ran.stdout);
    follow(&tree, &ran.stdout, &[(" IP", " 198.51.100.7")]);
    let ran = certgen(&tree, &["check"]).expect(0);
    assert!(ran.stdout.contains("stream.crt: note: the API server checks its SANs") && ran.stdout.ends_with(CLEAN));
    // The nodes that are given are what counts.
    certgen(&tree, &["check", "--node-ip", "198.51.100.7"]).expect(0);
    let ran = certgen(&tree, &["check", "--node-ip", "198.51.100.7,198.51.100.8"]).expect(3);
    assert!(ran.stdout.contains("its SANs do not include IP:198.51.100.8\n"), "{}", ran.stdout);
    // By name, without --kubelet-preferred-address-types.
    tree.write(MANIFEST, manifest("    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt\n"));
    certgen(
        &tree,
        &["stream", "--force", "--ip", "192.0.2.1", "--dns", "cloud.example.com", "--node-ip", "198.51.100.7"],
    )
    .expect(0);
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("SANs do not include the name of any edge node"), "{}", ran.stdout);
    // The edge node of this host is known.
    tree.write("etc/kubeedge/config/edgecore.yaml", "modules: {edged: {HostnameOverride: edge-9}}\n");
    let ran = certgen(&tree, &["check", "stream"]).expect(3);
    assert!(ran.stdout.contains("SANs do not include the edge node of this host (DNS:edge-9)"), "{}", ran.stdout);
    follow(&tree, &ran.stdout, &[]);
    certgen(&tree, &["check", "stream"]).expect(0);
}

#[test]
fn api_server_of_each_distribution_is_known() {
    let pki = Pki::usual("ca");
    for (dir, stem, by) in [
        ("var/lib/rancher/k3s/server/tls", "server-ca", "k3s always does"),
        ("var/lib/rancher/rke2/server/tls", "server-ca", "RKE2 always does"),
        ("var/lib/k0s/pki", "ca", "k0s always does"),
    ] {
        let tree = cluster(dir, stem, &pki);
        tree.write(CLOUDCORE, "modules: {cloudHub: {advertiseAddress: [192.0.2.1]}}\n");
        certgen(&tree, &["stream"]).expect(0);
        let ran = certgen(&tree, &["check"]).expect(3);
        assert!(
            ran.stdout.contains(&format!("of any edge node, and the API server checks them ({by})")),
            "{}",
            ran.stdout
        );
        certgen(&tree, &["stream", "--ip", "192.0.2.1", "--node-name", "edge-1"]).expect(0);
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    }
    // Without cloudcore.yaml, the addresses of the control plane are those that its API server serves.
    let tree = cluster("var/lib/rancher/k3s/server/tls", "server-ca", &pki);
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let ran = certgen(&tree, &["check"]).expect(0);
    assert!(
        ran.stdout.contains("stream.crt: warning: the API server checks its SANs (k3s always does)"),
        "{}",
        ran.stdout
    );
    tree.write("var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt", tree.read("etc/kubeedge/certs/stream.crt"));
    certgen(&tree, &["check"]).expect(3);
    // An agent of k3s has no API server.
    let tree = kubeadm();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    tree.write("var/lib/rancher/k3s/agent/server-ca.crt", "x");
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // MicroK8s has a list of arguments; k3s may have another data directory.
    let tree = cluster("var/snap/microk8s/current/certs", "ca", &pki);
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let arguments = "var/snap/microk8s/current/args/kube-apiserver";
    tree.write(arguments, "--v=2\n#--kubelet-certificate-authority=${SNAP_DATA}/certs/ca.crt\n");
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    tree.write(arguments, "--kubelet-certificate-authority=${SNAP_DATA}/certs/ca.crt\n--advertise-address=192.0.2.1\n");
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("the name of any edge node"), "{}", ran.stdout);
    let tree = cluster("data/k3s/server/tls", "server-ca", &pki);
    tree.write("etc/rancher/k3s/config.yaml", "data-dir: /data/k3s\n");
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    assert!(certgen(&tree, &["check"]).expect(0).stdout.contains("k3s always does"));
}

#[test]
fn api_server_may_have_a_ca_of_its_own_for_nodes() {
    let (tree, pki) = (kubeadm(), Pki::usual("kubelet"));
    tree.write("etc/kubernetes/ssl/kubelet-ca.crt", std::fs::read(pki.at("kubelet.crt")).unwrap());
    let mounted =
        "    - --kubelet-certificate-authority=/pki/kubelet-ca.crt\n    volumeMounts: [{name: pki, mountPath: /pki}]\n";
    let text = manifest(mounted) + "  volumes: [{name: pki, hostPath: {path: /etc/kubernetes/ssl}}]\n";
    tree.write(MANIFEST, text);
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--node-name", "edge-1"]).expect(0);
    let ran = certgen(&tree, &["check", "--node-name", "edge-1"]).expect(3);
    assert!(
        ran.stdout.contains("it is not signed by a valid CA in /etc/kubernetes/ssl/kubelet-ca.crt"),
        "{}",
        ran.stdout
    );
    let (ca, key) = (pki.at("kubelet.crt"), pki.at("kubelet.key"));
    certgen(&tree, &["stream", "--ca", &ca, "--ca-key", &key]).expect(0);
    assert!(certgen(&tree, &["check", "--node-name", "edge-1"]).expect(0).stdout.ends_with(CLEAN));
}

#[test]
fn manifest_that_cannot_be_read_is_unknown() {
    let tree = kubeadm();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    for (text, why) in [("spec: [", "not valid YAML"), ("", "it has no container kube-apiserver")] {
        tree.write(MANIFEST, text);
        let ran = certgen(&tree, &["check"]).expect(0);
        let said = "/etc/kubernetes/manifests/kube-apiserver.yaml: warning: cannot tell whether the API server checks certificates of nodes: ";
        assert!(ran.stdout.contains(said) && ran.stdout.contains(why), "{}", ran.stdout);
    }
    tree.write(MANIFEST, manifest("    - --kubelet-certificate-authority=/nowhere/ca.crt\n"));
    let ran = certgen(&tree, &["check"]);
    assert!(
        ran.stdout.contains("/nowhere/ca.crt: warning: cannot check whether the API server accepts"),
        "{}",
        ran.stdout
    );
}

#[test]
fn replaced_ca_of_the_cluster_is_found() {
    let pki = Pki::usual("ca");
    pki.authority("other", CA_KEYS[2].1);
    let other = |name: &str| std::fs::read_to_string(pki.at(name)).unwrap();
    for (cluster_name, dir, stem) in [
        ("kubeadm", "etc/kubernetes/pki", "ca"),
        ("k3s", "var/lib/rancher/k3s/server/tls", "server-ca"),
        ("RKE2", "var/lib/rancher/rke2/server/tls", "server-ca"),
        ("k0s", "var/lib/k0s/pki", "ca"),
        ("MicroK8s", "var/snap/microk8s/current/certs", "ca"),
    ] {
        let tree = cluster(dir, stem, &pki);
        certgen(&tree, &["stream", "--ip", "192.0.2.1", "--node-name", "edge-1"]).expect(0);
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN), "{cluster_name}");
        tree.write(&format!("{dir}/{stem}.crt"), other("other.crt"));
        tree.write(&format!("{dir}/{stem}.key"), other("other.key"));
        let ran = certgen(&tree, &["check"]);
        let checks = ["k3s", "RKE2", "k0s"].contains(&cluster_name);
        let said = if checks {
            format!(
                "stream.crt: error: it is not signed by a valid CA in /{dir}/{stem}.crt, but by CN=kubernetes, and the API server checks that ({cluster_name} always does)"
            )
        } else {
            format!(
                "streamCA.crt: warning: it is not the CA of {cluster_name} in /{dir}/{stem}.crt, which may have been replaced"
            )
        };
        assert_eq!(ran.code, if checks { 3 } else { 0 }, "{}", ran.stdout);
        assert!(ran.stdout.contains(&said), "{cluster_name}: {}", ran.stdout);
        follow(&tree, &ran.stdout, &[]);
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN), "{cluster_name}");
    }
    // A copy that was replaced beside its certificate is an error as before.
    let tree = kubeadm();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    tree.write(STREAM_CA, other("other.crt"));
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(
        ran.stdout.contains("stream.crt: error: it is not signed by /etc/kubeedge/ca/streamCA.crt"),
        "{}",
        ran.stdout
    );
}

#[test]
fn cloudcore_yaml_that_cannot_be_used_is_an_error() {
    let tree = kubeadm();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    for (text, said) in [
        ("modules: [\n", ".yaml: error: cannot read the addresses and names that cloudcore advertises: not valid YAML"),
        ("- a\n", "advertises: it is not a configuration"),
        (
            "modules:\n  CloudHub:\n    ADVERTISEADDRESS: 192.0.2.1\n",
            ".yaml:3: error: modules.cloudHub.advertiseAddress: \"192.0.2.1\": it is not a list",
        ),
        (
            "modules:\n  cloudHub:\n    advertiseAddress:\n    - 192.0.2.1\n    - cloud.example.com\n",
            ".yaml:5: error: modules.cloudHub.advertiseAddress: \"cloud.example.com\": it is not an IP address",
        ),
        (
            "modules:\n  cloudHub:\n    dnsNames: ['https://x']\n",
            ".yaml:3: error: modules.cloudHub.dnsNames: \"https://x\": it is not a valid",
        ),
        (
            "modules:\n  cloudhub:\n    AdvertiseAddress: [192.0.2.7, 'fd00::7']\n",
            "stream.crt: error: its SANs do not include IP:192.0.2.7, IP:fd00::7",
        ),
    ] {
        tree.write(CLOUDCORE, text);
        let ran = certgen(&tree, &["check"]).expect(3);
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    for healthy in
        ["", "# nothing\n", "modules:\n", "modules: {cloudHub: {advertiseAddress: [192.0.2.1, ''], dnsNames: ['']}}\n"]
    {
        tree.write(CLOUDCORE, healthy);
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN), "{healthy}");
    }
    tree.write(CLOUDCORE, b"modules: \xff\n");
    assert!(certgen(&tree, &["check"]).expect(3).stdout.contains("it is not valid UTF-8"));
    std::fs::remove_file(tree.at(CLOUDCORE)).unwrap();
    std::fs::create_dir(tree.at(CLOUDCORE)).unwrap();
    assert!(certgen(&tree, &["check"]).expect(3).stdout.contains("cloudcore.yaml: error: cannot read"));
}

#[test]
fn pair_of_gen_cert_and_key_is_server_and_client() {
    let tree = Tree::new();
    for name in ["server", "edge", "mine"] {
        certgen(&tree, &["genCertAndKey", name, "192.0.2.1"]).expect(0);
        let (ca, crt) = (tree.at("etc/kubeedge/ca/rootCA.crt"), tree.at(&format!("etc/kubeedge/certs/{name}.crt")));
        for purpose in ["sslclient", "sslserver"] {
            shell(&format!(
                "openssl verify -x509_strict -purpose {purpose} -CAfile {} {}",
                ca.display(),
                crt.display()
            ));
        }
        assert!(
            certgen(&tree, &["genCertAndKey", name, "192.0.2.1"]).expect(0).stdout.ends_with("already up to date\n")
        );
    }
    assert!(certgen(&tree, &["server"]).expect(0).stdout.ends_with("already up to date\n"));
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // One that was made as a server only gets the other usage, and keeps its key.
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    let key = tree.read("etc/kubeedge/certs/server.key");
    let ran = certgen(&tree, &["genCertAndKey", "server"]).expect(0);
    assert!(ran.stdout.contains("its extendedKeyUsage does not include clientAuth"), "{}", ran.stdout);
    assert_eq!(tree.read("etc/kubeedge/certs/server.key"), key);
}

#[test]
fn check_on_an_edge_node_is_about_its_own_pair() {
    let cloud = Tree::new();
    certgen(&cloud, &["edge", "--node-name", "edge-1"]).expect(0);
    certgen(&cloud, &["server", "--ip", "192.0.2.1"]).expect(0);
    let node = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", "modules: {edgeHub: {enable: true}}\n")]);
    let ran = certgen(&node, &["check"]).expect(0);
    assert!(ran.stdout.contains("certs: note: no KubeEdge certificate found"), "{}", ran.stdout);
    let copy = |from: &str, to: &str, mode| {
        node.write(to, cloud.read(from));
        std::fs::set_permissions(node.at(to), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    copy("etc/kubeedge/ca/rootCA.crt", "etc/kubeedge/ca/rootCA.crt", 0o644);
    copy("etc/kubeedge/certs/edge.crt", "etc/kubeedge/certs/server.crt", 0o644);
    copy("etc/kubeedge/certs/edge.key", "etc/kubeedge/certs/server.key", 0o600);
    let ran = certgen(&node, &["check"]).expect(0);
    assert!(ran.stdout.ends_with(CLEAN), "{}", ran.stdout);
    // The server's pair, which cloudcore rejects from a client.
    copy("etc/kubeedge/certs/server.crt", "etc/kubeedge/certs/server.crt", 0o644);
    copy("etc/kubeedge/certs/server.key", "etc/kubeedge/certs/server.key", 0o600);
    let ran = certgen(&node, &["check"]).expect(3);
    let said = "server.crt: error: its extendedKeyUsage does not include clientAuth\n    hint: on the cloud host, use edge-certgen edge --node-name NODE";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    certgen(&cloud, &["genCertAndKey", "server"]).expect(0);
    copy("etc/kubeedge/certs/server.crt", "etc/kubeedge/certs/server.crt", 0o644);
    assert!(certgen(&node, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // cloudcore on the same host loads it as its server's.
    copy("etc/kubeedge/certs/edge.crt", "etc/kubeedge/certs/server.crt", 0o644);
    copy("etc/kubeedge/certs/edge.key", "etc/kubeedge/certs/server.key", 0o600);
    node.write("etc/kubeedge/config/cloudcore.yaml", "modules: {}\n");
    let ran = certgen(&node, &["check", "server"]).expect(3);
    assert!(
        ran.stdout.contains("does not include serverAuth\n    hint: make it again: edge-certgen "),
        "{}",
        ran.stdout
    );
}

#[test]
fn hints_are_commands_that_work() {
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    std::fs::remove_file(tree.at("etc/kubeedge/certs/server.crt")).unwrap();
    let ran = certgen(&tree, &["check", "server"]).expect(3);
    assert!(
        ran.stdout.contains("server.crt: error: the file is missing\n    hint: make it: edge-certgen --root ")
            && ran.stdout.contains(" server --ip IP\n"),
        "{}",
        ran.stdout
    );
    // A directory in place of a file.
    for name in ["server.key", "server.crt"] {
        let path = tree.at("etc/kubeedge/certs").join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir(&path).unwrap();
        let ran = certgen(&tree, &["check", "server"]).expect(3);
        let hint = ran.stdout.lines().find_map(|line| line.split_once("hint: move it away: ")).unwrap().1;
        let made = certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(1);
        assert!(made.stderr.contains(&format!("hint: move it away: {hint}\n")), "{}", made.stderr);
        shell(hint);
        certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
        certgen(&tree, &["check"]).expect(0);
    }
}
