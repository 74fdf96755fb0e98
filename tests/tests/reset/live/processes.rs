//! The phase processes.

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::{node, skip};

/// Programs of any name that sleep; a shell takes any argument.
const PROGRAMS: &str = r#"
mount -t tmpfs tmpfs /usr/local/bin
for name in edgecore cloudcore edgecore-exporter containerd; do cp /bin/sleep /usr/local/bin/$name; done
for name in containerd-shim-runc-v2 conmon; do cp /bin/sh /usr/local/bin/$name; done
cp /bin/sleep /mnt/edgecore
mkdir -p /etc/crio/crio.conf.d
printf '[crio]\nrunroot = "/data/run"\n' > /etc/crio/crio.conf
printf '[crio.runtime]\ncontainer_exits_dir = "/var/run/own/exits"\n' > /etc/crio/crio.conf.d/10.conf
# A killed child of this shell is a zombie until it is waited for.
state() { lives=; grep -qs "^State:.[^ZX]" "/proc/$2/status" && lives=" lives"; echo "$1$lives"; }
"#;

fn script(test: &str, text: &str) -> Option<String> {
    (!cannot_unshare(test)).then(|| node::script(&[], &format!("{PROGRAMS}{text}")).stdout)
}

#[test]
fn processes_end_by_executable_and_arguments_and_never_by_name() {
    let text = r#"
nohup edgecore 300 > /dev/null & a=$!
cloudcore 300 & b=$!
until_true grep -q cloudcore /proc/$b/cmdline
cp /bin/sleep /usr/local/bin/new; mv /usr/local/bin/new /usr/local/bin/cloudcore
edgecore-exporter 300 & c=$!
/mnt/edgecore 300 & d=$!
setpriv --reuid 65534 --regid 65534 --clear-groups edgecore 300 & e=$!
unshare -m edgecore 300 & f=$!
in_group system.slice/edgecore.service edgecore 300; g=$last
in_group system.slice/containerd.service containerd 300; h=$last
shim() { in_group system.slice/containerd.service containerd-shim-runc-v2 -c 'sleep 300; :' "$@"; }
shim -namespace k8s.io -id 1; i=$last
shim -namespace moby -id 2; j=$last
conmon -c 'sleep 300; :' conmon --exit-dir /var/run/crio/exits & k=$!
conmon -c 'sleep 300; :' conmon --exit-dir /var/run/crio/exits --exit-command /usr/bin/podman & l=$!
conmon -c 'sleep 300; :' conmon --exit-dir /run/libpod/exits & m=$!
conmon -c 'sleep 300; :' conmon -b /data/run/overlay-containers/1/userdata & n=$!
conmon -c 'sleep 300; :' conmon -b /run/containers/storage/overlay-containers/1/userdata & o=$!
conmon -c 'sleep 300; :' conmon --exit-dir /run/own/exits & p=$!
all() {
    state "by nohup" $a; state "replaced" $b; state "exporter" $c; state "other directory" $d; state "other user" $e
    state "container" $f; state "unit" $g; state "containerd" $h; state "shim" $i; state "shim of docker" $j
    state "monitor" $k; state "monitor of podman" $l; state "other monitor" $m
    state "by runroot" $n; state "in the default runroot" $o; state "by exits" $p
}
sleep 0.2
all
edge apply --yes --only processes
all
edge apply --yes --only processes
"#;
    let Some(out) = script("reset processes", text) else { return };
    let (before, rest) = out.split_once("processes ").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(before.lines().filter(|line| line.ends_with(" lives")).count(), 16, "{out}");
    let (first, rest) = rest.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    for ended in ["(/usr/local/bin/edgecore)", "(/usr/local/bin/cloudcore)", "(/usr/local/bin/containerd-shim-runc-v2)"]
    {
        assert_eq!(first.matches(ended).count(), 1, "{ended}: {out}");
    }
    assert!(out.contains("(/mnt/edgecore): only the name of its program is that of KubeEdge"), "{out}");
    let want = "by nohup\nreplaced\nexporter lives\nother directory lives\nother user lives\ncontainer lives\nunit lives\n\
                containerd lives\nshim\nshim of docker lives\nmonitor\nmonitor of podman lives\nother monitor lives\n\
                by runroot\nin the default runroot lives\nby exits\n";
    assert!(rest.starts_with(want), "{out}");
    assert!(rest.ends_with("already up to date\nexit 0\n"), "{out}");
}

#[test]
fn processes_end_where_the_kernel_has_no_descriptors_of_processes() {
    if cannot_kill("reset processes") {
        return;
    }
    let text = r#"
edgecore 300 & a=$!
in_group kubepods/pod1 sh -c 'trap "" TERM; while :; do sleep 0.1; done'; b=$last
until_true grep -q edgecore /proc/$a/cmdline
strace -f -o /mnt/log -e trace=kill,pidfd_open,pidfd_send_signal -e inject=pidfd_open:error=ENOSYS edge-reset --force-namespace apply --yes --only processes
state "edgecore" $a; state "pod" $b
grep -c pidfd_send_signal /mnt/log; grep -o "kill($a, SIGTERM" /mnt/log | wc -l
"#;
    let Some(out) = script("reset processes", text) else { return };
    assert!(out.ends_with("\nedgecore\npod\n0\n1\n"), "{out}");
}

#[test]
fn apply_inside_a_pod_is_refused_before_anything_is_stopped() {
    let text = r#"
edgecore 300 & a=$!
in_group kubepods/besteffort/pod2 sleep 300; b=$last
inside() {
    for top in /sys/fs/cgroup/*; do mkdir -p "$top/kubepods/besteffort/pod1"; done
    sh -c 'for top in /sys/fs/cgroup/*; do echo 0 > "$top/kubepods/besteffort/pod1/cgroup.procs"; done; exec "$@"' sh "$@"
    echo "exit $?"
}
inside edge-reset --force-namespace apply --yes
inside unshare -C edge-reset --force-namespace apply --yes
state "edgecore" $a; state "pod" $b
"#;
    let Some(out) = script("reset processes", text) else { return };
    let refused = "edge-reset: cannot reset this host from inside a pod: this process is in the control group ";
    let hint = "hint: run it in a shell of the host itself, such as that of ssh or a console\nexit 4\n";
    let want =
        format!("{refused}/kubepods/besteffort/pod1\n{hint}{refused}kubepods\n{hint}edgecore lives\npod lives\n");
    assert_eq!(out, want);
}

/// SIGKILL does not end what the freezer of v1 has frozen, as in a container that is paused.
#[test]
fn processes_that_are_frozen_or_zombies_do_not_stop_the_end_of_their_group() {
    let text = r#"
in_group kubepods/pod1/frozen sleep 301; a=$last
state=/sys/fs/cgroup/freezer/kubepods/pod1/frozen/freezer.state
[ ! -e $state ] || { echo FROZEN > $state; until_true grep -q FROZEN $state; }
in_group kubepods/pod1/zombie sh -c 'sleep 0.1 & exec sleep 302'; b=$last
# Its parent is elsewhere and does not wait for it.
enter='for top in /sys/fs/cgroup/*; do echo 0 > $top/kubepods/pod1/cgroup.procs; done; echo $$ > /mnt/zombie'
in_group system.slice/x.service sh -c 'sh -c "$1" & exec sleep 303' sh "$enter"; c=$last
until_true sh -c 'grep -q "^State:.Z" /proc/$(cat /mnt/zombie)/status'
edge apply --yes --only processes,cgroups
state frozen $a; state parent $b; state other $c
"#;
    let Some(out) = script("reset processes", text) else { return };
    assert!(out.contains("deleted control group kubepods"), "{out}");
    assert!(out.ends_with("\nexit 0\nfrozen\nparent\nother lives\n"), "{out}");
}

/// It waits for a file server that has read its request and does not answer: the shell, which alone has its descriptor,
/// so that the process ends when the shell closes it, or is killed.
#[test]
fn process_that_nothing_ends_is_reported_in_bounded_time() {
    let text = r#"
test -w /dev/fuse || { echo none; exit; }
mkdir /mnt/dead; exec 7<> /dev/fuse
mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 dead /mnt/dead
dd bs=65536 count=1 <&7 2> /dev/null > /mnt/init
# The answer to the first request: 80 bytes, no error, its number, version 7.31.
{ printf '\120\0\0\0\0\0\0\0'; dd if=/mnt/init bs=1 skip=8 count=8 2> /dev/null; printf '\7\0\0\0\37\0\0\0'; head -c 56 /dev/zero; } > /mnt/answer
dd if=/mnt/answer bs=80 count=1 >&7 2> /dev/null
in_group kubepods/pod1 cat /mnt/dead/x > /mnt/cat 2>&1 7>&-; a=$last; dd bs=65536 count=1 <&7 2> /dev/null | wc -c
in_group kubepods/pod2 sleep 301 7>&-; b=$last
edge apply --yes --only processes,cgroups
state other $b
exec 7>&-; wait $a 2> /dev/null
edge apply --yes --only processes,cgroups; edge apply --yes --only processes,cgroups
"#;
    let Some(out) = script("reset processes", text) else { return };
    if out == "none\n" {
        return skip("reset processes", "/dev/fuse cannot be opened");
    }
    let (first, second) = out.split_once("exit 1\n").unwrap_or_else(|| panic!("{out}"));
    assert!(
        first.contains("/kubepods: 1 still runs: ") && first.contains(" (cat) after 30 s\nhint: they may be"),
        "{out}"
    );
    assert!(first.contains("refused    control group kubepods: it has 1 process\n"), "{out}");
    assert!(second.starts_with("other\n") && second.ends_with("already up to date\nexit 0\n"), "{out}");
}
