//! What a deletion removes, and what it leaves: mounts, link targets and everything outside.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::*;

const PRECIOUS: &str = "precious";
const BOTH: [Step; 2] = [Step { by_openat2: true }, Step { by_openat2: false }];

/// `tree` is deleted; `canary` must survive, whatever links or mounts point to it.
struct Place {
    top: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { top: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.at("canary/sub")).unwrap();
        fs::write(place.at("canary/file"), PRECIOUS).unwrap();
        fs::write(place.at("canary/sub/file"), PRECIOUS).unwrap();
        fs::create_dir(place.at("tree")).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    fn file(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), "x").unwrap();
    }

    fn delete(&self, step: Step) -> Leftovers {
        delete_by(step, File::open(self.top.path()).unwrap().as_fd(), OsStr::new("tree"), &|| false)
    }

    #[track_caller]
    fn canary_lives(&self) {
        for path in ["canary/file", "canary/sub/file"] {
            assert_eq!(fs::read_to_string(self.at(path)).ok().as_deref(), Some(PRECIOUS), "{path}");
        }
    }
}

/// Runs it with mounts of its own; not at all where that needs rights which we do not have.
fn with_own_mounts(run: impl FnOnce() + Send) {
    let none: Option<&str> = None;
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            if unshare(CloneFlags::CLONE_NEWNS).is_err() {
                return;
            }
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            run();
        });
        inside.join().unwrap();
    });
}

fn bind(from: &Path, to: &Path) {
    let none: Option<&str> = None;
    mount(Some(from), to, none, MsFlags::MS_BIND, none).unwrap();
}

fn unmount(path: &Path) {
    umount2(path, MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn delete_removes_every_kind_of_entry_and_follows_no_link() {
    for step in BOTH {
        let place = Place::new();
        place.file("tree/a/b/c/file");
        place.file("tree/odd \n name/file");
        fs::create_dir_all(place.at("tree/empty/er")).unwrap();
        symlink("../canary", place.at("tree/link")).unwrap();
        symlink(place.at("canary/sub"), place.at("tree/a/link")).unwrap();
        nix::unistd::mkfifo(&place.at("tree/pipe"), Mode::S_IRUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(place.at("tree/socket")).unwrap();
        place.delete(step).into_result().unwrap();
        assert!(!place.at("tree").exists());
        place.delete(step).into_result().unwrap();
        place.canary_lives();
        // A link and a file in the tree's own place.
        symlink("canary", place.at("tree")).unwrap();
        place.delete(step).into_result().unwrap();
        place.file("tree");
        place.delete(step).into_result().unwrap();
        assert!(fs::symlink_metadata(place.at("tree")).is_err());
        place.canary_lives();
    }
}

#[test]
fn delete_leaves_mounts_of_the_same_file_system_and_removes_all_around_them() {
    with_own_mounts(|| {
        for step in BOTH {
            let place = Place::new();
            for file in ["tree/a/1", "tree/a/bound/2", "tree/twice/3", "tree/deep/er/est/4", "tree/single", "tree/z/5"]
            {
                place.file(file);
            }
            bind(&place.at("canary"), &place.at("tree/a/bound"));
            bind(&place.at("canary"), &place.at("tree/twice"));
            bind(&place.at("canary/sub"), &place.at("tree/twice"));
            bind(&place.at("canary/sub"), &place.at("tree/deep/er/est"));
            bind(&place.at("canary/file"), &place.at("tree/single"));
            let left = place.delete(step);
            place.canary_lives();
            assert_eq!(left.count(), 4);
            let printed = left.into_result().unwrap_err().to_string();
            for part in [
                "4 entries could not be removed: ",
                "a/bound: it is a mount point",
                "single: it is a mount point or in use",
            ] {
                assert!(printed.contains(part), "{printed}");
            }
            for gone in ["tree/a/1", "tree/z"] {
                assert!(!place.at(gone).exists(), "{gone}");
            }
            for mounted in ["tree/a/bound", "tree/twice", "tree/twice", "tree/deep/er/est", "tree/single"] {
                unmount(&place.at(mounted));
            }
            // What the mounts covered is the tree's own.
            place.delete(step).into_result().unwrap();
            assert!(!place.at("tree").exists());
            place.canary_lives();
        }
    });
}

#[test]
fn delete_does_not_enter_a_tree_that_is_a_mount_point_itself() {
    with_own_mounts(|| {
        for step in BOTH {
            let place = Place::new();
            bind(&place.at("canary"), &place.at("tree"));
            let printed = place.delete(step).into_result().unwrap_err().to_string();
            assert_eq!(printed, "1 entry could not be removed: it is a mount point");
            unmount(&place.at("tree"));
            place.canary_lives();
        }
    });
}

#[test]
fn delete_enters_nothing_where_neither_openat2_nor_proc_can_tell() {
    with_own_mounts(|| {
        let place = Place::new();
        place.file("tree/a/1");
        place.file("tree/2");
        mount(Some("none"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        let printed = place.delete(BOTH[1]).into_result().unwrap_err().to_string();
        assert!(printed.contains("it may be a mount point"), "{printed}");
        assert!(place.at("tree/a/1").exists() && place.at("tree/2").exists());
        place.delete(BOTH[0]).into_result().unwrap();
        assert!(!place.at("tree").exists());
    });
}

#[test]
fn delete_spares_what_is_behind_mounts_that_come_and_go() {
    with_own_mounts(|| {
        let stop = AtomicBool::new(false);
        let place = Place::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let none: Option<&str> = None;
                let targets = ["tree", "tree/3", "tree/5/in", "tree/5", "tree/7/file"].map(|path| place.at(path));
                while !stop.load(Ordering::Relaxed) {
                    for target in &targets {
                        let from = if target.ends_with("file") { "canary/file" } else { "canary" };
                        let _ = mount(Some(&place.at(from)), target, none, MsFlags::MS_BIND, none);
                    }
                    for target in targets.iter().rev() {
                        let _ = umount2(target, MntFlags::MNT_DETACH);
                    }
                }
            });
            for round in 0..60 {
                for at in 0..8 {
                    // Fails where a mount is in the way; the canary then gains a file, and loses none.
                    let _ = fs::create_dir_all(place.at(&format!("tree/{at}/in")));
                    let _ = fs::write(place.at(&format!("tree/{at}/in/f")), "x");
                }
                place.delete(BOTH[round % 2]);
            }
            stop.store(true, Ordering::Relaxed);
        });
        place.canary_lives();
    });
}

#[test]
fn delete_goes_on_after_what_cannot_be_removed() {
    let place = Place::new();
    for at in 0..40 {
        place.file(&format!("tree/{at:02}/file"));
    }
    // Attached by someone else, so that neither root nor anybody can remove it.
    with_own_mounts(|| {
        for at in (0..40).step_by(2) {
            bind(&place.at("canary"), &place.at(&format!("tree/{at:02}")));
        }
        let left = place.delete(BOTH[0]);
        assert_eq!((left.count(), fs::read_dir(place.at("tree")).unwrap().count()), (20, 20));
        let printed = left.into_result().unwrap_err().to_string();
        assert!(printed.starts_with("20 entries could not be removed: ") && printed.ends_with("; ..."), "{printed}");
        assert!(printed.len() < 500, "{printed}");
        place.canary_lives();
    });
}

#[test]
fn delete_finds_its_way_back_from_far_below_and_does_not_follow_a_directory_that_is_moved() {
    let place = Place::new();
    let deep: PathBuf = (0..3 * OPEN_LEVELS).map(|_| "d").collect();
    fs::create_dir_all(place.at("tree").join(&deep)).unwrap();
    fs::create_dir_all(place.at("away")).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let inner = place.at("tree").join(deep.ancestors().nth(OPEN_LEVELS).unwrap());
            while !stop.load(Ordering::Relaxed) {
                // Out into a directory with files of others, and in again.
                if fs::rename(&inner, place.at("canary/moved")).is_ok() {
                    let _ = fs::rename(place.at("canary/moved"), &inner);
                }
            }
        });
        for round in 0..200 {
            let _ = fs::create_dir_all(place.at("tree").join(&deep));
            place.delete(BOTH[round % 2]);
        }
        stop.store(true, Ordering::Relaxed);
    });
    place.canary_lives();
}
