//! Roots at other places than usual, and configurations that cannot be understood: what is not proven stays.

use std::fs;
use std::os::unix::net::UnixListener;

use edgeutils_tests::program::with_flags;
use edgeutils_tests::sweep::look;
use edgeutils_tests::tree::{Tree, assert_same};

use crate::pictures::{self, POD};
use crate::tree::{keeps, reset};

const CONFIG: &str = "etc/kubeedge/config/edgecore.yaml";
/// What a kubelet makes in its root, by path.
const KUBELETS: [(&str, &str); 7] = [
    ("pods/POD/etc-hosts", "x"),
    ("pods/0123456789abcdef0123456789abcdef/etc-hosts", "x"),
    ("pki/kubelet.crt", "x"),
    ("config.yaml", "kind: KubeletConfiguration\n"),
    ("kubeconfig", "users: [{name: system:node:edge}]\n"),
    ("plugins/kubernetes.io/csi/x", "x"),
    ("cpu_manager_state", "{}"),
];
/// What a user can have beside it, under the same names.
const USERS: [(&str, &str); 7] = [
    ("pods/podcast/episode.ogg", "x"),
    ("pki/tls/ca.crt", "x"),
    ("plugins/mine/plugin.so", "x"),
    ("seccomp/profile.json", "{}"),
    ("checkpoints/model.bin", "x"),
    ("volumeplugins/x", "x"),
    ("userns/x", "x"),
];

/// A node whose configuration names this root.
fn with_root(root: &str, files: &[&str]) -> Tree {
    let tree = pictures::keadm_1_23();
    let config = tree.read("etc/kubeedge/config/edgecore.yaml");
    assert!(config.contains("rootDirectory: /var/lib/kubelet"), "{config}");
    let config = config.replace("rootDirectory: /var/lib/kubelet", &format!("rootDirectory: {root}"));
    tree.write("etc/kubeedge/config/edgecore.yaml", config);
    files.iter().for_each(|file| tree.write(file, "x"));
    tree
}

#[test]
fn configured_root_goes_only_as_far_as_it_is_known() {
    let pods = format!("data/kubelet/pods/{POD}/x");
    let tree = with_root("/data/kubelet", &[&pods, "data/kubelet/pki/kubelet.crt", "data/kubelet/backup/x"]);
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(!tree.at("data/kubelet/pods").exists() && !tree.at("data/kubelet/pki").exists(), "{}", ran.stdout);
    assert!(tree.at("data/kubelet/backup/x").exists());
    keeps(&ran, "/data/kubelet (backup)", "its owner is unknown");
    assert!(reset(&tree, &["apply", "--yes"]).expect(0).stdout.ends_with("already up to date\n"));
    // Nothing else is in it.
    let tree = with_root("/data/kubelet", &[&pods]);
    reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(!tree.at("data/kubelet").exists() && tree.at("data").exists());
}

#[test]
fn root_that_is_a_directory_of_the_system_loses_only_what_no_one_else_makes() {
    for root in ["/var", "/", "/etc", "/var/lib", "/home"] {
        let at = |name: &str| format!("{}/{name}", root.trim_matches('/'));
        let files = [
            at(&format!("pods/{POD}/x")),
            at("cpu_manager_state"),
            at("pki/tls/ca.crt"),
            at("plugins/mine"),
            at("config.yaml"),
        ];
        let tree = with_root(root, &files.each_ref().map(String::as_str));
        let ran = reset(&tree, &["apply", "--yes"]).expect(0);
        assert!(!tree.at(&files[0]).exists() && !tree.at(&files[1]).exists(), "{root}: {}", ran.stdout);
        for kept in &files[2..] {
            assert_eq!(tree.read(kept), "x", "{root}: {}", ran.stdout);
        }
        assert!(tree.at("etc/hostname").exists() && tree.at("srv/data/file").exists());
    }
}

#[test]
fn root_that_is_a_link_or_in_fstab_stays() {
    let tree = pictures::keadm_1_23();
    std::fs::create_dir_all(tree.at("data")).unwrap();
    std::fs::rename(tree.at("var/lib/kubelet"), tree.at("data/kubelet")).unwrap();
    tree.link("var/lib/kubelet", "/data/kubelet");
    tree.write("etc/fstab", "/dev/sdb1 /var/lib/kubeedge ext4 defaults 0 2\n");
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(tree.at("var/lib/kubelet").is_symlink() && !tree.at("data/kubelet/pki").exists(), "{}", ran.stdout);
    assert!(tree.at("var/lib/kubeedge").exists() && !tree.at("var/lib/kubeedge/edgecore.db").exists());
    assert!(ran.stdout.contains("it is a mount point at the next boot, and stays"), "{}", ran.stdout);
    assert!(reset(&tree, &["apply", "--yes"]).expect(0).stdout.ends_with("already up to date\n"));
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

/// Moves a directory of a node behind a link.
fn behind_link(tree: &Tree, path: &str, target: &str) {
    fs::create_dir_all(tree.at(target).parent().unwrap()).unwrap();
    fs::rename(tree.at(path), tree.at(target)).unwrap();
    tree.link(path, &format!("/{target}"));
}

fn fill(tree: &Tree, dir: &str, files: &[(&str, &str)]) -> Vec<String> {
    let paths = files.iter().map(|(name, text)| {
        let path = format!("{dir}/{}", name.replace("POD", POD));
        tree.write(&path, text);
        path
    });
    paths.collect()
}

#[test]
fn root_at_another_place_loses_what_is_proven_by_its_content() {
    // Named by a configuration, and behind a link.
    let tree = with_root("/data/kubelet", &[]);
    let linked = pictures::keadm_1_23();
    behind_link(&linked, "var/lib/kubelet", "data/kubelet");
    for tree in [tree, linked] {
        let (own, users) = (fill(&tree, "data/kubelet", &KUBELETS), fill(&tree, "data/kubelet", &USERS));
        let _socket = {
            fs::create_dir_all(tree.at("data/kubelet/plugins/nfs.csi.k8s.io")).unwrap();
            UnixListener::bind(tree.at("data/kubelet/plugins/nfs.csi.k8s.io/csi.sock")).unwrap()
        };
        let before = look(tree.path());
        let ran = reset(&tree, &["apply", "--yes", "--profile", "all"]).expect(0);
        for path in &own {
            assert!(!tree.at(path).exists(), "{path}: {}", ran.stdout);
        }
        assert!(!tree.at("data/kubelet/plugins/nfs.csi.k8s.io").exists(), "{}", ran.stdout);
        for path in &users {
            assert!(tree.at(path).exists(), "{path}: {}", ran.stdout);
        }
        assert!(ran.stdout.contains("pods/podcast, ") && ran.stdout.contains("plugins/mine, "), "{}", ran.stdout);
        assert!(
            reset(&tree, &["apply", "--yes", "--profile", "all"]).expect(0).stdout.ends_with("already up to date\n")
        );
        reset(&tree, &["undo"]).expect(0);
        assert_same(&look(tree.path()), &before, "after the undo");
    }
}

#[test]
fn directory_behind_a_link_keeps_the_files_of_users() {
    let tree = pictures::keadm_1_23();
    for (path, target) in [("var/lib/kubeedge", "home/u/a"), ("etc/edgemesh", "home/u/b"), ("etc/kubeedge", "home/u/c")]
    {
        behind_link(&tree, path, target);
    }
    tree.write("var/log/x", "x");
    tree.link("var/log/kubeedge", "/home/u");
    for file in ["a/private", "c/config/mine", "c/certs/mine.key", "c/mine", "edgecore.log.1"] {
        tree.write(&format!("home/u/{file}"), "mine");
    }
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    for kept in ["a/private", "c/config/mine", "c/certs/mine.key", "c/mine", "b/edgemesh-agent.yaml"] {
        assert!(tree.at("home/u").join(kept).exists(), "{kept}: {}", ran.stdout);
    }
    for gone in ["a/edgecore.db", "c/config/edgecore.yaml", "c/certs/server.key", "c/ca", "edgecore.log.1"] {
        assert!(!tree.at("home/u").join(gone).exists(), "{gone}: {}", ran.stdout);
    }
    keeps(&ran, "/etc/edgemesh (edgemesh-agent.yaml)", "its owner is unknown; it is a symbolic link, which stays");
    assert!(reset(&tree, &["apply", "--yes"]).expect(0).stdout.ends_with("already up to date\n"));
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn root_that_two_paths_lead_to_is_removed_once() {
    let tree = with_root("/data/kubelet", &[]);
    behind_link(&tree, "var/lib/kubelet", "data/kubelet");
    let before = look(tree.path());
    let planned = reset(&tree, &["apply", "-n"]).expect(3).stdout;
    assert_eq!(planned.matches("/pki to the trash").count(), 1, "{planned}");
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(tree.at("data/kubelet").exists() && !tree.at("data/kubelet/pki").exists(), "{}", ran.stdout);
    assert!(reset(&tree, &["apply", "--yes"]).expect(0).stdout.ends_with("already up to date\n"));
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn data_dir_of_k3s_that_others_use_keeps_their_directories() {
    let tree = pictures::k3s();
    tree.write("etc/rancher/k3s/config.yaml", "data-dir: /data\n");
    for file in ["data/server/www/index.html", "data/agent/x", "data/data/x"] {
        tree.write(file, "mine");
    }
    let ran = reset(&tree, &["apply", "--yes", "--profile", "all", "--also", "control-plane"]).expect(0);
    for kept in ["data/server/www/index.html", "data/agent/x", "data/data/x"] {
        assert_eq!(tree.read(kept), "mine", "{}", ran.stdout);
    }
}

#[test]
fn kept_directory_keeps_what_is_in_it() {
    let tree = with_root("/data/backups/kubelet", &["data/backups/kubelet/cpu_manager_state"]);
    let entry = |path: &str| format!("[[directory]]\npath = '{path}'\ntier = 'kept'\ntext = 'mine'\n");
    tree.write("etc/edgeutils/reset.d/a.toml", entry("/data/backups") + &entry("/var/lib/kubelet"));
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(tree.at("data/backups/kubelet/cpu_manager_state").exists() && tree.at("var/lib/kubelet/pki").exists());
    keeps(&ran, "/var/lib/kubelet", "mine");
    keeps(&ran, "/data/backups/kubelet", "it is in /data/backups, which is kept");
}

#[test]
fn files_that_a_configuration_names_elsewhere_are_removed() {
    let tree = pictures::keadm_1_23();
    fs::remove_file(tree.at(CONFIG)).unwrap();
    tree.write(
        "etc/systemd/system/edgecore.service.d/10.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/edgecore --config=/opt/edge/edgecore.yaml\n",
    );
    let config = |database: &str| {
        format!(
            "kind: EdgeCore\ndatabase: {{dataSource: {database}}}\nmodules: {{edgeHub: {{tlsPrivateKeyFile: /opt/edge/node.key}}}}\n"
        )
    };
    tree.write("opt/edge/edgecore.yaml", config("/data/edge.db"));
    tree.write("opt/edge/node.key", "a private key");
    tree.write("data/edge.db", "SQLite format 3\0...");
    tree.write("data/edge.db-wal", "wal");
    tree.write("data/edge.dbx", "mine");
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    for gone in ["opt/edge/edgecore.yaml", "data/edge.db", "data/edge.db-wal"] {
        assert!(!tree.at(gone).exists(), "{gone}: {}", ran.stdout);
    }
    assert!(tree.at("data/edge.dbx").exists());
    keeps(&ran, "/opt/edge/node.key", "a private key outside the default directories");
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
    // Not what it is said to be.
    tree.write("opt/edge/edgecore.yaml", config("/root/.kube/config"));
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    keeps(&ran, "/root/.kube/config", "it is not a SQLite database");
    reset(&tree, &["undo"]).expect(0);
    tree.write("opt/edge/edgecore.yaml", config("/data"));
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    keeps(&ran, "/data", "it is not a SQLite database");
}

#[track_caller]
fn refuses(path: &str, profile: &str, text: &[u8], cause: &str, line: &str) {
    let tree = pictures::keadm_1_23();
    tree.write(path, text);
    let ran = reset(&tree, &["apply", "--yes", "--profile", profile]).expect(4);
    assert!(ran.stderr.contains(&format!("edge-reset: cannot read DIR/{path}: {cause}")), "{}", ran.stderr);
    let hint = format!("hint: repair DIR/{path}{line}, or move the file away if it is not in use; then run");
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    assert!(tree.at("var/lib/kubelet/pki").exists() && tree.at("etc/kubeedge").exists());
}

#[test]
fn configuration_that_cannot_be_understood_is_not_taken_for_absent() {
    let long = vec![b'#'; (16 << 20) + 1];
    let cases: [(&[u8], &str, &str); 11] = [
        (b"modules: {edged: [\n", "not valid YAML at line 1", ":1"),
        (b"", "it is empty", ""),
        (b"# nothing\n", "it is empty", ""),
        (b"- a\n", "the document is a list, expected a section", ""),
        (b"42\n", "the document is a number, expected a section", ""),
        (b"modules: [a]\n", "modules in line 1 is a list, expected a section", ":1"),
        (b"modules:\n  edged:\n    rootDirectory: 42\n", "modules.edged.rootDirectory in line 3 is a number", ":3"),
        (b"a: 1\nmodules: {}\nmodules: {}\n", "modules is set more than once, in line 2 and line 3", ":3"),
        (b"modules: {}\n---\nmodules: {}\n", "it has more than one document", ""),
        (b"modules: {}\n#\xff\n", "line 2 is not UTF-8 text", ":2"),
        (&long, "it is larger than 16 MiB", ""),
    ];
    for (text, cause, line) in cases {
        refuses(CONFIG, "kubeedge", text, cause, line);
    }
    let kubelets: [(&[u8], &str, &str); 5] = [
        (b"", "it is empty", ""),
        (b"[]\n", "the document is a list, expected a section", ""),
        (b"a: b\nstaticPodPath: 3\n", "staticPodPath in line 2 is a number, expected text", ":2"),
        (b"a: b\na: b\n", "a is set more than once, in line 1 and line 2", ":2"),
        (b"a: b\n---\na: b\n", "it has more than one document", ""),
    ];
    for (text, cause, line) in kubelets {
        refuses("var/lib/kubelet/config.yaml", "all", text, cause, line);
    }
    let tree = pictures::keadm_1_23();
    fs::remove_file(tree.at(CONFIG)).unwrap();
    tree.link(CONFIG, "/mnt/disk/edgecore.yaml");
    let ran = reset(&tree, &["apply", "--yes"]).expect(4);
    assert!(
        ran.stderr.contains("it is a symbolic link to /mnt/disk/edgecore.yaml, which does not exist"),
        "{}",
        ran.stderr
    );
}

#[test]
fn unit_of_another_name_is_found_by_what_it_runs() {
    let tree = pictures::keadm_1_23();
    fs::rename(tree.at("etc/systemd/system/edgecore.service"), tree.at("etc/systemd/system/agent.service")).unwrap();
    fs::remove_file(tree.at("etc/systemd/system/multi-user.target.wants/edgecore.service")).unwrap();
    fs::remove_file(tree.at(CONFIG)).unwrap();
    tree.link("etc/systemd/system/multi-user.target.wants/agent.service", "/etc/systemd/system/agent.service");
    tree.write("etc/systemd/system/mine.service", "[Service]\nExecStart=/opt/mine/edgecore\n");
    tree.write("opt/mine/edgecore", "not KubeEdge's");
    let before = look(tree.path());
    // Its program is present: what it uses stays with another profile.
    let ran = reset(&tree, &["apply", "-n", "--profile", "kubeadm"]).expect(0);
    keeps(&ran, "/var/lib/kubelet", "edgecore uses it (/etc/systemd/system/agent.service)");
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    for gone in ["etc/systemd/system/agent.service", "usr/local/bin/edgecore"] {
        assert!(!tree.at(gone).exists(), "{gone}: {}", ran.stdout);
    }
    assert!(tree.at("etc/systemd/system/multi-user.target.wants/agent.service").symlink_metadata().is_err());
    assert!(tree.at("etc/systemd/system/mine.service").exists() && tree.at("opt/mine/edgecore").exists());
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn program_of_another_name_is_known_by_its_version() {
    let tree = pictures::keadm_1_23();
    let unit = |program: &str| format!("[Service]\nExecStart=/opt/edge/{program}\n");
    tree.write("etc/systemd/system/edgecore.service", unit("agent"));
    tree.write("etc/systemd/system/site.service", unit("other"));
    tree.write("etc/systemd/system/mine.service", unit("mine"));
    tree.write("etc/systemd/system/join.service", unit("keadm join"));
    for program in ["agent", "other", "keadm"] {
        tree.write(&format!("opt/edge/{program}"), with_flags("v1.23.1"));
    }
    tree.write("opt/edge/mine", "mine");
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(3);
    assert!(!tree.at("etc/systemd/system/edgecore.service").exists(), "{}", ran.stdout);
    assert!(!tree.at("opt/edge/agent").exists() && tree.at("opt/edge/keadm").exists(), "{}", ran.stdout);
    keeps(&ran, "site.service", "its program /opt/edge/other is KubeEdge v1.23.1 under another name");
    let hint = "hint: to remove site.service: systemctl --root=DIR disable site.service";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    assert!(!ran.stdout.contains("mine.service") && !ran.stdout.contains("join.service"), "{}", ran.stdout);
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn large_file_beside_what_is_looked_at_is_not_read() {
    let tree = pictures::keadm_1_23();
    let large = |path: &str| {
        tree.write(path, "");
        fs::File::options().write(true).open(tree.at(path)).unwrap().set_len(64 << 20).unwrap();
    };
    large("usr/libexec/kubernetes/kubelet-plugins/volume/exec/driver");
    large("var/lib/cni/mine");
    large(&format!("var/lib/kubelet/pods/{POD}/volume-subpaths/a/web/0"));
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(!tree.at("var/lib/kubelet").exists() && tree.at("var/lib/cni/mine").exists(), "{}", ran.stdout);
}
