//! The trash of an image: without its journal, on a tmpfs, and with data of volumes in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use edgeutils_tests::sweep::look;
use edgeutils_tests::tree::{Tree, assert_same};

use crate::pictures::{self, POD};
use crate::tree::reset;

/// Runs each command that is printed behind a text.
fn run_all(printed: &str, tree: &Tree, begin: &str) {
    let commands = printed.lines().filter_map(|line| Some(line.split_once(begin)?.1));
    let mut count = 0;
    for command in commands.map(|command| command.replace("DIR", tree.path().to_str().unwrap())) {
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
        count += 1;
    }
    assert!(count > 0, "{begin} is not in:\n{printed}");
}

fn trashes(tree: &Tree) -> Vec<String> {
    let is_trash =
        |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".edgeutils-trash-"));
    let all = tree.snapshot();
    let mut found: Vec<String> =
        all.keys().map(|path| path.as_path()).filter(is_trash).map(|path| path.display().to_string()).collect();
    found.sort();
    found
}

/// A node that was reset, and whose journal is lost.
fn orphaned() -> Tree {
    let tree = pictures::keadm_1_8();
    reset(&tree, &["apply", "--yes"]).expect(0);
    fs::remove_dir_all(tree.at("var/lib/edgeutils")).unwrap();
    tree
}

#[test]
fn trash_without_a_journal_is_named_and_its_commands_restore_it() {
    let before = look(pictures::keadm_1_8().path());
    let tree = orphaned();
    let ran = reset(&tree, &["scan"]).expect(0);
    let line = "files      keep /etc/.edgeutils-trash-1: trash of a run that is not in the journal; to restore what is in it: \
                mv -n -t DIR/etc DIR/etc/.edgeutils-trash-1/kubeedge\n";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    let hint = "hint: to remove /etc/.edgeutils-trash-1: rm -r --one-file-system DIR/etc/.edgeutils-trash-1\n";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    let named: Vec<String> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_once("keep /")?.1.split_once(": trash of"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(named, trashes(&tree), "{}", ran.stdout);
    let records = reset(&tree, &["scan", "--json"]).expect(0).stdout;
    assert!(
        records.contains(r#""kind":"trash""#) && records.contains(r#""hint":"rm -r --one-file-system DIR/"#),
        "{records}"
    );
    run_all(&ran.stdout, &tree, "to restore what is in it: ");
    for trash in trashes(&tree) {
        fs::remove_dir(tree.at(&trash)).unwrap();
    }
    let links = ["etc/systemd/system/multi-user.target.wants/edgecore.service"];
    let (mut now, mut before) = (look(tree.path()), before);
    // A link is no tree: its record alone restores it.
    for link in links {
        assert!(before.remove(Path::new(link)).is_some() && now.remove(Path::new(link)).is_none());
    }
    assert_same(&now, &before, "restored by hand");
}

#[test]
fn trash_without_a_journal_disturbs_no_later_run() {
    let tree = orphaned();
    let orphans = trashes(&tree);
    // Keadm joins again.
    for (path, text) in
        [("etc/kubeedge/config/edgecore.yaml", "kind: EdgeCore\n"), ("var/lib/kubeedge/edgecore.db", "new")]
    {
        tree.write(path, text);
    }
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(ran.stdout.contains("moved /etc/kubeedge to the trash"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("kept       /etc/.edgeutils-trash-1: trash of a run that is not in the journal"),
        "{}",
        ran.stdout
    );
    assert!(tree.at("etc/.edgeutils-trash-1.2/kubeedge").exists(), "a trash of its own");
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
    reset(&tree, &["apply", "--yes"]).expect(0);
    reset(&tree, &["purge", "--yes"]).expect(0);
    assert_eq!(trashes(&tree), orphans, "purge deletes only what the journal knows");
    let ran = reset(&tree, &["scan"]).expect(0);
    run_all(&ran.stderr, &tree, "hint: to remove /etc/.edgeutils-trash-1: ");
    assert!(!trashes(&tree).contains(&"etc/.edgeutils-trash-1".to_owned()));
}

#[test]
fn golden_image_with_a_trash_without_a_journal_is_not_clean() {
    let tree = orphaned();
    let ran = reset(&tree, &["apply", "--yes", "--no-trash"]).expect(3);
    assert!(ran.stdout.contains("kept       /etc/.edgeutils-trash-1: trash of a run"), "{}", ran.stdout);
}

#[test]
fn purge_names_data_of_volumes_that_were_not_mounted() {
    let tree = pictures::keadm_1_23();
    reset(&tree, &["apply", "--yes"]).expect(0);
    let place = format!("/pods/{POD}/volumes/kubernetes.io~csi/pv/mount holds 1 entry though nothing is mounted\n");
    for (args, code) in [(&["purge", "-n"] as &[&str], 3), (&["purge"], 4), (&["purge", "--yes"], 0)] {
        let ran = reset(&tree, args).expect(code);
        let warning = ran.stderr.lines().find(|line| line.contains("warning: this deletes data of volumes: /"));
        assert!(warning.is_some_and(|line| format!("{line}\n").ends_with(&place)), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(reset(&tree, &["purge", "--yes"]).expect(0).stderr, "");
}
