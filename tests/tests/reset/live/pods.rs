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

#[test]
fn pods_end_beside_one_about_which_the_runtime_does_not_answer() {
    let text = r#"
runtime crio /run/crio/crio.sock
sandbox crio a1 "default a-hangs u1 hang"
for i in $(seq 150); do sandbox crio b$i "default b$i u"; done
edge apply --yes --only pods > /mnt/out 2>&1; tail -1 /mnt/out
grep -c ' ended pod default/b' /mnt/out; grep -A1 'cannot stop' /mnt/out | cut -c-120; left crio; grep -c a1 /mnt/crio/calls
"#;
    let Some(out) = script("reset pods", text) else { return };
    let error = "edge-reset: cannot stop the pod sandbox a1 at /run/crio/crio.sock: no answer within 30 s\n\
                 hint: restart the container runtime";
    let want = format!("exit 1\n150\n{error}");
    assert!(out.starts_with(&want) && out.ends_with("\na1 \n1\n"), "{out}");
}

#[test]
fn pods_end_beside_sockets_of_other_programs_and_of_none() {
    let text = r#"
runtime crio /run/crio/crio.sock
sandbox crio a1 "default nginx u1"
mkdir -p /run/containerd /mnt/http; ln -s containerd.sock /run/containerd/containerd.sock
echo http > /mnt/http/api; runtime http /run/cri-dockerd.sock
edge apply --yes --only pods
left crio
"#;
    let Some(out) = script("reset pods", text) else { return };
    for part in [
        "refused    all pods of containerd at /run/containerd/containerd.sock: cannot read /run/containerd/containerd.sock: \
         Too many levels of symbolic links",
        "ended pod default/nginx",
        "edge-reset: cannot query the container runtime at /run/cri-dockerd.sock: no valid gRPC answer: ",
        "hint: it is not a container runtime; to see which program listens there: ss -xlp src /run/cri-dockerd.sock",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.ends_with("\nexit 1\n\n"), "{out}");
}

/// The containerd of k3s ends with k3s, in the phase before.
#[test]
fn pods_of_k3s_are_no_error_once_its_containerd_has_ended() {
    let text = r#"
mkdir -p /etc/rancher/k3s
runtime k3s /run/k3s/containerd/containerd.sock; sandbox k3s a1 "default nginx u1"
edge apply -n --only pods --profile k3s
mkdir -p /etc/rancher/rke2; edge apply -n --only pods --profile k3s; rmdir /etc/rancher/rke2
kill -9 $last; wait $last 2> /dev/null
edge apply --yes --only pods --profile k3s
"#;
    let Some(out) = script("reset pods", text) else { return };
    let socket = "/run/k3s/containerd/containerd.sock";
    let want = format!(
        "pods       would end pod default/nginx: made by k3s, rke2  [undo: none]\n1 change would be made\nexit 3\n\
         kept       pod default/nginx: rke2 uses it (/etc/rancher/rke2)\nalready up to date\nexit 0\n\
         kept       all pods of containerd of k3s at {socket}: it is not running; the other phases remove the \
         leftovers of its pods\nalready up to date\nexit 0\n"
    );
    assert_eq!(out, want);
}
