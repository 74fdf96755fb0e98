//! A sweep: one call killed before each system call that changes something, each time in a fresh scene.
//!
//! Every point that fails is counted, so that a sweep says how much of a call is affected and not only
//! where it failed first.

use std::any::Any;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use walkdir::WalkDir;

use crate::kill::{self, Call};
use crate::tree::Snapshot;

/// `all` sweeps every point, also of the calls that repeat themselves file by file.
pub const ALL: &str = "EDGEUTILS_KILLS";
/// How many failed points are shown.
const SHOWN: usize = 4;

/// How many of the points are visited unless [`ALL`] says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Points {
    /// All.
    Every,
    /// About this many, evenly spread from a random offset that is printed.
    About(usize),
}

/// Kills the call of `argv` at its points, each in a scene of its own, and hands what is left to `then`,
/// which panics where it is not as required. Fails with the number of points where it did.
pub fn sweep<S>(
    what: &str,
    points: Points,
    start: impl Fn() -> S + Sync,
    argv: impl Fn(&S) -> Vec<String> + Sync,
    then: impl Fn(&S, &Call) + Sync,
) {
    let calls = {
        let scene = start();
        kill::calls(&words(&argv(&scene)))
    };
    assert!(calls.len() > 10, "{what}: only {} changing calls", calls.len());
    let (step, offset) = stride(what, points, calls.len());
    let next = Mutex::new(calls.iter().enumerate().skip(offset).step_by(step));
    let failed: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
    let visited = Mutex::new(0_usize);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let point = next.lock().unwrap().next();
                    let Some((at, call)) = point else { return };
                    let scene = start();
                    let is_killed = kill::kill_before(call, &words(&argv(&scene)));
                    let judged = catch_unwind(AssertUnwindSafe(|| {
                        assert!(is_killed, "it was not killed");
                        then(&scene, call);
                    }));
                    *visited.lock().unwrap() += 1;
                    if let Err(panic) = judged {
                        let text = format!("killed before call {at}, {call:?}: {}", message(&*panic));
                        failed.lock().unwrap().push((at, text));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    let visited = visited.into_inner().unwrap();
    eprintln!("{what}: {visited} of {} points, {} failed", calls.len(), failed.len());
    let shown: Vec<&str> = failed.iter().take(SHOWN).map(|(_, text)| text.as_str()).collect();
    let places: Vec<usize> = failed.iter().map(|(at, _)| *at).collect();
    assert!(failed.is_empty(), "{what}: {} of {visited} points failed: {places:?}\n{}", failed.len(), shown.join("\n"));
}

fn words(argv: &[String]) -> Vec<&str> {
    argv.iter().map(String::as_str).collect()
}

/// Which of the points are visited: every nth, from where.
fn stride(what: &str, points: Points, all: usize) -> (usize, usize) {
    let Points::About(wanted) = points else { return (1, 0) };
    let step = all.div_ceil(wanted.max(1));
    if step == 1 || std::env::var_os(ALL).is_some_and(|value| value == "all") {
        return (1, 0);
    }
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let offset = usize::try_from(nanos / 1000).unwrap_or(0) % step;
    eprintln!("{what}: every {step}th of {all} points from {offset} ({ALL}=all visits every one)");
    (step, offset)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// Everything that a finished call leaves: kind, mode, owner, links, attributes and content of all that
/// is below `root`, with what edgeutils keeps for itself, but for the records and the lock.
pub fn look(root: &Path) -> Snapshot {
    const OWN: [&str; 4] =
        ["var/lib/edgeutils", "var/lib/edgeutils/journal", "var/lib/edgeutils/journal/kept", "var/lib/edgeutils/lock"];
    let mut all = Snapshot::new();
    for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_path_buf();
        let is_record = path.starts_with(OWN[1]) && path.extension().is_some_and(|extension| extension == "jsonl");
        if is_record || OWN.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        let meta = entry.path().symlink_metadata().unwrap();
        let what = if meta.is_symlink() {
            format!("link to {}", fs::read_link(entry.path()).unwrap().display())
        } else if meta.is_dir() {
            "directory".to_owned()
        } else if meta.is_file() {
            format!("{} links, {}", meta.nlink(), String::from_utf8_lossy(&fs::read(entry.path()).unwrap()))
        } else {
            "something else".to_owned()
        };
        let attributes: Vec<String> = xattr::list(entry.path())
            .unwrap()
            .map(|name| format!(" {name:?}={:?}", xattr::get(entry.path(), &name).unwrap()))
            .collect();
        let rights = format!("{:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid());
        all.insert(path, format!("{rights}{} {what}", attributes.concat()));
    }
    all
}

/// Fails where a temporary name of ours is left.
#[track_caller]
pub fn assert_no_temporary(seen: &Snapshot) {
    let is_temporary = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with('.') && name.contains(".edgeutils-")
        })
    };
    let left: Vec<_> = seen.keys().filter(is_temporary).collect();
    assert!(left.is_empty(), "temporary names are left: {left:?}");
}
