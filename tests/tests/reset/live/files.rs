//! The phase files, on a live system with mounts.

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::skip;
use edgeutils_tests::sweep::{Points, converges};
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool::{self, Ran};

use crate::pictures;

fn boot(test: &str) -> Option<Systemd> {
    Systemd::boot(&[&tool::path("edge-reset")]).map_err(|reason| skip(test, &reason)).ok()
}

fn reset(machine: &Systemd, args: &str) -> Ran {
    machine.sh(&format!("edge-reset --force-namespace {args}"))
}

const APPLY: &str = "apply --yes --only units,files";

#[test]
fn root_that_is_a_mount_point_stays_and_its_content_is_restored() {
    let Some(machine) = boot("reset live mount point") else { return };
    let list = "cd /var/lib/kubelet && find . ! -path './.edgeutils*' -printf '%p %m %y %s\\n' | sort";
    machine
        .sh("mkdir -p /data/kubelet/pki /data/kubelet/pods/0123456789abcdef0123456789abcdef /var/lib/kubelet && mount --bind /data/kubelet /var/lib/kubelet \
             && echo 'user: system:node:a' > /var/lib/kubelet/pki/kubelet.key && chmod 2700 /var/lib/kubelet/pods && ln /data/kubelet/pki/kubelet.key /data/kubelet/kubeconfig")
        .expect(0);
    let before = machine.sh(list).expect(0).stdout;
    let ran = reset(&machine, APPLY).expect(0);
    assert!(ran.stdout.contains("moved /var/lib/kubelet/pki to the trash"), "{}", ran.stdout);
    assert!(ran.stdout.contains("it is a mount point, which stays"), "{}", ran.stdout);
    let left = machine
        .sh("mountpoint -q /var/lib/kubelet && ls -A /var/lib/kubelet; ls /var/lib/kubelet/.edgeutils-trash-1")
        .expect(0);
    assert_eq!(left.stdout, ".edgeutils-trash-1\nkubeconfig\npki\npods\n", "{}", ran.stdout);
    assert!(reset(&machine, APPLY).expect(0).stdout.ends_with("already up to date\n"));
    // kubelet starts again on it, and makes what undo would restore.
    machine.sh("mkdir -p /var/lib/kubelet/pki && echo new > /var/lib/kubelet/pki/kubelet.key").expect(0);
    let ran = reset(&machine, "undo").expect(4);
    assert!(
        ran.stderr.contains(
            "cannot restore /var/lib/kubelet/pki: it exists again; what was moved is in \
             /var/lib/kubelet/.edgeutils-trash-1/pki\n"
        ),
        "{}",
        ran.stderr
    );
    machine.sh("mv /var/lib/kubelet/pki /data/new").expect(0);
    reset(&machine, "undo").expect(0);
    assert_eq!(machine.sh(list).expect(0).stdout, before);
    machine.sh("test /data/kubelet/pki/kubelet.key -ef /var/lib/kubelet/kubeconfig").expect(0);
}

#[test]
fn root_with_a_mount_in_it_is_refused_and_the_rest_goes() {
    let Some(machine) = boot("reset live gate") else { return };
    machine
        .sh("mkdir -p /data/mine /data/kubelet/pods/0123456789abcdef0123456789abcdef/volumes/x /var/log/kubeedge /etc/kubeedge/config && echo whole > /data/mine/file && \
             mount --bind /data/mine /data/kubelet/pods/0123456789abcdef0123456789abcdef/volumes/x && \
             printf 'apiVersion: edgecore.config.kubeedge.io/v1alpha2\\nkind: EdgeCore\\nmodules:\\n  edged:\\n    rootDirectory: /data/kubelet\\n' \
             > /etc/kubeedge/config/edgecore.yaml")
        .expect(0);
    // A dry run of all phases says that it depends on the mounts.
    let ran = reset(&machine, "apply -n --only units,mounts,files").expect(3);
    assert!(ran.stdout.contains("would move /data/kubelet to the trash"), "{}", ran.stdout);
    assert!(ran.stdout.contains("then, depending on these: /data/kubelet\n"), "{}", ran.stdout);
    // A mount that stays keeps the root, and a dry run says so too.
    let own = "/data/kubelet/plugins_registry/own";
    machine.sh(&format!("mkdir -p {own} && mount -t tmpfs own {own}")).expect(0);
    let ran = reset(&machine, "apply -n --only units,mounts,files").expect(4);
    assert!(ran.stderr.contains(&format!("cannot remove /data/kubelet: {own} is mounted\n")), "{}", ran.stderr);
    machine.sh(&format!("umount {own} && rmdir {own}")).expect(0);
    let ran = reset(&machine, APPLY).expect(4);
    let mount = "/data/kubelet/pods/0123456789abcdef0123456789abcdef/volumes/x";
    assert!(ran.stderr.contains(&format!("cannot remove /data/kubelet: {mount} is mounted\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("hint: unmount it (umount {mount}), then run the command again")));
    // What names that root stays with it.
    assert!(ran.stderr.contains("cannot remove /etc/kubeedge: it names /data/kubelet"), "{}", ran.stderr);
    machine.sh("test -e /etc/kubeedge/config/edgecore.yaml && test ! -e /var/log/kubeedge").expect(0);
    assert_eq!(machine.read("/data/kubelet/pods/0123456789abcdef0123456789abcdef/volumes/x/file"), "whole\n");
    machine.sh("umount /data/kubelet/pods/0123456789abcdef0123456789abcdef/volumes/x").expect(0);
    reset(&machine, APPLY).expect(0);
    machine.sh("test ! -e /data/kubelet && test ! -e /etc/kubeedge").expect(0);
    assert_eq!(machine.read("/data/mine/file"), "whole\n");
}

#[test]
fn directory_in_memory_is_deleted_and_one_of_an_overlay_cannot_be_moved() {
    let Some(machine) = boot("reset live tmpfs") else { return };
    machine
        .sh("mkdir -p /run/flannel /var/lib/low/kubelet/pki /var/lib/up /var/lib/work /data/merged /etc/kubeedge/config && \
             echo a > /run/flannel/subnet.env && \
             mount -t overlay overlay -o lowerdir=/var/lib/low,upperdir=/var/lib/up,workdir=/var/lib/work /data/merged && \
             printf 'apiVersion: edgecore.config.kubeedge.io/v1alpha2\\nkind: EdgeCore\\nmodules:\\n  edged:\\n    rootDirectory: /data/merged/kubelet\\n' \
             > /etc/kubeedge/config/edgecore.yaml")
        .expect(0);
    let ran = reset(&machine, APPLY).expect(1);
    assert!(
        ran.stdout.contains("deleted /run/flannel: made by flannel; deleted at once, as it is on tmpfs  [undo: none]"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("cannot move /data/merged/kubelet"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: to delete it instead, add --no-trash"), "{}", ran.stderr);
    machine.sh("test -e /data/merged/kubelet/pki").expect(0);
    // What names it is still there, so that the hint works.
    let why = "cannot remove /etc/kubeedge: /data/merged/kubelet is still there\n";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    reset(&machine, &format!("{APPLY} --no-trash")).expect(0);
    machine.sh("test ! -e /data/merged/kubelet && test ! -e /etc/kubeedge").expect(0);
}

#[test]
fn killed_reset_of_an_image_gets_to_the_same_end() {
    if cannot_kill("reset live image kill") {
        return;
    }
    converges(Points::About(12), pictures::keadm_1_8, "edge-reset", &["apply", "--yes"]);
    converges(Points::About(12), pictures::keadm_1_23, "edge-reset", &["apply", "--yes"]);
}
