//! What keadm, k3s and kubeadm leave on a host, as trees.

use std::fs;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults;
use edgeutils_tests::tree::Tree;

/// Below a pod: written while the volume was not mounted.
pub(crate) const LOST: &str = "volumes/kubernetes.io~csi/pv/mount/lost";
pub(crate) const POD: &str = "0f5e5b0e-4f1c-4a43-9a1e-6c1d5d1c2b3a";
pub(crate) const TOKEN: &str = "4d9b7f0e2c1a.eyJhbGciOiJIUzI1NiJ9.c2VjcmV0";
const UNIT: &str = "[Unit]\nDescription=edgecore.service\n[Service]\nType=simple\nExecStart=/usr/local/bin/edgecore\n\
                    Restart=always\n[Install]\nWantedBy=multi-user.target\n";
const FLANNEL: &str =
    r#"{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}"#;
const PODMAN: &str =
    r#"{"name": "podman", "cniVersion": "0.4.0", "plugins": [{"type": "bridge", "bridge": "cni-podman0"}]}"#;

/// What every host has, and no reset touches.
pub(crate) fn host() -> Tree {
    Tree::with(&[
        ("etc/hostname", "node\n"),
        ("etc/ssh/sshd_config", "PermitRootLogin no\n"),
        ("usr/local/bin/keadm", "keadm"),
        ("usr/local/bin/mine", "mine"),
        ("root/.kube/config", "a kubeconfig"),
        ("var/lib/longhorn/replicas/data", "data of a user"),
        ("srv/data/file", "data of a user"),
        ("var/lib/cni/networks/podman/10.88.0.2", "id"),
        ("etc/cni/net.d/87-podman.conflist", PODMAN),
        ("tmp/kubeedge.txt", "mine"),
    ])
}

/// The unit, enabled by a link.
fn unit(tree: &Tree) {
    tree.link("etc/systemd/system/multi-user.target.wants/edgecore.service", "/etc/systemd/system/edgecore.service");
}

/// An edge node of keadm 1.8 with EdgeMesh 1.8: the unit is a hard link, the root is /var/lib/edged.
pub(crate) fn keadm_1_8() -> Tree {
    let tree = host();
    tree.write("etc/kubeedge/config/edgecore.yaml", defaults::render(Kind::EdgeCore, Minor::new(8)));
    for (path, text) in [
        ("etc/kubeedge/kubeedge-v1.8.2-linux-arm64.tar.gz", "an archive"),
        ("etc/kubeedge/ca/rootCA.crt", "a certificate"),
        ("etc/kubeedge/certs/server.key", "a key"),
        ("usr/local/bin/edgecore", "a program"),
        ("var/lib/kubeedge/edgecore.db", "a database"),
        ("var/log/kubeedge/edgecore.log", "a log"),
        ("etc/systemd/system/edgecore.service.d/10-proxy.conf", "[Service]\nEnvironment=HTTPS_PROXY=http://p\n"),
        ("tmp/kubeedge/hosts", "from keadm"),
    ] {
        tree.write(path, text);
    }
    tree.write(&format!("var/lib/edged/pods/{POD}/volumes/kubernetes.io~empty-dir/cache/file"), "cache");
    tree.write("etc/kubeedge/edgecore.service", UNIT);
    fs::hard_link(tree.at("etc/kubeedge/edgecore.service"), tree.at("etc/systemd/system/edgecore.service")).unwrap();
    unit(&tree);
    tree
}

/// An edge node of keadm 1.23 with EdgeMesh 1.17 and flannel: the root is kubelet's.
pub(crate) fn keadm_1_23() -> Tree {
    let tree = host();
    let config =
        defaults::render(Kind::EdgeCore, Minor::new(23)).replacen("token: \"\"", &format!("token: {TOKEN}"), 1);
    tree.write("etc/kubeedge/config/edgecore.yaml", config);
    for (path, text) in [
        ("etc/systemd/system/edgecore.service", UNIT),
        ("etc/kubeedge/ca/rootCA.crt", "a certificate"),
        ("etc/kubeedge/ca/rootCA.key", "the key of the CA"),
        ("etc/kubeedge/certs/server.key", "a private key"),
        ("etc/kubeedge/manifests/web.yaml", "kind: Pod\nspec: {}\n"),
        ("usr/local/bin/edgecore", "a program"),
        ("var/lib/kubeedge/edgecore.db", "a database"),
        ("var/lib/kubelet/pki/kubelet-client-current.pem", "a private key"),
        ("var/lib/kubelet/cpu_manager_state", "{}"),
        ("var/lib/kubelet/plugins_registry/none", ""),
        ("etc/edgemesh/edgemesh-agent.yaml", "a: b\n"),
        ("etc/cni/net.d/10-flannel.conflist", FLANNEL),
        ("var/lib/cni/networks/cbr0/10.244.1.2", "id"),
        ("var/lib/cni/networks/cbr0/lock", ""),
        ("usr/libexec/kubernetes/kubelet-plugins/volume/exec/.keep/x", "not empty"),
    ] {
        tree.write(path, text);
    }
    tree.write(&format!("var/lib/kubelet/pods/{POD}/{LOST}"), "written unmounted");
    tree.write(&format!("var/log/pods/default_web-0_{POD}/web/0.log"), "a log");
    tree.link("var/log/containers/web-0_default_web.log", &format!("/var/log/pods/default_web-0_{POD}/web/0.log"));
    unit(&tree);
    tree
}

/// A host of kubeadm's control plane that runs cloudcore as a program.
pub(crate) fn cloud() -> Tree {
    let tree = host();
    tree.write("etc/kubeedge/config/cloudcore.yaml", defaults::render(Kind::CloudCore, Minor::new(23)));
    for (path, text) in [
        ("etc/systemd/system/cloudcore.service", "[Service]\nExecStart=/usr/local/bin/cloudcore\n"),
        ("usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n"),
        ("usr/local/bin/cloudcore", "a program"),
        ("usr/bin/kubelet", "a program"),
        ("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\n"),
        ("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--root-dir=/data/kubelet --v=2\"\n"),
        ("data/kubelet/cpu_manager_state", "{}"),
        (
            "etc/kubernetes/manifests/etcd.yaml",
            "kind: Pod\nspec: {volumes: [{name: etcd-data, hostPath: {path: /data/etcd}}]}\n",
        ),
        ("etc/kubernetes/admin.conf", "a kubeconfig"),
        ("etc/kubernetes/mine.yaml", "mine"),
        ("data/etcd/member/wal", "etcd"),
        ("var/lib/etcd/backup/mine", "mine"),
        ("etc/cni/net.d/10-flannel.conflist", FLANNEL),
    ] {
        tree.write(path, text);
    }
    tree
}

/// A server of k3s with another data-dir, and volumes of local-path in it.
pub(crate) fn k3s() -> Tree {
    let tree = host();
    for (path, text) in [
        ("etc/rancher/k3s/config.yaml", "data-dir: /data/k3s\nkubelet-arg:\n- root-dir=/data/kubelet\n"),
        ("etc/rancher/node/password", "secret"),
        ("etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n"),
        ("etc/systemd/system/k3s.service.env", "K3S_TOKEN=secret\n"),
        ("usr/local/bin/k3s", "a program"),
        ("usr/local/bin/k3s-killall.sh", "#!/bin/sh\n# k3s\n"),
        ("data/k3s/server/db/state.db", "a database"),
        ("data/k3s/agent/client-kubelet.crt", "a certificate"),
        ("data/k3s/agent/client.key", "a key"),
        ("data/k3s/storage/pvc-1/file", "data of a user"),
        ("data/kubelet/plugins_registry/x", ""),
    ] {
        tree.write(path, text);
    }
    tree.link("usr/local/bin/kubectl", "k3s");
    tree.link("usr/local/bin/ctr", "/usr/bin/ctr-of-containerd");
    tree
}
