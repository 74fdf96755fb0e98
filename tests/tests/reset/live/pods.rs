//! The phase pods.

use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::{node, skip, standin};

/// A container runtime at a socket: `runtime NAME SOCKET` starts a stand-in whose files are in /mnt/NAME.
const RUNTIMES: &str = r#"
runtime() {
    mkdir -p "/mnt/$1/sandboxes" "$(dirname "$2")"
    CRI_STANDIN=/mnt/$1 crio --listen="$2" 2>/dev/null &
    last=$!
    until_true test -S "$2"
}
sandbox() { echo "$3" > "/mnt/$1/sandboxes/$2"; }
left() { ls "/mnt/$1/sandboxes" | tr '\n' ' '; echo; }
"#;

fn script(test: &str, text: &str) -> Option<String> {
    if cannot_unshare(test) {
        return None;
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    match standin::build(arch, "1.34.2") {
        Ok(program) => Some(node::script(&[&program], &format!("{RUNTIMES}{text}")).stdout),
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

#[test]
fn pods_end_on_every_socket_and_a_dead_one_is_an_error() {
    let text = r#"
mkdir -p /etc/kubeedge/config
echo 'modules: {edged: {remoteRuntimeEndpoint: "unix:///var/run/own/cri.sock"}}' > /etc/kubeedge/config/edgecore.yaml
ln -s /run /var/run
runtime crio /run/crio/crio.sock
sandbox crio a1 "default nginx u1"
sandbox crio a2 "kube-system proxy u2 stopped"
runtime own /run/own/cri.sock
sandbox own b1 "default stuck u3 stuck"
sandbox own b2 "default after u4"
# A containerd that has ended, and one that is Docker's alone.
mkdir -p /mnt/dead; runtime dead /run/containerd/containerd.sock; kill -9 $last; wait $last 2>/dev/null
mkdir -p /mnt/docker; echo none > /mnt/docker/api; runtime docker /run/cri-dockerd.sock
edge apply -n --only pods
left crio; left own
edge apply --yes --only pods
left crio; left own
cat /mnt/crio/calls
echo default after u4 > /mnt/own/sandboxes/b1; rm /run/containerd/containerd.sock
edge apply --yes --only pods
left own
edge apply --yes --only pods
"#;
    let Some(out) = script("reset pods", text) else { return };
    let (dry, rest) = out.split_once("exit 3\n").unwrap_or_else(|| panic!("{out}"));
    for pod in ["pod default/nginx", "pod kube-system/proxy", "pod default/stuck", "pod default/after"] {
        assert!(dry.contains(pod), "{pod}: {out}");
    }
    assert!(dry.contains("all pods of containerd at /run/containerd/containerd.sock"), "{out}");
    assert!(!dry.contains("dockerd"), "{out}");
    let (first, rest) = rest.split_once("exit 1\n").unwrap_or_else(|| panic!("{out}"));
    assert!(first.starts_with("a1 a2 \nb1 b2 \n"), "{out}");
    assert!(first.contains("cannot query the container runtime at /run/containerd/containerd.sock"), "{out}");
    assert!(first.contains("cannot stop the pod sandbox b1 at /run/own/cri.sock: failed to destroy network"), "{out}");
    let (ended, rest) = rest.split_once("remove a2\n").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(ended, "\nb1 \nstop a1\nremove a1\nstop a2\n", "{out}");
    let (second, third) = rest.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    assert!(second.contains("pod default/after"), "{out}");
    assert_eq!(third, "\nalready up to date\nexit 0\n", "{out}");
}

#[test]
fn pods_of_a_kubelet_stay_where_only_kubeedge_is_removed() {
    let text = r#"
mkdir -p /var/lib/kubelet; echo 'kind: KubeletConfiguration' > /var/lib/kubelet/config.yaml
runtime crio /run/crio/crio.sock
sandbox crio a1 "default nginx u1"
edge apply --yes --only pods
left crio
edge apply --yes --only pods --profile kubeadm
left crio
"#;
    let Some(out) = script("reset pods", text) else { return };
    let kept = "pod default/nginx: kubelet uses it (/var/lib/kubelet/config.yaml)";
    assert!(out.contains(kept) && out.contains("\nexit 0\na1 \n") && out.ends_with("exit 0\n\n"), "{out}");
}

#[test]
fn containers_of_docker_end_by_name_and_label() {
    let text = r#"
mount -t tmpfs tmpfs /usr/local/bin; mkdir /mnt/containers
cat > /usr/local/bin/docker <<'END'
#!/bin/sh
cd /mnt/containers
case $1 in
ps) for id in *; do grep -qx "${5#label=}" $id && echo "$id $(head -1 $id)"; done; exit 0 ;;
rm) echo "$*" >> /mnt/calls; rm "$3" ;;
esac
END
chmod 755 /usr/local/bin/docker
container() { id=$1; shift; printf '%s\n' "$@" > "/mnt/containers/$id"; }
container 0a k8s_POD_nginx_default_u1_0 io.kubernetes.pod.uid
container 0b k8s_nginx_nginx_default_u1_0 io.kubernetes.pod.uid
container 0c mqtt-kubeedge io.kubeedge.edgecore/mqtt
container 0d k8s_mine
container 0e web io.kubernetes.pod.uid
edge apply --yes --only pods
: > /run/docker.sock
edge apply --yes --only pods
ls /mnt/containers | tr '\n' ' '; cat /mnt/calls
edge apply --yes --only pods
"#;
    let Some(out) = script("reset pods", text) else { return };
    let (without, rest) = out.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(without, "already up to date\n", "without its socket the daemon does not run: {out}");
    let (_, end) = rest.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    let calls = "rm --force 0b\nrm --force 0a\nrm --force 0c\n";
    assert_eq!(end, format!("0d 0e {calls}already up to date\nexit 0\n"), "{out}");
}
