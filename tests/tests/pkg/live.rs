//! In private namespaces of this machine: not on an emulated one.

mod containerd;
mod containerd_package;
mod docker;
mod docker_package;
mod killed;
mod kubernetes;

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::{skip, tool};

/// A host with edge-pkg and edge-apt; a test that can have none is skipped.
fn host_on(release: &'static str, test: &str) -> Option<AptHost> {
    let programs = ["edge-pkg", "edge-apt"].map(tool::path);
    AptHost::boot_on(release, &programs.each_ref().map(std::path::PathBuf::as_path))
        .map_err(|reason| skip(test, &reason))
        .ok()
}

/// Stories, functions of a host, on Debian 12 and 13: a test of its own for each.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        $crate::live::on_both!(@ bookworm edgeutils_tests::debian::RELEASE, $($story),+);
        $crate::live::on_both!(@ trixie edgeutils_tests::debian::NEXT_RELEASE, $($story),+);
    };
    (@ $name:ident $release:expr, $($story:ident),+) => {
        mod $name {
            $(#[test]
            fn $story() {
                let test = format!("{} {}", $release, stringify!($story));
                if let Some(host) = $crate::live::host_on($release, &test) {
                    super::$story(&host);
                }
            })+
        }
    };
}
use on_both;

/// Repositories of four minor versions of Kubernetes, with packages that depend on each other like upstream's; a key
/// that has expired and was then extended, so that its two copies have one fingerprint.
const KUBERNETES: &str = "
unit=/debs/kubelet.files/usr/lib/systemd/system; mkdir -p $unit
printf '[Service]\\nExecStart=/usr/bin/kubelet\\n[Install]\\nWantedBy=multi-user.target\\n' > $unit/kubelet.service
kubernetes() {
    for name in kubelet kubeadm kubectl; do
        case $name in kubelet) needs='kubernetes-cni (>= 1.2.0)';; kubeadm) needs='cri-tools (>= 1.30.0)';; kubectl) needs=;; esac
        deb $name $1 ${needs:+\"Depends: $needs\"}
    done
}
key upstream 1y 20240101T000000; key other
cp /keys/upstream.asc /keys/expired.asc
# Its database follows no path through /proc.
mount --bind /keys /workshop/mnt && agent && workshop GNUPGHOME=/mnt/home gpg --batch -q --quick-set-expire $(cat /keys/upstream.fpr) 20y || exit 70
umount /workshop/mnt; pgp --export --armor $(cat /keys/upstream.fpr) > /keys/upstream.asc
minor() {
    deb cri-tools $2; deb kubernetes-cni $3
    repo /k8s/v$1 upstream; cp /keys/upstream.asc /k8s/v$1/Release.key; rm /debs/*.deb
}
kubernetes 1.33.5-1.1; minor 1.33 1.33.0-1.1 1.6.0-1.1
kubernetes 1.34.2-1.1; kubernetes 1.34.9-1.1; kubernetes 1.34.10-1.1; minor 1.34 1.34.0-1.1 1.7.1-1.1
kubernetes 1.35.1-1.1; minor 1.35 1.34.0-1.1 1.7.1-1.1
";

/// For every script: calls of edge-pkg.
const CALLS: &str = "
mirror() { edge-pkg --force-namespace install kubernetes --apt-mirror file:/k8s/v{minor}/ --key /keys/upstream.asc --fingerprint $(cat /keys/upstream.fpr) \"$@\"; }
pkg() { edge-pkg --force-namespace \"$@\"; }
states() { for name in kubelet kubeadm kubectl cri-tools kubernetes-cni; do echo $name $(state $name); done; }
";
