//! Deletion of trees that are deep, wide, or mounted on, within 64 descriptors and little memory.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use edgeutils_tests::tool::Ran;
use edgeutils_tests::{kill, live, skip};
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
/// Less than the 1,024 that a process usually has.
const DESCRIPTORS: u32 = 64;
/// What the program itself needs is some 5 MiB.
const MOST_KIB: u64 = 12 << 10;

/// Deletes `/tree` below `top`; the most memory that it took.
#[track_caller]
fn deleted(top: &Path) -> u64 {
    let script = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" --root \"$1\" --force-root delete /tree");
    let output = Command::new("sh").args(["-c", &script, FIXTURE]).arg(top).output().unwrap();
    let ran = Ran::of(&output);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(fs::read_dir(top).unwrap().count(), 0, "nothing is left");
    ran.stdout.trim().parse().unwrap()
}

/// Makes directories in each other; no path is long enough for them.
fn chain(top: &Path, name: &str, depth: usize) {
    let mut dir = OwnedFd::from(File::open(top).unwrap());
    for _ in 0..depth {
        mkdirat(&dir, name, Mode::from_bits_truncate(0o755)).unwrap();
        drop(openat(&dir, "file", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::from_bits_truncate(0o644)).unwrap());
        dir = openat(&dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    }
}

/// Has a tree made in memory, as a disk would need minutes for it, and deletes it.
#[track_caller]
fn deletes_in_little_memory(name: &str, make: impl FnOnce(&Path) + Send) {
    if !live::can_unshare() {
        return skip(name, "a file system in memory cannot be mounted");
    }
    let most = std::thread::scope(|scope| {
        let mounted = scope.spawn(|| {
            let dir = tempfile::tempdir().unwrap();
            let none: Option<&str> = None;
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=500m,nr_inodes=2m")).unwrap();
            fs::create_dir(dir.path().join("tree")).unwrap();
            make(&dir.path().join("tree"));
            let most = deleted(dir.path());
            umount2(dir.path(), MntFlags::MNT_DETACH).unwrap();
            most
        });
        mounted.join().unwrap()
    });
    assert!(most < MOST_KIB, "{most} KiB");
}

#[test]
fn delete_takes_five_thousand_nested_directories() {
    deletes_in_little_memory("host_delete deep", |tree| chain(tree, &"long".repeat(60), 5000));
}

#[test]
fn delete_takes_hundreds_of_thousands_of_files_in_one_directory() {
    deletes_in_little_memory("host_delete wide", |tree| {
        let first = tree.join("first");
        fs::write(&first, "x").unwrap();
        // A million is the same five times over: the memory does not grow with their number.
        for at in 0..200_000 {
            let name = tree.join(format!("{at}-{}", "x".repeat(40)));
            if at % 1000 == 0 { fs::create_dir(&name) } else { fs::hard_link(&first, &name) }.unwrap();
        }
    });
}

#[test]
fn delete_takes_many_deep_branches_of_one_directory() {
    deletes_in_little_memory("host_delete branches", |tree| {
        for at in 0..300 {
            fs::create_dir(tree.join(at.to_string())).unwrap();
            chain(&tree.join(at.to_string()), "d", 40);
        }
    });
}

#[test]
fn delete_reports_a_mount_and_leaves_it_under_its_own_name() {
    if !live::can_unshare() {
        return skip("host_delete mount", "namespaces cannot be made");
    }
    live::transcript(
        FIXTURE,
        r#"
        mkdir -p /mnt/canary /mnt/tree/a/bound /mnt/tree/b
        echo precious > /mnt/canary/file
        echo x > /mnt/tree/a/file
        mount --bind /mnt/canary /mnt/tree/a/bound
        edge delete /mnt/tree
        find /mnt | sort
        edge --root /mnt --force-root delete /tree
        umount /mnt/tree/a/bound
        edge delete /mnt/tree >/dev/null
        cat /mnt/canary/file
        ls -A /mnt
        "#,
        "edge-fixture: cannot remove /mnt/tree: 1 entry could not be removed: a/bound: it is a mount point
         hint: unmount what is mounted there (grep /mnt/tree /proc/self/mountinfo) and run again
         exit 1
         /mnt
         /mnt/canary
         /mnt/canary/file
         /mnt/tree
         /mnt/tree/a
         /mnt/tree/a/bound
         /mnt/tree/a/bound/file
         edge-fixture: cannot remove /mnt/tree: 1 entry could not be removed: a/bound: it is a mount point
         hint: unmount what is mounted there (grep /mnt/tree /proc/self/mountinfo) and run again
         exit 1
         precious
         canary",
    );
}

#[test]
fn delete_needs_no_openat2() {
    if !kill::can_kill() || !live::can_unshare() {
        return skip("host_delete openat2", "strace or namespaces cannot be had");
    }
    for errno in ["ENOSYS", "EPERM"] {
        live::transcript(
            FIXTURE,
            &r#"
            mkdir -p /mnt/canary /mnt/tree/a/bound /mnt/tree/b/c
            echo precious > /mnt/canary/file
            mount --bind /mnt/canary /mnt/tree/a/bound
            # A server that never answers, where FUSE can be mounted.
            mkdir /mnt/tree/dead; test -w /dev/fuse && exec 7<>/dev/fuse
            mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 dead /mnt/tree/dead 2>/dev/null
            timeout -s KILL 20 strace -qq -o /dev/null -e inject=openat2:error=ERRNO "$FIXTURE" --force-namespace delete /mnt/tree 2>/dev/null
            echo "exit $?"
            umount -l /mnt/tree/dead 2>/dev/null; rmdir /mnt/tree/dead 2>/dev/null
            find /mnt | sort
            "#
            .replace("ERRNO", errno),
            "exit 1
             /mnt
             /mnt/canary
             /mnt/canary/file
             /mnt/tree
             /mnt/tree/a
             /mnt/tree/a/bound
             /mnt/tree/a/bound/file",
        );
    }
}
