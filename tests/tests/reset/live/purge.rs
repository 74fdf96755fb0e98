//! Purge and undo of a reset: interrupted, with files that cannot be deleted, and with what it saved of the rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use edgeutils_tests::live::{cannot_unshare, script};
use edgeutils_tests::rules::{can_run, script_on};
use edgeutils_tests::skip;
use edgeutils_tests::sweep::look;
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pictures;
use crate::tree::reset;

/// Enough that a signal comes in between.
const MANY: usize = 60_000;

/// An edge node with many files in one directory of its kubelet.
fn node() -> Tree {
    let tree = pictures::keadm_1_23();
    let dir = tree.at("var/lib/kubelet/pods/many");
    fs::create_dir_all(&dir).unwrap();
    (0..MANY).for_each(|at| drop(fs::File::create(dir.join(at.to_string())).unwrap()));
    tree
}

/// Runs it, and sends a signal once `begun` says that it is in the middle of its work.
fn interrupted(tree: &Tree, args: &[&str], signal: Signal, begun: impl Fn() -> bool) -> Ran {
    let call = Tool::new("edge-reset").arg("--root").arg(tree.path()).args(args).words();
    let child = Command::new("env")
        .arg("--default-signal=INT,TERM,HUP")
        .args(call)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(60), "{args:?} has not begun");
        std::thread::yield_now();
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

#[test]
fn purge_that_is_interrupted_is_completed_by_the_same_command() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let tree = node();
        reset(&tree, &["apply", "--yes"]).expect(0);
        let many = tree.at("var/lib/.edgeutils-trash-1/kubelet/pods/many");
        assert_eq!(count(&many), MANY);
        let ran = interrupted(&tree, &["purge", "--yes", "--json"], signal, || count(&many) < MANY).expect(5);
        assert!(
            ran.stderr.contains("edge-reset: interrupted by a signal\nhint: run the same command again to resume\n"),
            "{}",
            ran.stderr
        );
        assert!(ran.stdout.lines().last().unwrap().contains(r#""changed":true,"exit":5"#), "{}", ran.stdout);
        assert!(count(&many) > 0, "it stops at once");
        // An undo restores no part of a tree.
        let ran = reset(&tree, &["undo", "-n"]);
        assert!(ran.stdout.contains("skipped /var/lib/kubelet: it was deleted from the trash"), "{}", ran.stdout);
        reset(&tree, &["purge", "--yes"]).expect(0);
        assert!(!tree.at("var/lib/.edgeutils-trash-1").exists());
        assert_eq!(reset(&tree, &["purge", "--yes"]).expect(0).stdout, "already up to date\n");
    }
}

#[test]
fn apply_that_is_interrupted_is_completed_by_the_same_command() {
    let before = look(pictures::keadm_1_23().path());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let tree = pictures::keadm_1_23();
        let journal = tree.at("var/lib/edgeutils/journal/000001-edge-reset.jsonl");
        let has_begun = || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"intent\""));
        let ran = interrupted(&tree, &["apply", "--yes"], signal, has_begun);
        assert!([0, 5].contains(&ran.code), "{}", ran.stderr);
        reset(&tree, &["apply", "--yes"]).expect(0);
        assert!(!tree.at("etc/kubeedge").exists());
        let listed = reset(&tree, &["undo", "--list"]).expect(0).stdout;
        assert_eq!(listed.lines().filter(|line| line.contains(" done ")).count(), 1, "one run: {listed}");
        reset(&tree, &["undo"]).expect(0);
        assert_same(&look(tree.path()), &before, "after the undo");
    }
}

#[test]
fn deletion_that_is_interrupted_is_completed_by_the_same_command() {
    let tree = node();
    fs::remove_dir_all(tree.at("var/lib/kubelet/pods").join(pictures::POD)).unwrap();
    let args = ["apply", "--yes", "--no-trash"];
    let many = tree.at("var/lib/kubelet/pods/many");
    let ran = interrupted(&tree, &args, Signal::SIGINT, || count(&many) < MANY).expect(5);
    assert!(ran.stderr.contains("interrupted by a signal\n"), "{}", ran.stderr);
    assert!(count(&many) > 0, "it stops at once");
    reset(&tree, &args).expect(0);
    assert!(!tree.at("var/lib/kubelet").exists());
    assert!(reset(&tree, &args).expect(0).stdout.ends_with("already up to date\n"));
}

#[test]
fn undo_that_is_interrupted_is_completed_by_the_same_command() {
    let before = look(pictures::keadm_1_23().path());
    let tree = pictures::keadm_1_23();
    reset(&tree, &["apply", "--yes"]).expect(0);
    let journal = tree.at("var/lib/edgeutils/journal/000001-edge-reset.jsonl");
    let has_begun = || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"reverting\""));
    let ran = interrupted(&tree, &["undo", "--id", "1"], Signal::SIGINT, has_begun);
    assert!([0, 5].contains(&ran.code), "{}", ran.stderr);
    reset(&tree, &["undo", "--id", "1"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn file_that_cannot_be_deleted_is_named_and_the_rest_goes() {
    let tree = pictures::keadm_1_23();
    let chattr = |flag: &str, path: &str| {
        Command::new("chattr")
            .arg(flag)
            .arg(tree.at(path))
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !chattr("+i", "etc/kubeedge") {
        return skip("reset live purge", "files cannot be made immutable");
    }
    let unlock = |flag: &str, path: &str| assert!(chattr(flag, path), "{flag} {path}");
    let ran = reset(&tree, &["apply", "--yes"]);
    unlock("-i", "etc/kubeedge");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let want = "edge-reset: cannot move DIR/etc/kubeedge: Operation not permitted (os error 1)\n\
                hint: make it changeable (chattr -i DIR/etc/kubeedge), then run the command again";
    assert!(ran.stderr.contains(want), "{}", ran.stderr);
    assert!(!tree.at("var/lib/kubelet").exists(), "the others are moved");
    reset(&tree, &["apply", "--yes"]).expect(0);
    let log = "var/lib/.edgeutils-trash-1/kubeedge/edgecore.db";
    unlock("+a", log);
    let certs = "etc/.edgeutils-trash-1/kubeedge/certs";
    unlock("+i", certs);
    let ran = reset(&tree, &["purge", "--yes"]);
    unlock("-a", log);
    unlock("-i", certs);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for (path, flag) in [(log, "a"), (certs, "i")] {
        let hint = format!("hint: make it changeable (chattr -{flag} DIR/{path}), then run the command again\n");
        assert!(ran.stderr.contains(&hint), "{hint}: {}", ran.stderr);
    }
    assert!(!tree.at("usr/local/bin/.edgeutils-trash-1").exists(), "the others are deleted");
    reset(&tree, &["purge", "--yes"]).expect(0);
    assert!(!tree.at("etc/.edgeutils-trash-1").exists() && !tree.at("var/lib/.edgeutils-trash-1").exists());
}

#[test]
fn purge_of_a_run_deletes_what_it_saved_of_the_rules() {
    if !can_run() {
        return skip("reset live purge saves", "no network namespace with iptables can be made here");
    }
    let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
                 :KUBE-SERVICES - [0:0]\n-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\nCOMMIT\n";
    let text = r#"
        saves() { (cd /var/lib/edgeutils/edge-reset && ls); }
        for run in 1 2; do iptables-nft-restore < "$RULES"; reset apply --yes --only firewall > /dev/null; done; saves
        reset purge -n --id 1; reset purge --yes --id 1; saves
        reset purge --yes; saves; reset purge --yes
    "#;
    let printed = script_on(rules, text).stdout;
    let deleted = |verb: &str, number: u32| {
        format!("{verb} /var/lib/edgeutils/edge-reset/iptables-nft.{number}.save  [undo: none]\n")
    };
    let want = format!(
        "iptables-nft.1.save\niptables-nft.2.save\n{}1 change would be made\nexit 3\n{}1 change\nexit 0\niptables-nft.2.save\n\
         {}1 change\nexit 0\nalready up to date\nexit 0\n",
        deleted("would delete", 1),
        deleted("deleted", 1),
        deleted("deleted", 2)
    );
    assert!(printed.ends_with(&want), "{printed}");
}

#[test]
fn very_deep_and_very_large_directories_are_reset_in_little_memory() {
    if cannot_unshare("reset live purge large") {
        return;
    }
    // 5,000 levels, 200,000 files, names of 255 bytes; 256 descriptors.
    let text = r#"
        mount -t tmpfs -o size=400m,nr_inodes=1m tmpfs /mnt; mkdir -p /mnt/etc/kubeedge/config /mnt/usr /mnt/var/lib/kubelet/pods/u /mnt/var/lib/kubeedge
        echo ID=x > /mnt/etc/os-release; echo db > /mnt/var/lib/kubeedge/edgecore.db; cd /mnt/var/lib/kubelet/pods/u
        python3 - <<'END' || exit
import os
top = os.open('.', os.O_RDONLY)
def deep(name, levels):
    fd = os.dup(top)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        os.close(os.open('file', os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        fd, above = os.open(name, os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    os.close(fd)
deep('d', 5000)
deep('n' * 255, 300)
os.mkdir('wide')
wide = os.open('wide', os.O_RDONLY)
for at in range(200000):
    os.close(os.open(f'{at}', os.O_CREAT | os.O_WRONLY, dir_fd=wide))
END
        ulimit -n 256; cd /
        measured() { python3 -c '
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("exit", code, "in little memory" if kib < 32 << 10 else f"{kib} KiB")' "$RESET" --root /mnt "$@"; }
        measured apply --yes; ls -A /mnt/var/lib; measured purge --yes; ls -A /mnt/var/lib
    "#;
    let output = Command::new("timeout")
        .args(["--kill-after=1", "200", "unshare", "-m", "--propagation", "private", "sh", "-uc", text])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RESET", tool::path("edge-reset"))
        .output()
        .unwrap();
    let ran = Ran::of(&output);
    let want = "exit 0 in little memory\n.edgeutils-trash-1\nedgeutils\nexit 0 in little memory\nedgeutils\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (want, ""));
}

#[test]
fn image_on_a_tmpfs_has_a_trash() {
    if cannot_unshare("reset live trash tmpfs") {
        return;
    }
    let text = r#"
        mkdir -p image/etc/kubeedge/config image/usr image/var/lib; echo ID=x > image/etc/os-release
        echo key > image/etc/kubeedge/key
        reset() { "$FIXTURE" --root /mnt/image "$@"; echo "exit $?"; }
        reset apply -n; reset apply --yes; test ! -e image/etc/kubeedge; reset undo; cat image/etc/kubeedge/key
    "#;
    let ran = script(tool::path("edge-reset").to_str().unwrap(), text);
    assert!(
        ran.stdout.contains("would move /etc/kubeedge to the trash: made by edgecore, cloudcore  [undo: exact]"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.ends_with("reverted run 1\nexit 0\nkey\n"), "{}", ran.stdout);
}
