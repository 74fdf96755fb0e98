//! The phase cgroups, with the processes in them.

use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{node, skip, tool};

#[test]
fn groups_of_pods_are_emptied_and_removed_in_every_hierarchy() {
    if cannot_unshare("reset cgroups") {
        return;
    }
    let text = r#"
mkdir -p /var/lib/kubelet /etc/kubeedge/config
echo 'modules: {edged: {tailoredKubeletConfig: {cgroupRoot: /own}}}' > /etc/kubeedge/config/edgecore.yaml
# Each process starts the next one and ends.
printf '#!/bin/sh\n[ $1 -gt 0 ] && "$0" $(($1 - 1)) &\n' > /mnt/chain; chmod 755 /mnt/chain
in_group kubepods/burstable/pod1/c1 sh -c 'sleep 0.5; exec /mnt/chain 20000'
in_group kubepods/pod2 sh -c 'trap "" TERM; while :; do sleep 0.1; done'
in_group own/kubepods/pod3 sleep 300
in_group mykubepods sleep 300; other=$last
for top in /sys/fs/cgroup/*; do mkdir -p "$top/kubelet" "$top/kubepods/besteffort"; done
edge apply --yes --only cgroups > /mnt/refused 2>&1; tail -1 /mnt/refused; grep 'cannot remove.*own/kubepods' /mnt/refused
edge apply -n --only processes,cgroups > /mnt/dry; grep -c 'would [de]' /mnt/dry; tail -1 /mnt/dry
edge apply --yes --only processes,cgroups
for top in /sys/fs/cgroup/*; do (cd "$top"; ls -d kube* own/kube* mykubepods 2> /dev/null) | tr '\n' ' '; mkdir "$top/kubepods" && echo made; done
kill -0 $other && echo "the other lives"
for top in /sys/fs/cgroup/*; do rmdir "$top/kubepods"; done
edge apply --yes --only processes,cgroups
"#;
    let out = node::script(&[], text).stdout;
    let refused = "edge-reset: cannot remove control group own/kubepods: it has 1 process";
    assert!(out.starts_with(&format!("exit 4\n{refused}\n4\nexit 3\n")), "{out}");
    let (first, rest) = out.split_once("exit 0\n").unwrap_or_else(|| panic!("{out}"));
    assert!(first.contains("ended") && first.contains("control group kubepods"), "{out}");
    assert!(first.contains("kept") && first.contains("control group kubelet"), "{out}");
    assert!(first.contains("deleted control group own/kubepods"), "{out}");
    let each = "kubelet mykubepods made\n";
    let (tops, end) = rest.split_once("the other lives\n").unwrap_or_else(|| panic!("{out}"));
    assert!(!tops.is_empty() && tops == each.repeat(tops.lines().count()), "{out}");
    assert!(end.ends_with("already up to date\nexit 0\n"), "{out}");
}

#[test]
fn slices_of_pods_are_stopped_and_removed() {
    let systemd = match Systemd::boot(&[&tool::path("edge-reset")]) {
        Ok(systemd) => systemd,
        Err(reason) => return skip("reset cgroups", &reason),
    };
    let run = |args: &str| systemd.sh(&format!("edge-reset --force-namespace {args}"));
    let pod = |slice: &str, unit: &str, script: &str| {
        systemd.sh(&format!("systemd-run -q --slice={slice} --scope --unit={unit} sh -c '{script}' >/dev/null 2>&1 &"));
    };
    pod("kubepods-burstable-pod1.slice", "cri-containerd-1", "trap \"\" TERM; while :; do sleep 0.1; done");
    pod("kubepods-pod2.slice", "crio-2", "while :; do sleep 60 & sleep 0.05; done");
    pod("user.slice", "mine", "sleep 300");
    let list = "systemctl list-units --all --plain --no-legend 'kubepods*' 'crio-*' 'cri-containerd-*' | wc -l";
    systemd.sh(&format!("i=0; until [ $({list}) -ge 6 ] || [ $i -gt 200 ]; do i=$((i+1)); sleep 0.05; done"));
    let before = systemd.sh(list).stdout;
    assert!(before.trim().parse::<u32>().unwrap() >= 6, "{before}");

    let ran = run("apply --yes --only processes,cgroups");
    ran.expect(0);
    assert_eq!(systemd.sh("systemctl list-units --plain --no-legend 'kubepods*' | wc -l").stdout, "0\n");
    assert_eq!(systemd.sh("ls -d /sys/fs/cgroup/kubepods* 2>/dev/null | wc -l").stdout, "0\n");
    assert_eq!(systemd.sh("systemctl is-active mine.scope").stdout, "active\n");
    // The next kubelet makes it again.
    systemd.sh("mkdir /sys/fs/cgroup/kubepods.slice && rmdir /sys/fs/cgroup/kubepods.slice").expect(0);
    assert_eq!(run("apply --yes --only processes,cgroups").expect(0).stdout, "already up to date\n");
}
