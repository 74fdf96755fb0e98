//! Images: `--root`.

use std::collections::BTreeSet;
use std::path::Path;

use edgeutils_tests::sweep::look;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};

use crate::pictures::{self, LOST, POD, TOKEN};

pub(crate) fn reset(tree: &Tree, args: &[&str]) -> Ran {
    let ran = Tool::new("edge-reset").arg("--root").arg(tree.path()).args(args).run();
    let even = |text: &str| text.replace(tree.path().to_str().unwrap(), "DIR");
    Ran { stdout: even(&ran.stdout), stderr: even(&ran.stderr), ..ran }
}

/// The tree without trashes and without directories that became empty.
fn left(tree: &Tree) -> Snapshot {
    let all = tree.snapshot();
    let is_trash = |path: &Path| path.iter().any(|name| name.to_string_lossy().starts_with(".edgeutils-trash-"));
    all.into_iter().filter(|(path, what)| !is_trash(path) && !what.ends_with(" directory")).collect()
}

/// Whether an object is listed as kept, with this reason.
#[track_caller]
pub(crate) fn keeps(ran: &Ran, object: &str, why: &str) {
    let is_it = |line: &str| {
        let (objects, reason) = line.strip_prefix("kept ").and_then(|line| line.split_once(": ")).unwrap_or_default();
        objects.split(", ").any(|one| one.trim() == object) && reason.contains(why)
    };
    assert!(ran.stdout.lines().any(is_it), "{object}: {why}: {}", ran.stdout);
}

/// The paths of files that a reset has removed.
fn removed(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    before.keys().filter(|path| !after.contains_key(*path)).map(|path| path.display().to_string()).collect()
}

/// A reset leaves exactly what every host has and these; a second one changes nothing; one undo restores everything.
#[track_caller]
fn leaves(tree: &Tree, args: &[&str], kept: &[&str], code: i32) -> Ran {
    let (before, whole) = (left(tree), look(tree.path()));
    let ran = reset(tree, &[&["apply", "--yes"], args].concat()).expect(code);
    let after = left(tree);
    let of_host: BTreeSet<_> = left(&pictures::host()).into_keys().map(|path| path.display().to_string()).collect();
    let own: BTreeSet<String> =
        after.keys().map(|path| path.display().to_string()).filter(|path| !of_host.contains(path)).collect();
    assert_eq!(own.iter().map(String::as_str).collect::<Vec<_>>(), kept, "{}{}", ran.stdout, ran.stderr);
    assert!(of_host.iter().all(|path| after.contains_key(Path::new(path))), "{:?}", removed(&before, &after));
    let again = reset(tree, &[&["apply", "--yes"], args].concat()).expect(code);
    assert!(again.stdout.ends_with("already up to date\n"), "{}", again.stdout);
    reset(tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &whole, "after the undo");
    ran
}

#[test]
fn edge_node_of_keadm_1_8_is_removed_and_restored() {
    let ran = leaves(&pictures::keadm_1_8(), &[], &["tmp/kubeedge/hosts"], 0);
    assert!(ran.stdout.contains("moved /etc/systemd/system/edgecore.service to the trash"), "{}", ran.stdout);
    assert!(ran.stdout.contains("removed /etc/systemd/system/multi-user.target.wants/edgecore.service"));
    keeps(&ran, "/var/lib/longhorn", "volumes of Longhorn: data of users");
}

#[test]
fn edge_node_of_keadm_1_23_is_removed_and_restored() {
    let kept = ["usr/libexec/kubernetes/kubelet-plugins/volume/exec/.keep/x"];
    let ran = leaves(&pictures::keadm_1_23(), &[], &kept, 0);
    let lost = format!("pods/{POD}/volumes/kubernetes.io~csi/pv/mount holds 1 entry though nothing is mounted");
    assert!(ran.stdout.contains(&lost), "{}", ran.stdout);
    assert!(ran.stdout.contains("it contains rootCA.key, the key of KubeEdge's CA, which purge deletes"));
    keeps(&ran, "/etc/cni/net.d/87-podman.conflist", "Podman's");
}

#[test]
fn dry_run_and_plan_without_yes_change_nothing() {
    let tree = pictures::keadm_1_23();
    let before = look(tree.path());
    let planned = reset(&tree, &["apply", "-n"]).expect(3).stdout;
    assert!(planned.contains("files      would move /etc/kubeedge to the trash: made by edgecore, cloudcore"));
    reset(&tree, &["apply"]).expect(4);
    reset(&tree, &["scan", "--json"]).expect(0);
    assert_same(&look(tree.path()), &before, "after a dry run");
}

#[test]
fn cloud_host_keeps_what_is_kubelets() {
    let tree = pictures::cloud();
    let before = left(&tree);
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    let want =
        ["etc/kubeedge/config/cloudcore.yaml", "etc/systemd/system/cloudcore.service", "usr/local/bin/cloudcore"];
    assert_eq!(removed(&before, &left(&tree)).iter().map(String::as_str).collect::<Vec<_>>(), want);
    for kept in ["/var/lib/kubelet", "/data/kubelet", "/etc/cni/net.d/10-flannel.conflist"] {
        keeps(&ran, kept, "kubelet uses it (/usr/lib/systemd/system/kubelet.service)");
    }
}

#[test]
fn control_plane_is_refused_unless_it_is_named() {
    let tree = pictures::cloud();
    let before = tree.snapshot();
    let ran = reset(&tree, &["apply", "--yes", "--profile", "kubeadm"]).expect(4);
    assert!(ran.stderr.contains("it is part of a control plane ("), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: to remove it too, add --also control-plane; where etcd has"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "a control plane that was not named");
    let ran = reset(&tree, &["scan", "--profile", "kubeadm"]).expect(0);
    assert!(ran.stdout.contains("refuse /etc/kubernetes: "), "{}", ran.stdout);
    let ran = reset(&tree, &["apply", "--yes", "--profile", "kubeadm", "--also", "control-plane"]).expect(0);
    assert!(ran.stdout.contains("etcdctl member list"), "{}", ran.stdout);
    for gone in ["data/etcd", "etc/kubernetes/admin.conf", "var/lib/kubelet"] {
        assert!(!tree.at(gone).exists(), "{gone}: {}", ran.stdout);
    }
    assert_eq!(
        (tree.read("etc/kubernetes/mine.yaml"), tree.read("var/lib/etcd/backup/mine")),
        ("mine".into(), "mine".into())
    );
    keeps(&ran, "/etc/kubernetes (mine.yaml)", "its owner is unknown");
    // A unit of a package is only stopped.
    assert!(tree.at("usr/lib/systemd/system/kubelet.service").exists());
}

#[test]
fn k3s_keeps_the_volumes_of_its_users() {
    let tree = pictures::k3s();
    let ran = reset(&tree, &["apply", "--yes", "--profile", "k3s"]).expect(4);
    assert!(ran.stderr.contains("it is part of a control plane ("), "{}", ran.stderr);
    // What names the root is still there.
    assert!(tree.at("etc/rancher/k3s/config.yaml").exists(), "{}", ran.stdout);
    let ran = reset(&tree, &["apply", "--yes", "--profile", "all", "--also", "control-plane"]).expect(0);
    for gone in [
        "data/k3s/server",
        "data/k3s/agent",
        "data/kubelet",
        "etc/rancher/k3s",
        "etc/rancher/node",
        "usr/local/bin/k3s",
        "usr/local/bin/kubectl",
        "usr/local/bin/k3s-killall.sh",
        "etc/systemd/system/k3s.service.env",
    ] {
        assert!(tree.at(gone).symlink_metadata().is_err(), "{gone}: {}", ran.stdout);
    }
    assert_eq!(tree.read("data/k3s/storage/pvc-1/file"), "data of a user");
    keeps(&ran, "/data/k3s/storage", "volumes of local-path: data of users");
    assert!(tree.at("usr/local/bin/ctr").symlink_metadata().is_ok(), "a link to another program");
}

#[test]
fn unit_that_runs_another_program_stays() {
    let tree = pictures::host();
    tree.write("etc/systemd/system/edgecore.service", "[Service]\nExecStart=/usr/bin/edgecore-exporter\n");
    tree.link("etc/systemd/system/multi-user.target.wants/edgecore.service", "/etc/systemd/system/edgecore.service");
    let before = tree.snapshot();
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    keeps(&ran, "edgecore.service", "ExecStart= does not run the program of such a unit");
    assert_same(&tree.snapshot(), &before, "a unit of another program");
    // One of a package, too, stays and stays enabled.
    tree.write("etc/systemd/system/edgecore.service", "[Service]\nExecStart=/usr/bin/edgecore\n");
    tree.write("var/lib/dpkg/info/edgecore.list", "/.\n/etc/systemd/system/edgecore.service\n");
    let before = tree.snapshot();
    reset(&tree, &["apply", "--yes"]).expect(0);
    assert_same(&tree.snapshot(), &before, "a unit of a package");
}

#[test]
fn link_to_a_unit_that_is_gone_is_removed() {
    let tree = pictures::host();
    tree.link("etc/systemd/system/multi-user.target.wants/edgecore.service", "/etc/systemd/system/edgecore.service");
    reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(!tree.at("etc/systemd/system/multi-user.target.wants/edgecore.service").is_symlink());
    reset(&tree, &["undo"]).expect(0);
    assert!(tree.at("etc/systemd/system/multi-user.target.wants/edgecore.service").is_symlink());
}

#[test]
fn drop_in_of_edge_conf_is_left_to_its_undo() {
    let tree = pictures::keadm_1_8();
    let ours = "etc/systemd/system/edgecore.service.d/20-edgeutils.conf";
    tree.write(ours, "# Written by edge-conf env; `edge-conf undo` reverts it.\n[Service]\nEnvironment=A=1\n");
    let ran = reset(&tree, &["apply", "--yes"]).expect(3);
    assert!(tree.at(ours).exists() && !tree.at("etc/systemd/system/edgecore.service.d/10-proxy.conf").exists());
    assert!(ran.stderr.contains("20-edgeutils.conf: edge-conf --root DIR undo\n"), "{ran:?}");
    assert!(!tree.at("etc/systemd/system/edgecore.service").exists());
}

#[test]
fn golden_image_has_no_token_and_no_key_in_any_file() {
    const SECRETS: [&str; 5] = [TOKEN, "a private key", "the key of the CA", "an old key", "a database"];
    let tree = pictures::keadm_1_23();
    // Earlier runs: of edge-conf, with the old token in its record, and of edge-reset, with a key in its trash.
    let set = ["set", "modules.edgeHub.token=other"];
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(set).run().expect(0);
    tree.write("var/lib/edged/pki/old.key", "an old key");
    reset(&tree, &["apply", "--yes", "--only", "files"]).expect(0);
    let restored = pictures::keadm_1_23();
    for path in ["etc/kubeedge", "var/lib/kubelet", "var/lib/kubeedge"] {
        std::fs::rename(restored.at(path), tree.at(path)).unwrap();
    }
    let found = |tree: &Tree| -> Vec<String> {
        let files = walkdir::WalkDir::new(tree.path()).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let has = |entry: &walkdir::DirEntry| {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            SECRETS.iter().any(|secret| text.contains(secret))
        };
        files.filter(has).map(|entry| entry.path().display().to_string()).collect()
    };
    assert!(found(&tree).len() > 4, "{:?}", found(&tree));
    // Data in the directory of a volume is not deleted at once.
    std::fs::remove_file(tree.at(&format!("var/lib/kubelet/pods/{POD}/{LOST}"))).unwrap();
    let ran = reset(&tree, &["apply", "--yes", "--no-trash"]).expect(0);
    assert_eq!(found(&tree), Vec::<String>::new(), "{}", ran.stdout);
    let trash = |entry: &walkdir::DirEntry| entry.file_name().to_string_lossy().starts_with(".edgeutils-trash-");
    assert!(!walkdir::WalkDir::new(tree.path()).into_iter().map(Result::unwrap).any(|entry| trash(&entry)));
    // What is not of the node is still there.
    assert_eq!(tree.read("root/.kube/config"), "a kubeconfig");
    assert!(reset(&tree, &["apply", "--yes", "--no-trash"]).expect(0).stdout.ends_with("already up to date\n"));
}

#[test]
fn mosquitto_is_stopped_only_if_it_is_named() {
    let tree = pictures::keadm_1_8();
    let unit = "usr/lib/systemd/system/mosquitto.service";
    let link = "etc/systemd/system/multi-user.target.wants/mosquitto.service";
    tree.write(unit, "[Service]\nExecStart=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf\n");
    std::fs::create_dir_all(tree.at("etc/systemd/system/multi-user.target.wants")).unwrap();
    std::os::unix::fs::symlink(format!("/{unit}"), tree.at(link)).unwrap();
    reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(tree.at(link).symlink_metadata().is_ok());
    let ran = reset(&tree, &["apply", "--yes", "--also", "mosquitto"]).expect(0);
    assert!(tree.at(link).symlink_metadata().is_err() && tree.at(unit).exists(), "{}", ran.stdout);
    reset(&tree, &["undo"]).expect(0);
    assert!(tree.at(link).symlink_metadata().is_ok());
}

#[test]
fn without_yes_nothing_is_changed_and_the_result_says_so() {
    let tree = pictures::keadm_1_23();
    let before = tree.snapshot();
    let ran = reset(&tree, &["apply", "--json"]).expect(4);
    let last = ran.stdout.lines().last().unwrap_or_default();
    assert!(last.contains(r#""changed":false,"exit":4"#), "{last}");
    let ran = reset(&tree, &["apply"]).expect(4);
    assert!(ran.stdout.ends_with(" changes would be made\n") && ran.stderr.contains("without --yes"), "{}", ran.stdout);
    assert_same(&tree.snapshot(), &before, "apply without --yes");
}

#[test]
fn running_system_is_not_an_image() {
    for root in ["/", "/proc/self/root"] {
        let ran = Tool::new("edge-reset").args(["--root", root, "apply", "-n"]).run();
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let text = format!("edge-reset: cannot reset {root}");
        assert!(ran.stderr.starts_with(&text) && ran.stderr.contains("it is the running system"), "{}", ran.stderr);
    }
}

#[test]
fn no_trash_keeps_data_in_the_directory_of_a_volume_that_is_not_mounted() {
    let tree = pictures::keadm_1_23();
    let data = format!("var/lib/kubelet/pods/{POD}/{LOST}");
    let ran = reset(&tree, &["apply", "--yes", "--no-trash"]).expect(4);
    assert!(ran.stderr.contains("--no-trash would delete data: "), "{}", ran.stderr);
    assert_eq!(tree.read(&data), "written unmounted");
    reset(&tree, &["apply", "--yes"]).expect(0);
}

#[test]
fn plan_for_the_trash_deletes_nothing_at_once() {
    let tree = pictures::keadm_1_23();
    let plan = reset(&tree, &["apply", "-n", "--json"]).expect(3).stdout;
    let file = Tree::new();
    file.write("plan.jsonl", &plan);
    let path = file.at("plan.jsonl");
    let before = tree.snapshot();
    let ran = reset(&tree, &["apply", "--yes", "--no-trash", "--plan", path.to_str().unwrap()]).expect(4);
    assert!(ran.stderr.contains("it moves directories to the trash"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "a plan for the trash");
    reset(&tree, &["apply", "--yes", "--plan", path.to_str().unwrap()]).expect(0);
}

#[test]
fn kubelet_of_another_distribution_keeps_what_all_kubelets_share() {
    for (file, agent) in [("etc/rancher/rke2/config.yaml", "rke2"), ("var/lib/k0s/pki/x", "k0s")] {
        let tree = pictures::host();
        tree.write(file, "x");
        tree.write("var/lib/kubelet/pods/x", "x");
        let before = tree.snapshot();
        for profile in ["kubeedge", "all"] {
            let ran = reset(&tree, &["apply", "--yes", "--profile", profile]).expect(0);
            keeps(&ran, "/var/lib/kubelet", &format!("{agent} uses it"));
            assert_same(&tree.snapshot(), &before, agent);
        }
    }
}
