//! `--plan`, interruptions and the whole of a reset.

use std::process::Command;

use edgeutils_tests::kill::{CHANGING, cannot_kill};
use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::tool::{self, Ran};

/// How many calls of each name are tried; all of them with a large number, which takes minutes.
const KILLS: &str = "EDGEUTILS_KILLS";

/// `world` makes an edge node with pods of its own, beside Podman's and the user's; `clear` ends it; `state` prints all
/// that a reset may change, whatever the number of its run.
const PRELUDE: &str = r#"
exec 2>&1
mount --make-rprivate /
for dir in /run /mnt; do mount -t tmpfs -o mode=755 tmpfs "$dir" || exit 99; done
mkdir /mnt/up /mnt/work /mnt/none /mnt/var /mnt/varwork
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
mount -t overlay overlay -o lowerdir=/mnt/none,upperdir=/mnt/var,workdir=/mnt/varwork /var || exit 99
rm -rf /etc/cni /etc/kubeedge; ip link set lo up; cd /mnt
reset() { "$RESET" --force-namespace "$@"; }
FLANNEL='{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}'
PODMAN='{"name": "podman", "cniVersion": "0.4.0", "plugins": [{"type": "bridge", "bridge": "cni-podman0"}]}'
YAML='apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
modules:
  edged:
    tailoredKubeletConfig: {staticPodPath: /etc/kubeedge/manifests}
'
world() {
    mkdir -p /etc/kubeedge/config /etc/kubeedge/ca /etc/cni/net.d /var/lib/kubeedge /var/log/kubeedge /var/lib/edgeutils \
        /var/lib/cni/networks/cbr0 /run/flannel /mnt/user/sub
    printf %s "$YAML" > /etc/kubeedge/config/edgecore.yaml; echo key > /etc/kubeedge/ca/rootCA.key
    echo database > /var/lib/kubeedge/edgecore.db; echo "$FLANNEL" > /etc/cni/net.d/10-flannel.conflist
    echo "$PODMAN" > /etc/cni/net.d/87-podman-bridge.conflist; echo data > /mnt/user/sub/data
    printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n' > /run/flannel/subnet.env
    pod=/var/lib/kubelet/pods/0f1e2d3c/volumes
    mkdir -p $pod/kubernetes.io~secret/token $pod/kubernetes.io~host/data /var/lib/kubelet/pki
    mount -t tmpfs tmpfs $pod/kubernetes.io~secret/token; echo token > $pod/kubernetes.io~secret/token/token
    mount --bind /mnt/user $pod/kubernetes.io~host/data
    for bridge in cni0 cni-podman0; do ip link add $bridge type bridge && ip link set $bridge up; done
    mkdir -p /run/netns; ip netns add pod; ip link add veth0a0b0c0d type veth peer name eth0 netns pod
    ip link set veth0a0b0c0d master cni0 up
    ip link add flannel.1 type vxlan id 1 dstport 8472
    iptables-nft-restore <<END
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "KUBE- of mine" -j MINE
-A KUBE-SERVICES -d 10.96.0.10/32 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A MINE -p tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
END
}
clear() {
    umount -R /var/lib/kubelet/pods/0f1e2d3c/volumes/* 2>/dev/null
    grep -o ' /var/[^ ]*' /proc/self/mountinfo | sort -r | while read -r at; do umount "$at"; done
    ip netns delete pod 2>/dev/null
    for link in cni0 cni-podman0 veth0a0b0c0d flannel.1; do ip link delete $link; done 2>/dev/null
    iptables-nft -t nat -F; iptables-nft -t nat -X
    find /var /etc/kubeedge /etc/cni /run/flannel /mnt/user -mindepth 1 -delete 2>/dev/null
    rm -rf /etc/.edgeutils-trash-* /etc/kubeedge /etc/cni /run/flannel
}
state() {
    (cd /; find etc/kubeedge etc/cni etc/.edgeutils-trash-* var run/flannel mnt/user 2>/dev/null |
        grep -v var/lib/edgeutils | sed 's/trash-[0-9]*/trash-N/' | sort)
    ip -o link | sed 's/^[0-9]*: //; s/[@:].*//' | sort; iptables-nft-save -t nat | sed '/^#/d; s/\[.*//'
    grep -o ' /var/[^ ]*\| /mnt/user[^ ]*' /proc/self/mountinfo
    cat /mnt/user/sub/data
}
"#;

/// Runs a script on a host of its own, in which only its own processes exist.
pub(super) fn script(text: &str) -> Ran {
    let output = Command::new("timeout")
        .args(["--kill-after=1", "400", "unshare", "-mnup", "--fork", "--mount-proc", "--propagation", "private", "--"])
        .args(["sh", "-uc", &format!("{PRELUDE}{text}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RESET", tool::path("edge-reset"))
        .env("CHANGING", CHANGING)
        .env("KILLS", std::env::var(KILLS).unwrap_or_else(|_| "4".to_owned()))
        .output()
        .unwrap();
    Ran::of(&output)
}

/// What each line of `marks` names must be printed in this order.
#[track_caller]
fn prints(ran: &Ran, marks: &[&str]) {
    let mut rest = ran.stdout.as_str();
    for mark in marks {
        let Some(at) = rest.find(mark) else { panic!("{mark:?} is missing in this order:\n{}", ran.stdout) };
        rest = &rest[at + mark.len()..];
    }
}

#[test]
fn reset_removes_what_is_proven_and_undo_restores_the_files() {
    if cannot_unshare("reset whole") || cannot_kill("reset whole") {
        return;
    }
    let ran = script(
        r#"
        # What is mounted is not restored.
        files() { (cd /; find etc/kubeedge etc/cni var | grep -v 'var/lib/edgeutils\|/token/\|/data/' | sort); }
        world; files > /mnt/before
        reset apply; echo "exit $?"
        reset apply -n > /dev/null; echo "exit $?"; test -e /etc/kubeedge && echo "nothing was changed"
        strace -f -qq -o /mnt/connect -e trace=connect "$RESET" --force-namespace apply --yes; echo "exit $?"
        grep 'connect(' /mnt/connect | grep -v 'AF_UNIX\|AF_NETLINK' || echo "no connection to another host"
        echo "--- state"; state; echo "--- again"
        reset apply --yes; echo "exit $?"
        reset scan | grep remove
        echo "--- undo"; reset undo; echo "exit $?"
        files | diff /mnt/before - && echo "files restored"
        cat /etc/kubeedge/ca/rootCA.key
        "#,
    );
    prints(
        &ran,
        &[
            "cannot reset this host without --yes",
            "exit 4",
            "exit 3",
            "nothing was changed",
            "unmounted /var/lib/kubelet/pods/0f1e2d3c/volumes",
            "moved /etc/kubeedge to the trash",
            "exit 0",
            "no connection to another host",
            "--- state",
            "etc/.edgeutils-trash-N/kubeedge/ca/rootCA.key",
            "etc/cni/net.d/87-podman-bridge.conflist",
            "mnt/user/sub/data",
            "cni-podman0",
            "-A PREROUTING -m comment --comment \"KUBE- of mine\" -j MINE",
            "data\n--- again",
            "already up to date\nexit 0\n",
            "--- undo",
            "reverted run",
            "exit 0",
            "files restored",
            "key",
        ],
    );
    let (state, _) = ran.stdout.split_once("--- again").unwrap();
    let (_, state) = state.split_once("--- state").unwrap();
    for gone in
        ["KUBE-SERVICES", "cni0\n", "flannel.1", "veth0a0b0c0d", "etc/cni/net.d/10-flannel", " /var/lib/kubelet/pods"]
    {
        assert!(!state.replace("cni-podman0\n", "").contains(gone), "{gone} is still there:\n{}", ran.stdout);
    }
}

/// Scenario 18: credentials of a cluster are no reason to use them.
#[test]
fn no_call_connects_to_a_server_of_a_configuration() {
    if cannot_unshare("reset connect") || cannot_kill("reset connect") {
        return;
    }
    let ran = script(
        r#"
        world; mkdir -p /etc/kubernetes /mnt/home/.kube; export HOME=/mnt/home KUBECONFIG=/etc/kubernetes/admin.conf
        cat > /etc/kubernetes/admin.conf <<END
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: admin, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: admin}}]
current-context: x
END
        cp /etc/kubernetes/admin.conf /mnt/home/.kube/config; cp /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf
        printf "%s  edgeHub: {httpServer: 'https://127.0.0.1:10002', token: secret, websocket: {server: '127.0.0.1:10000'}}\n" "$YAML" \
            > /etc/kubeedge/config/edgecore.yaml
        traced() {
            strace -f -qq -o /mnt/trace -e trace=connect,sendto,sendmsg,sendmmsg "$@" > /mnt/out 2>&1; code=$?
            echo "$(grep -c 'sa_family=AF_INET' /mnt/trace) of $(grep -c . /mnt/trace | sed 's/^[1-9][0-9]*$/many/'), exit $code"
        }
        # What would be seen.
        traced bash -c 'echo > /dev/tcp/127.0.0.1/6443'
        traced "$RESET" --force-namespace scan --profile all
        traced "$RESET" --force-namespace apply -n
        traced "$RESET" --force-namespace apply --yes --profile all --also control-plane
        test -e /etc/kubernetes/admin.conf || echo "removed"; cat /mnt/home/.kube/config | grep -c secret
        traced "$RESET" --force-namespace undo
        traced "$RESET" --force-namespace apply --yes --profile all --also control-plane
        traced "$RESET" --force-namespace purge --yes
        "#,
    );
    let want = "1 of many, exit 1\n0 of many, exit 0\n0 of many, exit 3\n0 of many, exit 0\nremoved\n1\n\
                0 of many, exit 0\n0 of many, exit 0\n0 of many, exit 0\n";
    assert_eq!(ran.stdout, want);
}

#[test]
fn hint_inside_a_container_names_what_is_not_refused() {
    if cannot_unshare("reset container") {
        return;
    }
    let ran = script(
        "for verb in apply purge undo; do \"$RESET\" $verb $([ $verb = undo ] || echo --yes); echo \"exit $?\"; done",
    );
    let refused = "edge-reset: cannot change this host: this is a private PID namespace, as in a container\n\
                   hint: run it on the host itself, or use --force-namespace to change this host anyway\nexit 4\n";
    assert!(ran.stdout.starts_with(&refused.repeat(2)), "{}", ran.stdout);
    assert!(!ran.stdout.contains("--root /"), "{}", ran.stdout);
}

#[test]
fn plan_is_a_filter_of_what_is_there_and_unchanged() {
    if cannot_unshare("reset plan") {
        return;
    }
    let ran = script(
        r#"
        world; reset apply -n --json > /mnt/plan.jsonl; echo "exit $?"
        # Since then: a new network link, another mount on the same point, and one thing that is gone.
        ip link add cni1 type bridge
        echo '{"name": "second", "cniVersion": "0.4.0", "plugins": [{"type": "bridge", "bridge": "cni1"}]}' > /etc/cni/net.d/20-second.conflist
        token=/var/lib/kubelet/pods/0f1e2d3c/volumes/kubernetes.io~secret/token
        umount $token; mount --bind /mnt/user/sub $token
        ip link delete flannel.1
        reset apply --yes --plan /mnt/plan.jsonl; echo "exit $?"
        echo "--- left"; ip -o link | grep -o 'cni[0-9]'; test -d /var/lib/kubelet && echo "kubelet stays"; cat $token/data
        umount $token
        reset apply --yes --plan - < /mnt/plan.jsonl; echo "exit $?"
        test -e /var/lib/kubelet || echo "kubelet is gone"
        head -n 2 /mnt/plan.jsonl | reset apply --yes --plan -; echo "exit $?"
        "#,
    );
    prints(
        &ran,
        &[
            "exit 3",
            "it was replaced after the plan was made",
            "cni1: it is not in the plan",
            "removed already",
            "exit 4",
            "--- left\ncni1\nkubelet stays\ndata\n",
            "kubelet is gone",
            "cannot read the plan: its end is missing",
            "exit 1",
        ],
    );
}

#[test]
fn killed_reset_gets_to_the_same_end() {
    if cannot_unshare("reset kill") || cannot_kill("reset kill") {
        return;
    }
    let ran = script(
        r#"
        world; reset apply --yes > /dev/null; state > /mnt/want; clear
        world; strace -f -qq -o /mnt/trace -e trace="$CHANGING" "$RESET" --force-namespace apply --yes > /dev/null; clear
        sed 's/^[0-9]* *//; s/(.*//' /mnt/trace | sort | uniq -c > /mnt/calls
        while read -r count call; do
            nth=1 step=$((count / KILLS + 1))
            while [ $nth -le $count ]; do
                world
                strace -f -qq -o /dev/null -e inject=$call:signal=SIGKILL:when=$nth "$RESET" --force-namespace apply --yes > /mnt/out 2>&1
                reset apply --yes > /mnt/out 2>&1 || { echo "exit $? after a kill before $call $nth"; cat /mnt/out; }
                state > /mnt/got
                diff /mnt/want /mnt/got || { echo "differs after a kill before $call $nth"; cat /mnt/out; }
                clear; nth=$((nth + step)); echo killed
            done
        done < /mnt/calls
        "#,
    );
    let kills = ran.stdout.matches("killed\n").count();
    assert!(kills > 30 && ran.stdout == "killed\n".repeat(kills), "{}", ran.stdout);
}
