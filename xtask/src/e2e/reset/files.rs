//! The files of the machine: a site's own in /opt/site/files, and those that keadm join makes in /opt/keadm; both are
//! copied to / later.

use anyhow::{Result, anyhow};
use edgeutils_tests::standin;
use serde_json::{Value, json};

use super::super::container::ContainerImage;
use super::super::disk::GuestFile;
use super::super::{Place, node};
use crate::sample;
use crate::workspace::read;

/// The KubeEdge release whose edgecore has the root of kubelet.
const RELEASE: &str = "1.21";

/// containerd 1.6 makes the sandbox of every pod of the first; edgecore's double the container of the second.
const IMAGES: [&str; 2] = ["registry.k8s.io/pause:3.6", "registry.example/pod:1"];

const WEB: &str = "0f5e5b0e-4f1c-4a43-9a1e-6c1d5d1c2b3a";
const REMOTE: &str = "3c1d5e7f-8a9b-4c0d-9e1f-2a3b4c5d6e7f";

const CNI: &str = r#"{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "firewall"}]}
"#;

/// Debian's plugins, and control groups by systemd, as kubelet wants them.
const CONTAINERD: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
"#;

const KEEPALIVED: &str = "virtual_server 192.0.2.100 80 {\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n    \
                          real_server 192.0.2.101 80 {\n    }\n}\n";

const SITE: &str = "[Unit]\nDescription=Links and rules of the site\nAfter=systemd-networkd.service\n[Service]\n\
                    Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh /opt/site/site.sh\n[Install]\n\
                    WantedBy=multi-user.target\n";

const EXPORTS: &str = "/srv/nfs 127.0.0.1(rw,insecure,no_root_squash,no_subtree_check,fsid=0)\n";

pub(super) fn make(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    let edgecore = standin::edgecore(place.arch.debian(), RELEASE);
    let edgecore = read(&edgecore.map_err(|reason| anyhow!("no stand-in for edgecore: {reason}"))?)?;
    let program = |path: &str, content: Vec<u8>| GuestFile { path: path.to_owned(), mode: 0o755, content };
    let mut files = node::files(place)?;
    files.push(GuestFile::text("/opt/site/image.tar", image(place.arch.debian(), &edgecore)?));
    files.push(program("/opt/keadm/usr/local/bin/edgecore", edgecore));
    for (path, text) in [
        ("/opt/site/install.sh", include_str!("../../../data/e2e-reset-install.sh")),
        ("/opt/site/site.sh", include_str!("../../../data/e2e-reset-site.sh")),
        ("/opt/site/node.sh", include_str!("../../../data/e2e-reset-node.sh")),
        ("/opt/site/files/etc/systemd/system/site.service", SITE),
        ("/opt/site/files/etc/containerd/config.toml", CONTAINERD),
        ("/opt/site/files/etc/keepalived/keepalived.conf", KEEPALIVED),
        ("/opt/site/files/etc/exports", EXPORTS),
        // The first version of NFS that needs one port only.
        ("/opt/site/files/etc/nfs.conf.d/site.conf", "[nfsd]\nvers3=n\nthreads=1\n"),
        ("/opt/site/files/srv/nfs/file", "data of the site\n"),
        ("/opt/site/files/srv/data/sub/file", "data of the site\n"),
        ("/opt/site/files/var/lib/docker/volumes/site/_data/file", "data of the site\n"),
        ("/opt/site/files/var/lib/containers/storage/overlay-images/images.json", "[]\n"),
        ("/opt/site/files/root/.kube/config", "a kubeconfig\n"),
        ("/opt/keadm/etc/systemd/system/edgecore.service", sample::EDGECORE_UNIT),
        ("/opt/keadm/etc/kubeedge/ca/rootCA.crt", "a certificate\n"),
        ("/opt/keadm/etc/kubeedge/certs/server.key", "a private key\n"),
        ("/opt/keadm/var/log/kubeedge/edgecore.log", "a log\n"),
        ("/opt/keadm/var/lib/kubelet/cpu_manager_state", "{}\n"),
        ("/opt/keadm/etc/cni/net.d/10-pods.conflist", CNI),
    ] {
        files.push(GuestFile::text(path, text));
    }
    let config = sample::edgecore_yaml(RELEASE)?;
    files.push(GuestFile::text("/opt/keadm/etc/kubeedge/config/edgecore.yaml", config));
    files.push(GuestFile::text("/opt/keadm/var/lib/kubeedge/edgecore.db", pods().to_string()));
    Ok(files)
}

/// As edgecore's double reads them: a pod with volumes of each local kind and a port, and one with a remote volume.
fn pods() -> Value {
    let (token, part) = ("volumes/kubernetes.io~secret/token", "volume-subpaths/data/main/0");
    let share = "volumes/kubernetes.io~nfs/share";
    json!([
        {
            "Name": "web", "UID": WEB, "Port": 30180,
            "Volumes": [
                {"Type": "tmpfs", "Options": "size=64k", "Source": "tmpfs", "Path": token},
                {"Options": "bind", "Source": "/srv/data/sub", "Path": part},
            ],
            "Mounts": {"/srv/data": "/data", part: "/part", token: "/token"},
        },
        {
            "Name": "remote", "UID": REMOTE,
            "Volumes": [{"Type": "nfs4", "Options": "hard", "Source": "127.0.0.1:/", "Path": share}],
            "Mounts": {share: "/remote"},
        },
    ])
}

/// One layer with the program, which waits unless it gets other arguments.
fn image(arch: &str, program: &[u8]) -> Result<Vec<u8>> {
    let settings = json!({"Entrypoint": ["/edgecore"], "Cmd": ["pause"]});
    ContainerImage::new(arch, &settings, &[("edgecore", 0o755, program)])?.saved(&IMAGES)
}
