//! A node with real container runtimes: Debian's containerd, runc, Docker and Podman, in a minimal Debian tree under an
//! overlay. An image of busybox is made there, and pods by a client of the CRI (tests/go/cri-standin/client.go).

use std::path::Path;

use crate::live::cannot_unshare;
use crate::tool::{self, Ran};
use crate::{debian, node, skip, standin};

const PACKAGES: [&str; 7] =
    ["busybox-static", "containerd", "containernetworking-plugins", "docker.io", "iproute2", "nftables", "podman"];
/// Those that runc needs, beside the ones of every node.
const V1: [&str; 5] = ["pids", "freezer", "devices", "memory", "cpu"];

/// $TREE is the Debian tree, $PROGRAMS are copied to /usr/local/bin; the arguments are `MOUNT=HIERARCHY`.
const SETUP: &str = r#"
exec 2>&1
base=/mnt; mount -t tmpfs -o size=600m,mode=755 tmpfs "$base" || exit 99
root=$base/root; mkdir "$base/up" "$base/work" "$root"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$base/up,workdir=$base/work" "$root" || exit 99
cp $PROGRAMS "$root/usr/local/bin/"
mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" || exit 97
# No runtime has its data on an overlay.
for dir in dev run tmp var sys/fs/cgroup; do mount -t tmpfs -o mode=755 tmpfs "$root/$dir" || exit 99; done
for node in null zero full random urandom tty fuse; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir -p "$root/dev/shm" "$root/dev/pts" "$root/var/lib" "$root/var/log" "$root/var/tmp"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"; ln -s /run "$root/var/run"
for each; do
    kind=${each#*=} top=$root/sys/fs/cgroup/${each#*=}; mkdir "$top"
    if [ "$kind" = unified ]; then mount -t cgroup2 none "$top"; else mount -t cgroup -o "$kind" none "$top"; fi || exit 96
done
rm -rf "$root"/etc/cni/net.d "$root"/etc/containerd; mkdir -p "$root/etc/cni/net.d" "$root/etc/containerd"
echo 'nameserver 192.0.2.53' > "$root/etc/resolv.conf"
ip link set lo up
cd "$root" && mkdir .old && pivot_root . .old || exit 95
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec /bin/sh -uc 'umount -l /.old; rmdir /.old; eval "$SCRIPT"'
"#;

/// `image` makes /tmp/image.tar, `containerd_up` starts containerd with a network of pods, `pod NAME` makes a pod in the
/// control group that edgecore would choose (`$parent`), and `run ID NAME SCRIPT` a container in it that has /srv/data.
const PRELUDE: &str = r#"
IMAGE=example.invalid/busybox:1 CONTAINERD=/run/containerd/containerd.sock parent=/kubepods/besteffort
image() {
    layer=/tmp/image/layer; mkdir -p $layer/bin $layer/data $layer/etc $layer/tmp; cp /bin/busybox $layer/bin/
    for name in sh sleep; do ln -s busybox $layer/bin/$name; done
    tar -C $layer -cf /tmp/image/layer.tar .; sum=$(sha256sum < /tmp/image/layer.tar | cut -d" " -f1)
    echo "{\"architecture\": \"$(dpkg --print-architecture)\", \"os\": \"linux\", \"config\": {\"Cmd\": [\"/bin/sleep\", \"1000\"]},
        \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"sha256:$sum\"]}}" > /tmp/image/config.json
    echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$IMAGE\"], \"Layers\": [\"layer.tar\"]}]" > /tmp/image/manifest.json
    tar -C /tmp/image -cf /tmp/image.tar manifest.json config.json layer.tar
}
# In a container without CAP_SYS_RESOURCE its own score cannot be lowered.
config() {
    printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n  sandbox_image = "%s"\n' $IMAGE
    printf '  [plugins."io.containerd.grpc.v1.cri".cni]\n    bin_dir = "/usr/lib/cni"\n'
}
network() {
    echo '{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
        "ipMasq": true, "ipam": {"type": "host-local", "subnet": "10.99.0.0/16"}}]}' > /etc/cni/net.d/10-pods.conflist
}
start() { in_group system.slice/containerd.service sh -c 'exec containerd > /tmp/containerd.log 2>&1'; containerd=$last; until_true sh -c 'ctr version > /dev/null'; }
containerd_up() {
    config > /etc/containerd/config.toml; network; image; start
    mkdir -p /srv/data; echo precious > /srv/data/file
    ctr -n k8s.io images import /tmp/image.tar > /dev/null
}
kill_containerd() { kill -9 $containerd; wait $containerd 2> /dev/null; }
spec() { echo "{\"metadata\": {\"name\": \"$1\", \"namespace\": \"default\"}, \"log_directory\": \"/var/log/pods/$1\",
    \"linux\": {\"cgroup_parent\": \"${parent:+$parent/pod$1}\"${2:-}}}"; }
pod() { spec "$@" | crio client $CONTAINERD runp "$1"; }
host_network=', "security_context": {"namespace_options": {"network": 2}}'
run() {
    mkdir -p /var/log/pods/$2
    { spec $2; echo "{\"metadata\": {\"name\": \"c\"}, \"image\": {\"image\": \"$IMAGE\"}, \"command\": [\"/bin/sh\", \"-c\", \"$3\"],
        \"linux\": {}, \"log_path\": \"c.log\", \"mounts\": [{\"container_path\": \"/data\", \"host_path\": \"/srv/data\"}]}"; } |
        crio client $CONTAINERD run $1
}
# What runs, by the last words of its command line; and the mounts of containers, without their IDs.
running() {
    for dir in /proc/[0-9]*; do
        words=$(tr '\0' ' ' < $dir/cmdline 2> /dev/null) || continue
        case $words in sed*) ;; *containerd-shim*|containerd\ *|*dockerd*|*conmon*|*sleep\ [0-9]*) echo "$words" ;; esac
    done | sed -E 's/[0-9a-f]{64}/ID/g; s/^.*(containerd-shim-runc-v2 -namespace [^ ]*).*/\1/; s/^.*conmon .*/conmon/; s/ *$//' | sort
}
mounted() { cut -d' ' -f2 /proc/self/mounts | grep -E '/(rootfs|shm|merged)$|/run/netns/' | grep -v '^/dev/' | sed -E 's/[0-9a-f]{64}/ID/g; s/cni-[-0-9a-f]+/cni-UUID/' | sort; }
"#;

/// Runs a shell script there, as [`node::script`] does; none if that cannot be done on this machine.
pub fn script(test: &str, text: &str) -> Option<String> {
    if cannot_unshare(test) {
        return None;
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let made =
        debian::tree_with(debian::RELEASE, &PACKAGES).and_then(|tree| Ok((tree, standin::build(arch, "1.34.2")?)));
    match made {
        Ok((tree, client)) => Some(run(&tree, &client, text).stdout),
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

fn run(tree: &Path, client: &Path, text: &str) -> Ran {
    let mut programs = client.as_os_str().to_owned();
    for program in ["edge-reset", "edge-pkg"].map(tool::path) {
        programs.push(" ");
        programs.push(program);
    }
    let variables = [("TREE", tree.as_os_str()), ("PROGRAMS", &programs)];
    node::run(&V1, SETUP, &variables, &format!("{PRELUDE}{text}"))
}
