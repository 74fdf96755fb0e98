//! Random graphs of mounts below a directory that is removed: everything outside stays as it was.
//!
//! All of it is in a mount namespace of a thread of its own, and in a tmpfs there.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod graph;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use edge_host::{Exit, Mounts, Unmount};
use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::tool::Ran;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use self::graph::{Graph, NOISE, NONE, OUT, ROOT, WORLD, bind};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const GRAPHS: u64 = 500;
/// In every third one a thread mounts and unmounts meanwhile.
const NOISY: u64 = 3;
/// Time for a server to answer: the dead ones of the graphs never do.
const IMPATIENT: Duration = Duration::from_millis(600);
const PATIENT: Duration = Duration::from_secs(30);
const PLAN: &str = "/mnt/plan.json";

/// What is outside: the content of all files, and the mounts.
#[derive(Debug, PartialEq, Eq)]
struct Outside {
    files: BTreeMap<String, String>,
    mounts: Vec<String>,
}

impl Outside {
    fn look() -> Outside {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(OUT).sort_by_file_name() {
            let entry = entry.unwrap();
            let text =
                if entry.file_type().is_file() { fs::read_to_string(entry.path()).unwrap() } else { String::new() };
            files.insert(entry.path().display().to_string(), text);
        }
        let mounts = Mounts::read().unwrap();
        let outside = mounts.iter().filter(|mount| mount.point.starts_with(OUT));
        let mut mounts: Vec<String> = outside.map(edge_host::Mount::identity).collect();
        mounts.sort();
        Outside { files, mounts }
    }
}

fn fixture(args: &[&str]) -> Ran {
    Ran::of(
        &Command::new("timeout").args(["-s", "KILL", "30", FIXTURE, "--force-namespace"]).args(args).output().unwrap(),
    )
}

/// Unmounts all that is below the root; whether nothing was refused.
///
/// The kernel may need longer than the deadline on a busy machine, so what did not answer is tried once more.
fn unmount_all() -> bool {
    let mounts = Mounts::read().unwrap();
    let mut is_done = true;
    for mount in mounts.tree().below(Path::new(ROOT)) {
        let unmount = |deadline| Unmount::new(mount, &[ROOT.into()]).with_deadline(deadline).run();
        let again = |error: edge_host::Error| if error.exit() == Exit::Failed { unmount(PATIENT) } else { Err(error) };
        if let Err(error) = unmount(IMPATIENT).or_else(again) {
            assert_eq!(error.exit(), Exit::Refused, "{error}");
            is_done = false;
        }
    }
    is_done
}

/// Ends the noise, also after a panic.
struct Ends<'e>(&'e AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Mounts and unmounts in the root, wherever it is by now.
fn make_noise(ended: &AtomicBool) {
    let places = || {
        let trash = fs::read_dir(WORLD).into_iter().flatten().flatten().map(|entry| entry.path().join("root"));
        trash.chain([ROOT.into()]).map(|top: std::path::PathBuf| top.join(NOISE)).collect::<Vec<_>>()
    };
    while !ended.load(Ordering::Relaxed) {
        for place in places() {
            if bind(Path::new("/mnt/world/out/data"), &place, false) {
                thread::yield_now();
                let _ = umount2(&place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
            }
        }
    }
}

/// The reset of one graph; what went wrong.
fn reset(seed: u64) -> Result<(), String> {
    let mut graph = Graph::new(seed);
    graph.make();
    let before = Outside::look();
    let ended = AtomicBool::new(false);
    let is_noisy = seed.is_multiple_of(NOISY);
    let check = thread::scope(|scope| {
        let _ends = Ends(&ended);
        if is_noisy {
            scope.spawn(|| make_noise(&ended));
        }
        steps(is_noisy)
    });
    let after = Outside::look();
    let told = format!("seed {seed}: {}", graph.steps.join("; "));
    if before != after {
        return Err(format!("{told}\nbefore {before:#?}\nafter {after:#?}"));
    }
    check.map_err(|what| format!("{told}\n{what}"))
}

fn steps(is_noisy: bool) -> Result<(), String> {
    let is_done = unmount_all();
    let ran = fixture(&["apply", "--plan", PLAN]);
    let is_right = match ran.code {
        0 => is_done || is_noisy,
        4 => !is_done || is_noisy,
        _ => false,
    };
    if !is_right || Path::new(ROOT).exists() != (ran.code == 4) {
        return Err(format!("unmounted: {is_done}; {ran:?}"));
    }
    for entry in fs::read_dir(WORLD).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".edgeutils-trash-") {
            let ran = fixture(&["delete", entry.path().to_str().unwrap()]);
            if ran.code != 0 && !(is_noisy && ran.code == 1) || !is_noisy && entry.path().exists() {
                return Err(format!("{ran:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn removal_of_any_graph_of_mounts_spares_all_that_is_outside() {
    if cannot_unshare("host live canary") {
        return;
    }
    let first = std::env::var("EDGEUTILS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..GRAPHS, |seed: u64| seed..seed + 1);
    println!("seeds {seeds:?}; one alone: EDGEUTILS_SEED=N");
    let ended = thread::spawn(move || {
        let namespace = || fs::read_link("/proc/thread-self/ns/mnt").unwrap();
        let host = namespace();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        assert_ne!(namespace(), host);
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
        for dir in ["/run", "/var", "/mnt"] {
            mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("size=64m,mode=755")).unwrap();
        }
        fs::write(PLAN, format!(r#"[{{"trash": "{ROOT}"}}]"#)).unwrap();
        seeds.into_iter().find_map(|seed| reset(seed).err())
    });
    if let Some(wrong) = ended.join().unwrap() {
        panic!("{wrong}");
    }
}
