//! Ten systems prepared for edgecore and for kubeadm: changed once, already up to date, then restored.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systems;
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

#[test]
fn system_is_prepared_and_restored() {
    for role in ["edgecore", "kubeadm"] {
        for (name, tree) in systems::all() {
            let case = format!("{name} for {role}");
            let before = tree.snapshot();
            let dry = prep(&tree, &["apply", "--for", role, "-n"]).expect(3);
            assert_same(&tree.snapshot(), &before, &format!("{case}: a dry run"));
            let done = prep(&tree, &["apply", "--for", role]).expect(0);
            let shown = dry
                .stdout
                .replace("would write", "wrote")
                .replace("would remove", "removed")
                .replace("would link", "linked")
                .replace(" would be made", "");
            assert_eq!(done.stdout, shown, "{case}: the run does what the dry run shows");
            prep(&tree, &["check"]).expect(0);
            let prepared = tree.snapshot();
            let again = prep(&tree, &["apply", "--for", role]).expect(0);
            assert_eq!(again.stdout, "already up to date\n", "{case}");
            assert!(!again.stderr.contains("failSwapOn"), "{case}: {}", again.stderr);
            assert_same(&tree.snapshot(), &prepared, &format!("{case}: a second run"));
            prep(&tree, &["status"]).expect(0);
            prep(&tree, &["undo"]).expect(0);
            assert_same(&tree.snapshot(), &before, &format!("{case}: undo"));
            assert!(!tree.at("var/lib/edgeutils/edge-prep.json").exists(), "{case}");
        }
    }
}

#[test]
fn options_change_only_what_they_name() {
    for (args, path) in [
        (&["--module", "loop"] as &[&str], "etc/modules-load.d/90-edgeutils.conf"),
        (&["--sysctl", "vm.swappiness=10"], "etc/sysctl.d/90-edgeutils.conf"),
        (&["--memory-cgroup", "on"], "boot/firmware/cmdline.txt"),
    ] {
        let tree = systems::by_name(systems::RASPBERRY_PI_OS_13);
        let before = tree.snapshot();
        prep(&tree, &[&["apply"], args].concat()).expect(0);
        let mut changed: Vec<String> = tree
            .snapshot()
            .iter()
            .filter(|(path, what)| before.get(*path) != Some(what) && !what.contains("directory"))
            .map(|(path, _)| path.display().to_string())
            .collect();
        changed.retain(|path| !path.ends_with(".edgeutils-old"));
        assert_eq!(changed, [path], "{args:?}");
    }
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_13);
    let ran = prep(&tree, &["apply"]).expect(2);
    assert!(
        ran.stderr.starts_with(&format!(
            "edge-prep: cannot apply: no role and no option is given\nhint: edge-prep --root {} apply --for edgecore\n",
            tree.path().display()
        )),
        "{}",
        ran.stderr
    );
}

#[test]
fn hints_of_check_work_as_printed() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let check = ["check", "--for", "kubeadm", "--sysctl", "net.ipv4.ping_group_range=0 10"];
    let ran = prep(&tree, &check).expect(3);
    let mut hints: Vec<&str> = ran.stdout.lines().filter_map(|line| line.trim().strip_prefix("hint: ")).collect();
    hints.sort_unstable();
    hints.dedup();
    assert_eq!(hints.len(), 8, "{}", ran.stdout);
    for hint in hints {
        let runner = std::env::var(tool::RUNNER).unwrap_or_default();
        let call = format!("edge-prep --root {} ", tree.path().display());
        assert!(hint.starts_with(&call), "{hint}");
        let words =
            format!("{runner} {}", hint.replace("edge-prep ", &format!("{} ", tool::path("edge-prep").display())));
        let done = std::process::Command::new("sh").args(["-c", &words]).output().unwrap();
        assert!(done.status.success(), "{hint}: {done:?}");
    }
    assert_eq!(prep(&tree, &check).expect(0).stdout, "no problems found\n");
}

#[test]
fn invalid_names_are_refused() {
    let tree = Tree::new();
    for args in [
        &["--sysctl", "../../etc/passwd=x"] as &[&str],
        &["--sysctl", "net/../../../etc/passwd=x"],
        &["--sysctl", "kernel.core_pattern=|/bin/sh\nx"],
        &["--sysctl", "net.ipv4.ip_forward"],
        &["--module", "../x"],
        &["--module", "-r"],
        &["--swap", "maybe"],
    ] {
        let ran = prep(&tree, &[&["apply"], args].concat()).expect(2);
        let has_hint = ["\nhint: ", "[possible values: "].iter().any(|words| ran.stderr.contains(words));
        assert!(ran.stderr.starts_with("edge-prep: ") && has_hint, "{args:?}: {}", ran.stderr);
    }
    assert!(tree.snapshot().is_empty());
}

#[test]
fn rescue_copy_is_kept_while_the_command_line_cannot_be_restored() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let (file, copy) = ("boot/firmware/cmdline.txt", "boot/firmware/cmdline.txt.edgeutils-old");
    let before = tree.snapshot();
    prep(&tree, &["apply", "--memory-cgroup", "on"]).expect(0);
    let edited = tree.read(file);
    tree.write(file, "damaged\nin two lines\n");
    let ran = prep(&tree, &["undo"]).expect(4);
    assert!(ran.stderr.contains("cmdline.txt.edgeutils-old for a rescue"), "{}", ran.stderr);
    assert!(tree.at(copy).exists());
    tree.write(file, &edited);
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undo of the edited file");
}
