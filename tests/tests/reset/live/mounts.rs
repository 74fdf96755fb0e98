//! The phase mounts.

use edgeutils_tests::live::{cannot_unshare, script};
use edgeutils_tests::tool;

/// A host with an /etc of its own, and data of users in /mnt/host; `reset` runs the phase, `table` prints the mounts of
/// /mnt/host, /run and /var/lib/kubelet.
const PRELUDE: &str = r#"
mkdir -p /mnt/up /mnt/work /run/netns /mnt/host/home
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
rm -rf /etc/cni; rm -f /etc/fstab; mkdir -p /etc/cni/net.d /var/lib/cni/results
echo whole > host/file; mount -t tmpfs home host/home; echo whole > host/home/file
pods=/var/lib/kubelet/pods; mkdir -p $pods/u/volumes $pods/u/volume-subpaths
reset() { edge "$@" --only mounts; }
said() { sed -n 's/  \[undo: none\]$//; /^exit/p; /^edge-reset: cannot/p; /unmount/p; /^kept/p; /^hint/p'; }
table() { awk '$5 ~ "^(/mnt/host|/run/|/var/lib/kubelet)" {print $5}' /proc/self/mountinfo | sort; }
# A namespace as a runtime keeps it: at a path, of a type.
pin() { touch "$1"; unshare --"$2"="$1" true; }
"#;

/// Runs the script, and compares what it prints line by line.
#[track_caller]
fn transcript(test: &str, text: &str, want: &str) {
    if cannot_unshare(test) {
        return;
    }
    let program = tool::path("edge-reset").to_string_lossy().into_owned();
    let ran = script(&program, &format!("{PRELUDE}{text}"));
    let even = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(even(&ran.stdout), even(want), "the script printed:\n{}{}", ran.stdout, ran.stderr);
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
        reset apply -n | said; table | wc -l
        reset apply | tail -1
        reset apply --yes 2>&1 | grep -v '^unmounted'; table; cat host/file host/home/file
        reset apply --yes
        "#,
        "would unmount /var/lib/kubelet/plugins/c/globalmount: made by edgecore, kubelet, k3s; tmpfs secret
        would unmount /var/lib/kubelet/pods/u/volume-subpaths/single: made by edgecore, kubelet, k3s; bind of /mnt/host/file, which stays
        would unmount /var/lib/kubelet/pods/u/volumes/b/home: made by edgecore, kubelet, k3s; bind of /mnt/host/home, which stays
        would unmount /var/lib/kubelet/pods/u/volumes/b: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays
        would unmount /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; tmpfs over
        would unmount /var/lib/kubelet/pods/u/volumes/a: made by edgecore, kubelet, k3s; bind of /mnt/host, which stays
        exit 3
        ",
    );
}
