//! Files of the operator's: whole, into streams, and never through a link of somebody else's.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::unistd::{geteuid, mkfifo};

use super::*;
use crate::exit::Exit;

const STRANGER: u32 = 1000;

fn pipe(path: &Path) {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
}

#[test]
fn out_file_appears_whole_and_keeps_its_mode() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    out_file(&path, b"one").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(out_state(&path, b"one").unwrap(), OutState::Same);
    for other in [b"on".as_slice(), b"one more", b""] {
        assert_eq!(out_state(&path, other).unwrap(), OutState::Differs);
    }
    out_file(&path, b"two").unwrap();
    assert_eq!(
        (fs::read(&path).unwrap().as_slice(), fs::metadata(&path).unwrap().mode() & 0o7777),
        (b"two".as_slice(), 0o600)
    );
    for missing in ["no/f", "f/f", "f/"] {
        assert!(out_file(&top.path().join(missing), b"").unwrap_err().to_string().starts_with("cannot write "));
    }
    assert!(out_file(top.path(), b"").unwrap_err().to_string().contains("Is a directory"));
    // What a killed call left is replaced; what a running one holds is not.
    let beside = top.path().join(".f.edgeutils-new");
    fs::write(&beside, "left").unwrap();
    out_file(&path, b"three").unwrap();
    let _held = hold(File::create(&beside).unwrap()).unwrap();
    let error = out_file(&path, b"four").unwrap_err();
    assert!(error.message().ends_with("/f: another process is writing it"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"three");
}

#[test]
fn out_file_follows_a_link_of_the_callers_own() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir(top.path().join("real")).unwrap();
    symlink("real", top.path().join("by")).unwrap();
    symlink("../by/./target", top.path().join("real/link")).unwrap();
    out_file(&top.path().join("by/link"), b"text").unwrap();
    assert_eq!(fs::read(top.path().join("real/target")).unwrap(), b"text");
    assert!(top.path().join("real/link").is_symlink());
    symlink("loop", top.path().join("loop")).unwrap();
    assert!(out_file(&top.path().join("loop"), b"").is_err());
}

#[test]
fn out_file_writes_into_a_pipe_and_never_waits_for_a_reader() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("pipe");
    pipe(&path);
    let began = Instant::now();
    assert_eq!(out_state(&path, b"text").unwrap(), OutState::Stream);
    let error = out_file(&path, b"text").unwrap_err();
    assert!(error.message().ends_with("/pipe: no process reads from it") && error.hint_text().is_some(), "{error}");
    assert!(began.elapsed().as_secs() < 5);
    let mut reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).unwrap();
    out_file(&path, b"text").unwrap();
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    assert_eq!(got, "text");
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 1, "nothing beside");
    out_file(Path::new("/dev/null"), b"text").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn out_file_writes_to_an_open_file_of_the_callers() {
    let top = tempfile::tempdir().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    for dir in ["/dev/fd", "/proc/self/fd"] {
        out_file(&Path::new(dir).join(writer.as_raw_fd().to_string()), b"text").unwrap();
    }
    let file = File::create(top.path().join("f")).unwrap();
    out_file(&Path::new("/dev/fd").join(file.as_raw_fd().to_string()), b"file").unwrap();
    drop(writer);
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    assert_eq!((got.as_str(), fs::read(top.path().join("f")).unwrap().as_slice()), ("texttext", b"file".as_slice()));
}

/// A directory of a stranger's and a file of root's; none where we are not root.
fn strangers() -> Option<(tempfile::TempDir, std::path::PathBuf)> {
    if !geteuid().is_root() {
        return None;
    }
    let top = tempfile::tempdir().unwrap();
    fs::create_dir_all(top.path().join("root")).unwrap();
    fs::write(top.path().join("root/net"), "precious").unwrap();
    let dir = top.path().join("foreign");
    fs::create_dir_all(dir.join("sub")).unwrap();
    for own in [&dir, &dir.join("sub")] {
        chown(own, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    Some((top, dir))
}

#[test]
fn out_file_refuses_a_link_where_others_can_make_one() {
    let Some((top, dir)) = strangers() else { return };
    symlink("../root/net", dir.join("link")).unwrap();
    symlink("../root", dir.join("way")).unwrap();
    for path in ["link", "way/net", "way/new", "sub/../link"] {
        let error = out_file(&dir.join(path), b"text").unwrap_err();
        assert_eq!(error.exit(), Exit::Refused, "{path}: {error}");
        assert!(error.message().contains("is a symbolic link in a directory that is writable by others"), "{error}");
    }
    // As in /tmp: a link of the caller's own is none of a stranger's.
    let shared = top.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    for (name, owner) in [("own", 0), ("foreign", STRANGER)] {
        symlink("../root/new", shared.join(name)).unwrap();
        std::os::unix::fs::lchown(shared.join(name), Some(owner), None).unwrap();
    }
    out_file(&shared.join("own"), b"text").unwrap();
    assert_eq!(out_file(&shared.join("foreign"), b"text").unwrap_err().exit(), Exit::Refused);
    assert_eq!(fs::read(top.path().join("root/net")).unwrap(), b"precious");
    // A file of another user is replaced, and not written into: its other name stays as it is.
    fs::hard_link(top.path().join("root/net"), dir.join("hard")).unwrap();
    out_file(&dir.join("hard"), b"text").unwrap();
    assert_eq!(fs::read(top.path().join("root/net")).unwrap(), b"precious");
}

#[test]
fn out_file_is_not_led_astray_by_whoever_swaps_its_place() {
    let Some((top, dir)) = strangers() else { return };
    let stop = AtomicBool::new(false);
    let (mut done, mut not) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (net, temporary, sub) = (dir.join("net"), dir.join("sub/.net.edgeutils-new"), dir.join("sub"));
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::remove_file(&net);
                let _ = symlink("../root/net", &net);
                let _ = fs::remove_file(&net);
                let _ = mkfifo(&net, Mode::S_IRUSR);
                let _ = fs::remove_file(&net);
                let _ = fs::hard_link(top.path().join("root/net"), &net);
                let _ = fs::remove_file(&temporary);
                let _ = symlink("../../root/net", &temporary);
                let _ = fs::rename(&sub, dir.join("away"));
                let _ = symlink("../root", &sub);
                let _ = fs::remove_file(&sub);
                let _ = fs::rename(dir.join("away"), &sub);
            }
        });
        for _ in 0..1500 {
            for path in ["net", "sub/net"] {
                match out_file(&dir.join(path), b"text") {
                    Ok(()) => done += 1,
                    Err(_) => not += 1,
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read(top.path().join("root/net")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(top.path().join("root")).unwrap().count(), 1, "nothing was made there");
    assert!(done > 0 && not > 0, "{done} done, {not} not");
}

#[test]
fn out_dir_and_out_root_keep_out_of_what_strangers_can_swap() {
    let Some((top, dir)) = strangers() else { return };
    let error = OutDir::begin(&dir.join("sub/out")).unwrap_err();
    assert_eq!(error.exit(), Exit::Refused, "{error}");
    assert!(fs::read_dir(dir.join("sub")).unwrap().next().is_none());
    symlink("../root", dir.join("way")).unwrap();
    assert_eq!(out_root(&dir.join("way")).unwrap_err().exit(), Exit::Refused);
    std::io::Write::write_all(&mut out_root(&dir).unwrap().new_file(Path::new("/f"), 0o644).unwrap(), b"x").unwrap();
    assert!(out_root(&top.path().join("root/net")).is_err() && out_root(&top.path().join("none")).is_err());
    OutDir::begin(&top.path().join("root/out")).unwrap().finish().unwrap();
}
