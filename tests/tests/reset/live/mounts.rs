//! The phase mounts.

/// A host with an /etc of its own, and data of users in /mnt/host; `reset` runs the phase, `table` prints the mounts of
/// /mnt/host, /run and /var/lib/kubelet.
const PRELUDE: &str = r#"
mkdir -p /mnt/host/home; rm -f /etc/fstab
echo whole > host/file; mount -t tmpfs home host/home; echo whole > host/home/file
pods=/var/lib/kubelet/pods; mkdir -p $pods/u/volumes $pods/u/volume-subpaths
table() { awk '$5 ~ "^(/mnt/host|/run/|/var/lib/kubelet)" {print $5}' /proc/self/mountinfo | sort; }
# A namespace as a runtime keeps it: at a path, of a type.
pin() { touch "$1"; unshare --"$2"="$1" true; }
"#;

/// Runs the script, and compares what it prints line by line.
#[track_caller]
fn transcript(test: &str, text: &str, want: &str) {
    super::transcript("mounts", test, &format!("{PRELUDE}{text}"), want);
}

#[test]
fn volumes_are_unmounted_and_their_data_stays() {
    transcript(
        "volumes_are_unmounted_and_their_data_stays",
        r#"
        mkdir -p $pods/u/volumes/a $pods/u/volumes/b $pods/u/volume-subpaths/x/y /var/lib/kubelet/plugins/c/globalmount
        touch $pods/u/volume-subpaths/single
        mount --bind host $pods/u/volumes/a; mount -t tmpfs over $pods/u/volumes/a
        mount --make-rshared /mnt; mount --rbind host $pods/u/volumes/b
        mount --bind host/file $pods/u/volume-subpaths/single
        mount -t tmpfs secret /var/lib/kubelet/plugins/c/globalmount
        reset apply -n
        reset apply 2>&1 | tail -1
        reset apply --yes 2>&1 | grep -v 'unmounted'; table; cat host/file host/home/file
        reset apply --yes
        "#,
        "mounts     would unmount /var/lib/kubelet/plugins/c/globalmount: made by edgecore, kubelet, k3s; tmpfs secret  [undo: none]
        mounts     would unmount /var/lib/kubelet/pods/u/volume-subpaths/single: made by edgecore, kubelet, k3s; bind of /mnt/host/file, which stays  [undo: none]
        mounts     would unmount /var/lib/kubelet/pods/u/volumes/b/home: made by edgecore, kubelet, k3s; bind of /mnt/host/home, which stays  [undo: none]
        mounts     would unmount /var/lib/kubelet/pods/u/volumes/b: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        mounts     would unmount /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; tmpfs over  [undo: none]
        mounts     would unmount /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        6 changes would be made
        exit 3
        exit 4
        6 changes
        exit 0
        /mnt/host/home
        whole
        whole
        already up to date
        exit 0",
    );
}

/// Scenario 10: a CSI driver mounts a volume once for the node, and each pod has a bind of that.
#[test]
fn staging_mount_of_csi_goes_after_its_pods_and_its_data_stays() {
    transcript(
        "staging_mount_of_csi_goes_after_its_pods_and_its_data_stays",
        r#"
        volume=/var/lib/kubelet/plugins/kubernetes.io/csi/nfs.csi.k8s.io/0a1b; mkdir -p $volume/globalmount
        printf '{"driverName":"nfs.csi.k8s.io","volumeHandle":"nfs#server#share"}' > $volume/vol_data.json
        mount --make-rshared /var; mount --bind host $volume/globalmount
        for pod in u v; do
            mkdir -p $pods/$pod/volumes/kubernetes.io~csi/pv/mount
            mount --bind $volume/globalmount $pods/$pod/volumes/kubernetes.io~csi/pv/mount
        done
        mkdir -p /var/lib/rancher/k3s/storage/pvc-1 /var/lib/rancher/k3s/agent; echo whole > /var/lib/rancher/k3s/storage/pvc-1/file
        edge apply --yes --profile all --only mounts,files | grep -v ^kept; table
        test -e /var/lib/kubelet || echo "the root is gone"; cat host/file host/home/file /var/lib/rancher/k3s/storage/pvc-1/file
        ls /var/lib/rancher/k3s; edge apply --yes --profile all --only mounts,files | grep -v ^kept
        "#,
        "mounts     unmounted /var/lib/kubelet/pods/v/volumes/kubernetes.io~csi/pv/mount: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        mounts     unmounted /var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pv/mount: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        mounts     unmounted /var/lib/kubelet/plugins/kubernetes.io/csi/nfs.csi.k8s.io/0a1b/globalmount: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        files      deleted /var/lib/rancher/k3s/agent: made by k3s; deleted at once, as it is on tmpfs  [undo: none]
        files      deleted /var/lib/kubelet: made by edgecore, kubelet, k3s; deleted at once, as it is on tmpfs  [undo: none]
        files      deleted /var/lib/cni: made by cni, flannel, calico; deleted at once, as it is on tmpfs  [undo: none]
        6 changes
        exit 0
        /mnt/host/home
        the root is gone
        whole
        whole
        whole
        storage
        already up to date
        exit 0",
    );
}

#[test]
fn volume_in_use_stays_and_the_others_are_unmounted() {
    transcript(
        "volume_in_use_stays_and_the_others_are_unmounted",
        r#"
        mkdir -p $pods/u/volumes/a $pods/u/volumes/b $pods/u/volumes/c
        mount --bind / $pods/u/volumes/a; mount --bind host $pods/u/volumes/b; mount --bind host $pods/u/volumes/b
        (cd $pods/u/volumes/a/etc && exec sleep 60) & held=$!
        sleep 0.5; reset apply --yes 2>&1 | sed "s/process $held /process PID /"; table
        kill $held; wait $held 2>/dev/null; reset apply --yes | tail -1; table; cat host/file
        "#,
        "mounts     unmounted /var/lib/kubelet/pods/u/volumes/b: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        mounts     unmounted /var/lib/kubelet/pods/u/volumes/b: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays  [undo: none]
        mounts     refused to unmount /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; bind of /, which stays  [undo: none]
        edge-reset: cannot unmount /var/lib/kubelet/pods/u/volumes/a: it is in use by process PID (/usr/bin/sleep)
        hint: end what uses it, then run the command again; run the same command again to resume, or `edge-reset undo --id 1` to undo what was done
        2 changes
        exit 4
        /mnt/host/home
        /var/lib/kubelet/pods/u/volumes/a
        edge-reset: note: run 1 was interrupted; what it had done was read from the host
        exit 0
        /mnt/host/home
        whole",
    );
}

#[test]
fn mounts_of_the_administrator_stay() {
    transcript(
        "mounts_of_the_administrator_stay",
        r#"
        umount -R /var/lib/kubelet 2>/dev/null; mkdir -p host/kubelet; mount --bind host/kubelet /var/lib/kubelet
        mkdir -p $pods/u/a $pods/u/b/c $pods/u/d /var/lib/kubelet/own /etc/systemd/system
        mount -t tmpfs disk $pods/u/a; mkdir $pods/u/a/x; mount -t tmpfs volume $pods/u/a/x
        mount -t tmpfs volume $pods/u/b; mkdir $pods/u/b/c; mount -t tmpfs disk $pods/u/b/c
        mount -t tmpfs disk $pods/u/d; mount -t tmpfs other /var/lib/kubelet/own
        printf '/dev/x %s ext4\n# /dev/y %s ext4\n' $pods/u/a $pods/u/e > /etc/fstab
        printf '[Mount]\nWhat=x\nWhere=%s\n' $pods/u/b/c > /etc/systemd/system/var-lib-kubelet-pods-u-b-c.mount
        reset apply --yes; table
        "#,
        "kept       /var/lib/kubelet/pods/u/a: /etc/fstab has it
        kept       /var/lib/kubelet: it is mounted by the administrator; only what is in it is removed
        kept       /var/lib/kubelet/own: nothing shows that it was made for pods
        kept       /var/lib/kubelet/pods/u/b/c: the unit var-lib-kubelet-pods-u-b-c.mount mounts it
        refused    /var/lib/kubelet/pods/u/b: /var/lib/kubelet/pods/u/b/c is mounted in it, and stays
        edge-reset: cannot remove /var/lib/kubelet/pods/u/b: /var/lib/kubelet/pods/u/b/c is mounted in it, and stays
        hint: if it is not needed, unmount it first (umount /var/lib/kubelet/pods/u/b/c)
        mounts     unmounted /var/lib/kubelet/pods/u/d: made by edgecore, kubelet, k3s; tmpfs disk  [undo: none]
        mounts     unmounted /var/lib/kubelet/pods/u/a/x: made by edgecore, kubelet, k3s; tmpfs volume  [undo: none]
        2 changes
        exit 4
        /mnt/host/home
        /var/lib/kubelet
        /var/lib/kubelet/own
        /var/lib/kubelet/pods/u/a
        /var/lib/kubelet/pods/u/b
        /var/lib/kubelet/pods/u/b/c",
    );
}

#[test]
fn namespaces_of_pods_are_removed_and_those_of_others_stay() {
    transcript(
        "namespaces_of_pods_are_removed_and_those_of_others_stay",
        r#"
        mkdir -p /run/ipcns /run/utsns /run/userns
        id=0f0f0f0f-0000-4000-8000-00000000000
        for name in mine netns-${id}1 ${id}2 cni-${id}3 cni-${id}4 ${id}5; do pin /run/netns/$name net; done
        pin /run/ipcns/${id}2 ipc; pin /run/utsns/${id}2 uts; pin /run/utsns/host uts
        printf '{"cniVersion": "0.4.0", "name": "podman", "plugins": [{"type": "bridge", "bridge": "cni-podman0"}]}' > /etc/cni/net.d/87-podman-bridge.conflist
        conf=$(base64 -w0 < /etc/cni/net.d/87-podman-bridge.conflist)
        printf '{"kind": "cniCacheV1", "containerId": "c", "networkName": "podman", "ifName": "eth0", "config": "%s", "netns": "/var/run/netns/cni-%s4", "result": {}}' $conf $id > /var/lib/cni/results/podman-c-eth0
        nsenter --net=/run/netns/${id}5 sleep 60 & held=$!
        sleep 0.5; reset apply --yes 2>&1 | sed "s/process $held /process PID /"; ls /run/netns /run/ipcns /run/utsns
        kill $held; wait $held 2>/dev/null; reset apply --yes | tail -1; ls /run/netns
        "#,
        "kept       /run/netns/netns-0f0f0f0f-0000-4000-8000-000000000001: Podman makes such namespaces
        kept       /run/netns/cni-0f0f0f0f-0000-4000-8000-000000000004: Podman's: it is of a container in the network podman
        kept       /run/netns/mine: nothing shows that it was made for pods
        mounts     unmounted /run/utsns/0f0f0f0f-0000-4000-8000-000000000002: made by cri-o; uts namespace  [undo: none]
        mounts     unmounted /run/ipcns/0f0f0f0f-0000-4000-8000-000000000002: made by cri-o; ipc namespace  [undo: none]
        mounts     refused to unmount /run/netns/0f0f0f0f-0000-4000-8000-000000000005: made by cri-o; net namespace  [undo: none]
        edge-reset: cannot unmount /run/netns/0f0f0f0f-0000-4000-8000-000000000005: it is in use by process PID (/usr/bin/sleep)
        hint: end what uses it, then run the command again; run the same command again to resume, or `edge-reset undo --id 1` to undo what was done
        mounts     unmounted /run/netns/cni-0f0f0f0f-0000-4000-8000-000000000003: made by containerd, cri-o; net namespace  [undo: none]
        mounts     unmounted /run/netns/0f0f0f0f-0000-4000-8000-000000000002: made by cri-o; net namespace  [undo: none]
        4 changes
        exit 4
        /run/ipcns:
        /run/netns:
        0f0f0f0f-0000-4000-8000-000000000005
        cni-0f0f0f0f-0000-4000-8000-000000000004
        mine
        netns-0f0f0f0f-0000-4000-8000-000000000001
        /run/utsns:
        host
        edge-reset: note: run 1 was interrupted; what it had done was read from the host
        exit 0
        cni-0f0f0f0f-0000-4000-8000-000000000004
        mine
        netns-0f0f0f0f-0000-4000-8000-000000000001",
    );
}

#[test]
fn mounts_of_runtimes_are_told_apart() {
    transcript(
        "mounts_of_runtimes_are_told_apart",
        r#"
        state=/run/containerd; task=$state/io.containerd.runtime.v2.task; storage=/var/lib/containers/storage
        for dir in $task/k8s.io/e2e1/rootfs $task/moby/e2e2/rootfs $state/io.containerd.grpc.v1.cri/sandboxes/e2e0/shm \
            $storage/overlay/l1/merged $storage/overlay/l2/merged $storage/overlay/l3/merged /run/calico/cgroup \
            /var/lib/docker/overlay2/x/merged /run/k3s/x; do
            mkdir -p $dir
            case $dir in *overlay/*) mount -t overlay x -o lowerdir=/mnt/host:/mnt/up $dir;; *) mount -t tmpfs x $dir;; esac
        done
        mkdir -p $storage/overlay-containers
        printf '[{"id": "a", "layer": "l1", "metadata": "{\\"pod-name\\":\\"p\\"}"}, {"id": "b", "layer": "l2", "metadata": "{}"}]' > $storage/overlay-containers/containers.json
        reset apply --yes; awk '$5 ~ "^/(run|var/lib)/" {print $5}' /proc/self/mountinfo | sort
        "#,
        "kept       /run/calico/cgroup
        edge-reset: hint: to remove /run/calico/cgroup: umount /run/calico/cgroup
        kept       /var/lib/docker/overlay2/x/merged: Docker's
        kept       /run/k3s/x: it belongs to another profile
        kept       /var/lib/containers/storage/overlay/l3/merged: it is unknown whose container it is
        kept       /var/lib/containers/storage/overlay/l2/merged: its container is not one of CRI-O
        mounts     unmounted /var/lib/containers/storage/overlay/l1/merged: made by cri-o; overlay x  [undo: none]
        mounts     unmounted /run/containerd/io.containerd.grpc.v1.cri/sandboxes/e2e0/shm: made by containerd; tmpfs x  [undo: none]
        mounts     unmounted /run/containerd/io.containerd.runtime.v2.task/k8s.io/e2e1/rootfs: made by containerd; tmpfs x  [undo: none]
        3 changes
        exit 3
        /run/calico/cgroup
        /run/containerd/io.containerd.runtime.v2.task/moby/e2e2/rootfs
        /run/k3s/x
        /var/lib/containers/storage/overlay/l2/merged
        /var/lib/containers/storage/overlay/l3/merged
        /var/lib/docker/overlay2/x/merged",
    );
}

#[test]
fn plan_is_for_the_mounts_that_it_was_made_of() {
    transcript(
        "plan_is_for_the_mounts_that_it_was_made_of",
        r#"
        mkdir -p $pods/u/volumes/a $pods/u/volumes/b $pods/u/volumes/c $pods/u/volumes/d
        for name in a b c; do mount -t tmpfs old $pods/u/volumes/$name; done
        reset apply -n --json > plan.json
        umount $pods/u/volumes/b $pods/u/volumes/c; mount -t tmpfs new $pods/u/volumes/b; mount -t tmpfs new $pods/u/volumes/d
        sed -i '/^exit/d' plan.json; reset apply --yes --plan plan.json; table
        "#,
        "kept       /var/lib/kubelet/pods/u/volumes/d: it is not in the plan
        refused    /var/lib/kubelet/pods/u/volumes/b: it was replaced after the plan was made
        edge-reset: cannot remove /var/lib/kubelet/pods/u/volumes/b: it was replaced after the plan was made
        edge-reset: note: mounts: 1 item of the plan removed already
        mounts     unmounted /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; tmpfs old  [undo: none]
        1 change
        exit 4
        /mnt/host/home
        /var/lib/kubelet/pods/u/volumes/b
        /var/lib/kubelet/pods/u/volumes/d",
    );
}

#[test]
fn odd_names_and_a_dead_server_are_no_obstacle() {
    transcript(
        "odd_names_and_a_dead_server_are_no_obstacle",
        r#"
        for name in 'a b' '#' '\040' "$(printf 'bytes\377')" "$(printf 'line\nbreak')"; do
            mkdir -p "$pods/u/$name"; mount --bind host "$pods/u/$name"
        done
        dead=$pods/u/volumes/kubernetes.io~nfs/dead; mkdir -p $dead; test -w /dev/fuse && exec 7<>/dev/fuse
        mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 dead $dead 2>/dev/null
        timeout 20 "$FIXTURE" --force-namespace scan > scan; echo "scan $?"; grep -o 'remove .*/dead: ' scan
        reset apply --yes > out; grep ^exit out; grep -c unmounted out; table; cat host/file host/home/file
        "#,
        "scan 0
        remove /var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/dead:
        exit 0
        6
        /mnt/host/home
        whole
        whole",
    );
}
