//! scripts/undo-node.sh: the runs of all utilities are undone, newest first.

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::kill;
use edgeutils_tests::systems;
use edgeutils_tests::tool::{self, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

use super::{FILE, named, program, programs, script, with_programs};

const CLOUDCORE: [(&str, &str); 1] = [("CLOUDCORE", "192.0.2.9")];

#[test]
fn undo_script_restores_the_tree_whatever_the_order_of_the_runs() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let before = tree.snapshot();
    assert_eq!(named("undo-node.sh", &tree, &[], &[]).expect(0).stdout, "nothing to undo\n");
    script(&tree, &CLOUDCORE, &[]).expect(0);
    // Of edge-prep, a run after that of edge-conf, and one of edge-conf after it.
    run(&tree, &["edge-prep", "apply", "--sysctl", "vm.swappiness=10"]);
    run(&tree, &["edge-conf", "set", "modules.edged.nodeIP=192.0.2.7"]);
    // The newest run has moved the configuration to the trash.
    run(&tree, &["edge-reset", "apply", "--yes"]);
    assert!(!tree.at(FILE).exists());
    let after = tree.snapshot();
    let ran = named("undo-node.sh", &tree, &[], &["-n"]).expect(3);
    assert!(ran.stderr.contains("undo-node.sh: edge-conf --root"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &after, "undo-node.sh -n");
    let ran = named("undo-node.sh", &tree, &[], &[]).expect(0);
    assert_eq!(ran.stdout.matches("reverted run").count(), 5, "{}", ran.stdout);
    assert!(ran.stdout.find("reverted run 5") < ran.stdout.find("reverted run 4"), "{}", ran.stdout);
    assert!(ran.stderr.ends_with("undo-node.sh: done\n"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "undo-node.sh");
    assert_eq!(named("undo-node.sh", &tree, &[], &[]).expect(0).stdout, "nothing to undo\n");
}

#[test]
fn undo_script_continues_where_one_run_cannot_be_undone() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let before = tree.snapshot();
    script(&tree, &CLOUDCORE, &[]).expect(0);
    tree.write(FILE, tree.read(FILE).replace("192.0.2.9:10004", "192.0.2.10:10004"));
    let changed = tree.read(FILE);
    let ran = named("undo-node.sh", &tree, &[], &[]).expect(4);
    assert!(ran.stderr.ends_with("after the cause is fixed, run the same command again\n"), "{}", ran.stderr);
    assert_eq!(tree.read(FILE), changed);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    named("undo-node.sh", &tree, &[], &[]).expect(0);
    assert_same(&tree.snapshot(), &before, "once the cause is fixed");
}

#[test]
fn undo_script_reports_a_damaged_run_and_undoes_the_others() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let configuration = tree.read(FILE);
    script(&tree, &CLOUDCORE, &[]).expect(0);
    let journal = "var/lib/edgeutils/journal/000001-edge-prep.jsonl";
    tree.write(journal, tree.read(journal).replace("modules-load.d", "modules-load.x"));
    let ran = named("undo-node.sh", &tree, &[], &[]).expect(4);
    assert!(ran.stderr.contains("edge-prep: "), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("after the cause is fixed, run the same command again\n"), "{}", ran.stderr);
    assert_eq!(tree.read(FILE), configuration);
    assert!(tree.at("etc/modules-load.d/90-edgeutils.conf").exists());
    // It stays reported: it is not undone.
    named("undo-node.sh", &tree, &[], &[]).expect(4);
}

#[test]
fn undo_script_continues_after_a_kill() {
    if kill::cannot_kill("undo_script_continues_after_a_kill") {
        return;
    }
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let before = tree.snapshot();
    script(&tree, &CLOUDCORE, &[]).expect(0);
    // The utility ends between two files, and the script with it: its newer run is undone, this one in part.
    let bin = programs();
    let killed = "strace -qq -f -o /dev/null -e inject=unlinkat:signal=SIGKILL:when=3";
    let path = tool::path("edge-prep");
    let text = format!(
        "case \"$*\" in *--list*) ;; *) {killed} {0} \"$@\"; kill -9 $PPID; exit ;; esac\nexec {0} \"$@\"",
        path.display()
    );
    program(&bin, "edge-prep", &text);
    let ran = with_programs(&bin, "undo-node.sh", &tree, &[], &[], "").expect(128 + 9);
    assert!(ran.stdout.contains("reverted run 2\n") && !ran.stdout.contains("reverted run 1"), "{}", ran.stdout);
    let listed = Tool::new("edge-prep").arg("--root").arg(tree.path()).args(["undo", "--list"]).run().expect(0);
    assert!(listed.stdout.contains("partial"), "{}", listed.stdout);
    let ran = named("undo-node.sh", &tree, &[], &[]).expect(0);
    assert!(ran.stdout.contains("reverted run 1\n"), "{}", ran.stdout);
    assert_same(&tree.snapshot(), &before, "undo-node.sh after a kill");
}

fn run(tree: &Tree, words: &[&str]) {
    Tool::new(words[0]).arg("--root").arg(tree.path()).args(&words[1..]).run().expect(0);
}
