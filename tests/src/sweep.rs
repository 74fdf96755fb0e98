//! A sweep: a call is killed before each system call that changes something, each time in a new tree.
//!
//! Every point that fails is counted, so that a sweep says how much of a call is affected and not only
//! where it failed first.

use std::any::Any;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use walkdir::WalkDir;

use crate::kill::{self, Call};
use crate::tool::{self, Tool};
use crate::tree::{Snapshot, Tree, assert_same};

/// `all` sweeps every point, also of the calls that repeat themselves file by file, and prints their numbers.
pub const ALL: &str = "EDGEUTILS_KILLS";
/// Number of failed points that are shown.
const SHOWN: usize = 4;

/// How many of the points are visited unless [`ALL`] says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Points {
    /// All.
    Every,
    /// About this many, evenly spread from a random offset, which a failure names.
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
    let failed = failures(what, points, start, argv, then);
    assert!(failed.is_empty(), "{failed}");
}

/// What every call of a utility promises: killed anywhere, the same call leads to the same end, and one
/// undo of it to the beginning; an undo that was killed anywhere leads there by being repeated.
pub fn converges(points: Points, start: impl Fn() -> Tree + Sync, program: &str, args: &[&str]) {
    let call = |tree: &Tree, args: &[&str]| -> Vec<String> {
        let (program, root) = (tool::path(program), tree.path());
        let own = [program.to_str().unwrap(), "--root", root.to_str().unwrap()];
        own.iter().chain(args).map(|word| (*word).to_owned()).collect()
    };
    let run = |tree: &Tree, args: &[&str]| {
        let argv = call(tree, args);
        Tool::program(Path::new(&argv[0])).args(&argv[1..]).run().expect(0);
    };
    let must_be = |tree: &Tree, want: &Snapshot, what: &str| {
        let seen = look(tree.path());
        assert_no_temporary(&seen);
        assert_same(&seen, want, what);
    };
    let before = look(start().path());
    let done = || {
        let tree = start();
        run(&tree, args);
        tree
    };
    let want = look(done().path());
    let what = format!("{program} {}", args.iter().take(2).copied().collect::<Vec<_>>().join(" "));
    let again = |tree: &Tree, _: &Call| {
        run(tree, args);
        must_be(tree, &want, "a repeated call");
        run(tree, &["undo"]);
        must_be(tree, &before, "a repeated call, and undone");
    };
    let killed = failures(&what, points, &start, |tree| call(tree, args), again);
    // By its number: once it is undone, a plain `undo` means the run before it.
    let id = newest_run(&done()).to_string();
    let undo_again = |tree: &Tree, _: &Call| {
        run(tree, &["undo", "--id", &id]);
        must_be(tree, &before, "the same undo again");
    };
    let undone =
        failures(&format!("undo of {what}"), points, done, |tree| call(tree, &["undo", "--id", &id]), undo_again);
    assert!(killed.is_empty() && undone.is_empty(), "{killed}\n{undone}");
}

fn newest_run(tree: &Tree) -> u32 {
    let records = fs::read_dir(tree.at("var/lib/edgeutils/journal")).unwrap();
    let number = |name: String| name.split('-').next()?.parse::<u32>().ok();
    records.filter_map(|entry| number(entry.unwrap().file_name().into_string().unwrap())).max().unwrap()
}

/// How many points failed, at which, and some of their messages; empty where none did.
fn failures<S>(
    what: &str,
    points: Points,
    start: impl Fn() -> S + Sync,
    argv: impl Fn(&S) -> Vec<String> + Sync,
    then: impl Fn(&S, &Call) + Sync,
) -> String {
    let calls = {
        let scene = start();
        kill::calls(&words(&argv(&scene)))
    };
    assert!(calls.len() > 10, "{what}: only {} changing calls", calls.len());
    let (step, offset) = stride(points, calls.len());
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
    if wants_all() {
        let line = format!("{what}: {visited} of {} points, {} failed\n", calls.len(), failed.len());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    let shown: Vec<&str> = failed.iter().take(SHOWN).map(|(_, text)| text.as_str()).collect();
    let places: Vec<usize> = failed.iter().map(|(at, _)| *at).collect();
    if failed.is_empty() {
        return String::new();
    }
    format!(
        "{what}: {} of {visited} points failed (every {step} from {offset} of {}; {ALL}=all visits each): {places:?}\n{}",
        failed.len(),
        calls.len(),
        shown.join("\n")
    )
}

fn words(argv: &[String]) -> Vec<&str> {
    argv.iter().map(String::as_str).collect()
}

fn wants_all() -> bool {
    std::env::var_os(ALL).is_some_and(|value| value == "all")
}

/// Which of the points are visited: every nth, from where.
fn stride(points: Points, all: usize) -> (usize, usize) {
    let Points::About(number) = points else { return (1, 0) };
    let step = all.div_ceil(number.max(1));
    if step == 1 || wants_all() {
        return (1, 0);
    }
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let offset = usize::try_from(nanos / 1000).unwrap_or(0) % step;
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

/// Fails if a temporary file is left.
#[track_caller]
pub fn assert_no_temporary(seen: &Snapshot) {
    let is_temporary = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with('.') && name.contains(".edgeutils-") && !name.starts_with(".edgeutils-trash-")
        })
    };
    let left: Vec<_> = seen.keys().filter(is_temporary).collect();
    assert!(left.is_empty(), "temporary names are left: {left:?}");
}
