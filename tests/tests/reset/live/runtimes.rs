//! The phases pods and processes with real container runtimes.

use edgeutils_tests::runtimes;

/// The parts of an output that end with these marks.
fn parts<'o>(out: &'o str, marks: &[&str]) -> Vec<&'o str> {
    let mut rest = out;
    let mut parts = Vec::new();
    for mark in marks {
        let (part, after) = rest.split_once(mark).unwrap_or_else(|| panic!("no {mark:?}: {out}"));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

#[test]
fn pods_of_containerd_end_and_its_other_containers_stay() {
    let text = r#"
containerd_up
web=$(pod web); run $web web 'echo written > /data/new; sleep 1001' > /dev/null
pod host "$host_network" > /dev/null; crio client $CONTAINERD stopp $(pod stopped)
ctr -n default images import /tmp/image.tar > /dev/null
ctr -n default run -d --label nerdctl/name=mine --mount type=bind,src=/srv/data,dst=/data,options=rbind:rw $IMAGE mine /bin/sleep 1002
until_true test -s /srv/data/new
running; mounted
edge apply -n | grep '^pods'
echo = apply; edge apply --yes | grep -v ^kept
running; mounted
ctr -n default tasks ls | grep -o 'mine.*RUNNING' | wc -l; ctr -n k8s.io containers ls -q
cat /srv/data/file /srv/data/new
cat /sys/fs/cgroup/*/system.slice/containerd.service/cgroup.procs | sort -un | wc -l
edge apply --yes | grep -v ^kept
"#;
    let Some(out) = runtimes::script("reset runtimes", text) else { return };
    let [before, applied, after] = parts(&out, &["= apply\n", "exit 0\n"])[..] else { unreachable!() };
    let task = "/run/containerd/io.containerd.runtime.v2.task";
    let shm = "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/ID/shm\n";
    let mounts = format!("{shm}{shm}{task}/default/mine/rootfs\n{}", format!("{task}/k8s.io/ID/rootfs\n").repeat(3));
    let processes = "/bin/sleep 1000\n/bin/sleep 1000\n/bin/sleep 1002\ncontainerd\n\
                     containerd-shim-runc-v2 -namespace default\ncontainerd-shim-runc-v2 -namespace k8s.io\n\
                     containerd-shim-runc-v2 -namespace k8s.io\nsleep 1001\n";
    let pods = ["host", "stopped", "web"]
        .map(|pod| format!("pods       would end pod default/{pod}: made by containerd  [undo: none]\n"));
    assert_eq!(before, format!("{processes}{mounts}/run/netns/cni-UUID\n{}", pods.concat()), "{out}");
    for pod in ["host", "stopped", "web"] {
        assert!(applied.contains(&format!("ended pod default/{pod}")), "{out}");
    }
    assert!(applied.contains("deleted control group kubepods") && applied.contains("deleted bridge cni0"), "{out}");
    let stays = "/bin/sleep 1002\ncontainerd\ncontainerd-shim-runc-v2 -namespace default\n";
    let want = format!("{stays}{task}/default/mine/rootfs\n1\nprecious\nwritten\n2\nalready up to date\nexit 0\n");
    assert_eq!(after, want, "{out}");
}

/// A container that is paused, and pods outside of kubepods, survive a containerd that has ended; the files of the network
/// are kept until it is back.
#[test]
fn pods_of_a_containerd_that_has_ended_are_removed_once_it_is_back() {
    let text = r#"
containerd_up
web=$(pod web); container=$(run $web web 'sleep 1001'); ctr -n k8s.io tasks pause $container
parent=; run $(pod other) other 'sleep 1003' > /dev/null
# A node in a container, as kind makes them, has shims too.
cp /bin/sh /mnt/containerd-shim-runc-v2
unshare -pm --fork --mount-proc --kill-child /mnt/containerd-shim-runc-v2 -c 'sleep 1004; :' -namespace k8s.io -id kind > /dev/null & kind=$!
until_true sh -c "grep -q 'sleep.*1004' /proc/[0-9]*/cmdline"
kill_containerd
edge scan --only pods
echo = dead; edge apply --yes
running | grep -v kind; mounted; ls /etc/cni/net.d; kill $kind
echo = back; start
edge apply --yes
ctr -n k8s.io containers ls -q; ls /etc/cni/net.d
echo = without; network; parent=/kubepods
until_true pod last > /dev/null
rm /etc/cni/net.d/*
edge apply --yes
echo = restored; network
until_true edge-reset --force-namespace apply --yes
ctr -n k8s.io containers ls -q; edge apply --yes
"#;
    let Some(out) = runtimes::script("reset runtimes", text) else { return };
    let [scan, dead, back, without, restored] =
        parts(&out, &["= dead\n", "= back\n", "= without\n", "= restored\n"])[..]
    else {
        unreachable!()
    };
    let refused = "it does not answer: Connection refused (os error 111)\n1 to remove, 0 to keep, 0 refused\nexit 0\n";
    assert!(scan.ends_with(refused), "{out}");
    for part in [
        "\nedge-reset: cannot query the container runtime at /run/containerd/containerd.sock: Connection refused",
        "\nhint: start the container runtime and run again, or remove the socket",
        "could not end all pods of containerd at /run/containerd/containerd.sock: made by containerd; at first it did not \
         answer: Connection refused (os error 111)",
        "ended 2 processes in the control group kubepods",
        "/etc/cni/net.d/10-pods.conflist: a container runtime needs it to remove pods, and some remain or could not be listed\n",
    ] {
        assert!(dead.contains(part), "{part}: {out}");
    }
    assert_eq!(dead.matches("(/usr/bin/containerd-shim-runc-v2): made by").count(), 2, "{out}");
    assert!(dead.ends_with("\nexit 1\nsleep 1004\n10-pods.conflist\n"), "{out}");
    assert!(back.contains("ended pod default/other") && back.contains("ended pod default/web"), "{out}");
    assert!(back.ends_with("\nexit 0\n") && back.contains("moved /etc/cni/net.d/10-pods.conflist"), "{out}");
    let network = "cni plugin not initialized\nhint: the runtime deletes a network with a configuration in /etc/cni/net.d \
                   and the plugins that it names: restore them, or write one with edge-cni conf bridge";
    assert!(without.contains(network) && without.ends_with("\nexit 1\n"), "{out}");
    assert!(restored.ends_with("already up to date\nexit 0\n"), "{out}");
    assert_eq!(restored.lines().filter(|line| line.len() == 64).count(), 0, "{out}");
}

/// A containerd that hangs, and one whose CRI is disabled, as Docker's packages configure it.
#[test]
fn pods_of_a_containerd_that_does_not_answer_are_reported() {
    let text = r#"
containerd_up
run $(pod web) web 'sleep 1001' > /dev/null
kill -STOP $containerd
edge scan --only pods
echo = continues
(sleep 15; kill -CONT $containerd) & edge apply --yes --only pods; running
echo = disabled
network; until_true pod web > /dev/null
kill_containerd; echo 'disabled_plugins = ["cri"]' > /etc/containerd/config.toml; start
edge scan --only pods
edge apply --yes; edge apply --yes
running; mounted; ls /etc/cni/net.d
config > /etc/containerd/config.toml; kill_containerd; start
edge apply --yes; ctr -n k8s.io containers ls -q
# And for Docker alone.
kill_containerd; echo 'disabled_plugins = ["cri"]' > /etc/containerd/config.toml; start
edge apply --yes
"#;
    let Some(out) = runtimes::script("reset runtimes", text) else { return };
    let [hangs, continues, disabled] = parts(&out, &["= continues\n", "= disabled\n"])[..] else { unreachable!() };
    assert!(hangs.contains("it does not answer: no answer within 10 s"), "{out}");
    let ended = "ended all pods of containerd at /run/containerd/containerd.sock: made by containerd; at first it did not \
                 answer: no answer within 10 s  [undo: none]\n1 change\nexit 0\ncontainerd\n";
    assert!(continues.ends_with(ended), "{out}");
    let [scan, first, second, enabled, docker] = disabled.splitn(5, "exit ").collect::<Vec<_>>()[..] else {
        panic!("{out}")
    };
    let kept = "1 container of pods of containerd at /run/containerd/containerd.sock";
    assert!(scan.contains(&format!("keep {kept}")), "{out}");
    assert!(first.contains("ended 1 process in the control group kubepods"), "{out}");
    assert!(second.contains(&format!("\nkept       {kept}: the CRI is disabled\n")), "{out}");
    let hint = format!("hint: to remove {kept}: remove \"cri\" from disabled_plugins in /etc/containerd/config.toml");
    assert!(second.contains(&hint) && second.ends_with("no changes\n"), "{out}");
    assert!(enabled.starts_with("3\ncontainerd\n10-pods.conflist\n"), "{out}");
    assert!(enabled.contains("ended pod default/web") && docker.starts_with("0\n"), "{out}");
    assert!(docker.ends_with("\nalready up to date\nexit 0\n") && !docker.contains("CRI"), "{out}");
}

#[test]
fn containers_of_docker_end_by_name_and_label_with_the_real_daemon() {
    let text = r#"
image
in_group system.slice/docker.service sh -c 'exec dockerd --bridge=none --iptables=false --storage-driver=vfs > /tmp/docker.log 2>&1'
until_true sh -c 'docker ps > /dev/null'
docker load -qi /tmp/image.tar > /dev/null
container() { docker run -d --network none "$@" > /dev/null; }
pod="--label io.kubernetes.pod.uid=u1 --cgroup-parent /kubepods/podu1"
container --name k8s_POD_nginx_default_u1_0 $pod $IMAGE sleep 1001
container --name k8s_nginx_nginx_default_u1_0 $pod -v data:/data $IMAGE sleep 1002
container --name mqtt-kubeedge --label io.kubeedge.edgecore/mqtt= $IMAGE /bin/busybox true
container --name k8s_mine $IMAGE sleep 1003
container --name web --label io.kubernetes.pod.uid=x $IMAGE sleep 1004
running
edge apply --yes --only pods,processes,cgroups
running; docker ps -a --format '{{.Names}}' | sort; docker volume ls -q; docker images -q | wc -l
edge apply --yes --only pods,processes,cgroups
"#;
    let Some(out) = runtimes::script("reset runtimes", text) else { return };
    let shim = "containerd-shim-runc-v2 -namespace moby\n";
    let (daemon, docker) = (
        "containerd --config /var/run/docker/containerd/containerd.toml --log-level info\n",
        "dockerd --bridge=none --iptables=false --storage-driver=vfs\n",
    );
    let before = format!("{daemon}{}{docker}sleep 1001\nsleep 1002\nsleep 1003\nsleep 1004\n", shim.repeat(4));
    let after = format!("{daemon}{}{docker}sleep 1003\nsleep 1004\nk8s_mine\nweb\ndata\n1\n", shim.repeat(2));
    let ended = "pods       ended container k8s_nginx_nginx_default_u1_0: made by docker  [undo: none]\n\
                 pods       ended container k8s_POD_nginx_default_u1_0: made by docker  [undo: none]\n\
                 pods       ended container mqtt-kubeedge: made by edgecore  [undo: none]\n";
    let [first, second, rest] = out.splitn(3, "exit ").collect::<Vec<_>>()[..] else { panic!("{out}") };
    assert!(first.starts_with(&format!("{before}{ended}")), "{out}");
    assert_eq!((second, rest), (format!("0\n{after}already up to date\n").as_str(), "0\n"), "{out}");
}

/// Podman's own container, and conmon as CRI-O starts it, with containers that runc runs.
#[test]
fn monitors_of_podman_stay_and_those_of_crio_end() {
    let text = r#"
image; podman load -qi /tmp/image.tar > /dev/null
for name in mine k8s_mine; do
    podman --cgroup-manager=cgroupfs run -d --name $name --network none --label io.kubernetes.pod.uid=u $IMAGE sleep 1001 > /dev/null
done
bundle=/run/containers/storage/overlay-containers/c1/userdata; mkdir -p $bundle /var/run/crio/exits /var/log/pods
cp -a /tmp/image/layer $bundle/rootfs; (cd $bundle; runc spec)
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1002"/' $bundle/config.json
conmon -b $bundle -c c1 -u c1 -n k8s_c_web_default_u1_0 -r /usr/sbin/runc --exit-dir /var/run/crio/exits -l /var/log/pods/c.log \
    --log-level info -p $bundle/pidfile -P $bundle/conmon-pidfile --persist-dir $bundle --socket-dir-path /var/run/crio --syslog > /tmp/conmon.log 2>&1
until_true test -s $bundle/pidfile; runc start c1
until_true sh -c 'runc list | grep -q "c1.*running"'
running
edge apply --yes --only pods,processes
running; podman ps --format '{{.Names}} {{.Status}}' | cut -d' ' -f1,2 | sort
edge apply --yes --only pods,processes
"#;
    let Some(out) = runtimes::script("reset runtimes", text) else { return };
    let podman = "conmon\nconmon\nsleep 1001\nsleep 1001\n";
    let (before, rest) = out.split_once("processes  ended process ").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(before, format!("conmon\n{podman}sleep 1002\n"), "{out}");
    let (ended, after) = rest.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    assert!(ended.ends_with(" (/usr/bin/conmon): made by cri-o  [undo: none]\n1 change\n"), "{out}");
    assert_eq!(after, format!("{podman}k8s_mine Up\nmine Up\nalready up to date\nexit 0\n"), "{out}");
}
