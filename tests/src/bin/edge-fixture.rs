//! A utility for the tests of edge-host: applies a plan that is given as JSON.
//!
//! `edge-fixture apply --plan FILE` where FILE holds a list of objects:
//! `{"write": PATH, "text": T}` (and `"mode": N` of a new file), `{"key": PATH, "text": T}`, `{"line": PATH, "text": T}` (an edit
//! that appends a line and can be undone by itself; `"data": ANY` is recorded with it), `{"link": PATH, "target": T}`,
//! `{"large": PATH, "text": T, "times": N, "sum": T}` (a large file of N times the text, whose
//! checksum is that of T where one is given), `{"same key": PATH, "text": T}` (a key in another form),
//! `{"chmod": PATH, "mode": N}`, `{"remove": PATH}`, `{"remove large": PATH}`, `{"trash": PATH}` and `{"delete": PATH}` (with everything below it),
//! `{"set": PATH, "text": T}`, `{"run": [ARGV], "inverse": [ARGV]}`,
//! `{"script": [ARGV], "text": INPUT, "state": PATH, "after": T}` (a transaction that leaves T in the
//! file), `{"panic": T}`, `{"unmade": PATH}` (an effect that removes a file, or fails with
//! `"exit": N`), `{"unmount": PATH}` (all mounts strictly below it; `"deadline": MILLISECONDS`, and `"file": true` removes what
//! they are mounted on), `{"continues": true}` (of the whole plan). What is up to date is left out, as in every utility. PATH is a text or a list of
//! bytes. A key with `"reached": FILE, "gate": FILE` makes the first when its turn comes and waits
//! for the second, so that a test can act in the middle of an apply. `"with next": true` stages a write
//! together with the one after it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use edge_host::action::{Bytes, Effect, EffectVerb, RemoveTree, Run, Script, SetValue, Transaction, UndoOrder};
use edge_host::{
    Common, Editor, Error, Host, Inverse, Mounts, Node, Outcome, Plan, Result, State, UndoArgs, Unmount, apply, purge,
    trashed, undo,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, Parser)]
#[command(name = "edge-fixture", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Apply the plan in a file
    Apply {
        /// The plan
        #[arg(long)]
        plan: PathBuf,
        /// Anything: it is only recorded
        #[arg(long)]
        note: Option<String>,
        /// Read all of stdin first and go on after its end
        #[arg(long)]
        stdin: bool,
        /// After the facts are read, wait until this file exists
        #[arg(long)]
        pause: Option<PathBuf>,
    },
    /// Read files, one line of JSON for each
    Read {
        /// What to read
        paths: Vec<PathBuf>,
        /// Read so many times and print what differs from the time before
        #[arg(long, default_value_t = 1)]
        times: usize,
    },
    /// Read files as a process that is chrooted into DIR does
    Chrooted {
        /// The new root
        dir: PathBuf,
        /// What to read
        paths: Vec<PathBuf>,
    },
    /// Delete a tree; prints the most memory that was in use, in KiB
    Delete {
        /// What to delete
        path: PathBuf,
    },
    /// Delete what is in the trash
    Purge {
        /// Of which run
        #[arg(long)]
        id: Option<u64>,
    },
    /// Undo the newest run; with --id, another one
    Undo(UndoArgs),
}

fn main() -> ExitCode {
    edge_host::main("edge-fixture", |cli: &Cli| &cli.common, run)
}

fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Apply { plan, stdin, pause, .. } => {
            if stdin {
                std::io::copy(&mut std::io::stdin(), &mut std::io::sink())
                    .map_err(|cause| Error::io("read", "-", &cause))?;
            }
            host.prepare_change()?;
            let text = std::fs::read_to_string(&plan).map_err(|cause| Error::io("read", &plan, &cause))?;
            let items: Vec<Value> = serde_json::from_str(&text).map_err(|cause| Error::usage(cause.to_string()))?;
            let plan = make(host, &items)?;
            if let Some(gate) = pause {
                wait_for(&gate);
            }
            apply(host, plan)
        }
        Verb::Read { paths, times } => {
            let mut before = String::new();
            for _ in 0..times {
                let mut now = String::new();
                for path in &paths {
                    let text = match host.root.read(path) {
                        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                        Ok(None) => "absent".to_owned(),
                        Err(error) => format!("error: {error}"),
                    };
                    now += &format!("{}\n", json!({"path": path.to_string_lossy(), "text": text}));
                }
                if now != before {
                    host.report.document(now.as_bytes())?;
                    before = now;
                }
            }
            Ok(Outcome::default())
        }
        Verb::Chrooted { dir, paths } => {
            nix::unistd::chroot(&dir).map_err(|errno| Error::io("chroot to", &dir, &errno.into()))?;
            for path in paths {
                let line = match std::fs::read_to_string(Path::new("/").join(&path)) {
                    Ok(text) => json!({"path": path, "text": text}),
                    Err(cause) => json!({"path": path, "errno": cause.raw_os_error()}),
                };
                host.report.document(format!("{line}\n").as_bytes())?;
            }
            Ok(Outcome::default())
        }
        Verb::Delete { path } => {
            host.root.remove_tree(&path)?;
            let status =
                std::fs::read_to_string("/proc/self/status").map_err(|cause| Error::io("read", "status", &cause))?;
            let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            host.report.line(most.trim_end_matches("kB").trim());
            Ok(Outcome::default())
        }
        Verb::Purge { id } => {
            host.prepare_change()?;
            let all = trashed(host, id)?;
            purge(host, &all, &[])
        }
        Verb::Undo(args) => undo::run(host, &args, &[&AddedLine, &Keeper]),
    }
}

fn wait_for(gate: &Path) {
    // Bounded, so that a failed test leaves nothing running.
    for _ in 0..4000 {
        if gate.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn path_of(value: &Value) -> Option<PathBuf> {
    let bytes =
        |list: &Vec<Value>| -> Option<Vec<u8>> { list.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect() };
    match value {
        Value::String(text) => Some(PathBuf::from(text)),
        Value::Array(list) => Some(PathBuf::from(OsString::from_vec(bytes(list)?))),
        _ => None,
    }
}

fn make(host: &Host, items: &[Value]) -> Result<Plan> {
    let mut plan = Plan::new();
    for item in items {
        let first = plan.actions.len();
        let text = item["text"].as_str().unwrap_or_default().as_bytes().to_vec();
        let path = |key: &str| path_of(&item[key]);
        assert!(item["panic"].is_null(), "a defect");
        if let Some(path) = path("write") {
            let was = host.root.find(&path)?;
            if was.bytes != text || !was.exists() {
                let mode = item["mode"].as_u64().and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644);
                let node = Node::File { content: Bytes::Known(text), mode };
                plan.write(path, was, node, Inverse::Whole, "for the test");
            }
        } else if let Some(path) = path("key") {
            let was = host.root.find(&path)?;
            if was.bytes != text {
                let (reached, gate) = (path_of(&item["reached"]), path_of(&item["gate"]));
                let make = move || {
                    if let Some(reached) = reached {
                        std::fs::write(&reached, "").map_err(|cause| Error::io("write", &reached, &cause))?;
                    }
                    gate.as_deref().map(wait_for);
                    Ok(text)
                };
                let content = Bytes::Made(Box::new(make));
                plan.write(path, was, Node::PrivateKey { content }, Inverse::Whole, "a key");
            }
        } else if let Some(path) = path("same key") {
            let was = host.root.find(&path)?;
            if was.bytes != text {
                plan.write(path, was, Node::SameKey(text), Inverse::Whole, "the same key");
            }
        } else if let Some(path) = path("chmod") {
            let was = host.root.find(&path)?;
            let mode = u32::try_from(item["mode"].as_u64().unwrap_or_default()).unwrap_or_default();
            if !matches!(was.state, State::File { mode: is, .. } if is == mode) {
                plan.chmod(path, was, mode, "for the test");
            }
        } else if let Some(path) = path("line") {
            let was = host.root.find(&path)?;
            let line = item["text"].as_str().unwrap_or_default();
            if !lines(&was.bytes).any(|have| have == line) {
                let content = [was.bytes.as_slice(), line.as_bytes(), b"\n"].concat();
                let mut data = json!({"line": line});
                if let Some(more) = item.get("data") {
                    data["more"] = more.clone();
                }
                let inverse = Inverse::Edit { kind: "line".into(), data, parts: vec![line.into()] };
                plan.write(
                    path,
                    was,
                    Node::File { content: Bytes::Known(content), mode: 0o644 },
                    inverse,
                    "one line more",
                );
            }
        } else if let Some(path) = path("link") {
            let was = host.root.find_link(&path)?;
            let target = item["target"].as_str().unwrap_or_default().to_owned();
            if was.state != (State::Link { target: target.clone() }) {
                plan.write(path, was, Node::Link(target), Inverse::Whole, "a link");
            }
        } else if let Some(path) = path("remove") {
            let was = host.root.find_link(&path)?;
            if was.exists() {
                plan.remove(path, was, "not needed");
            }
        } else if let Some(path) = path("large") {
            let times = item["times"].as_u64().unwrap_or(1);
            let sum = item["sum"].as_str().map_or_else(|| checksum(&text, times), |sum| checksum(sum.as_bytes(), 1));
            let was = host.root.find_large(&path)?;
            if !was.state.is_installed(&sum, 0o755) {
                let shown = path.clone();
                let content = Box::new(move |to: &mut dyn Write| {
                    (0..times).try_for_each(|_| to.write_all(&text)).map_err(|cause| Error::io("write", &shown, &cause))
                });
                plan.write(path, was, Node::Large { content, sha256: sum, mode: 0o755 }, Inverse::Whole, "a program");
            }
        } else if let Some(path) = path("remove large") {
            let was = host.root.find_large(&path)?;
            if was.exists() {
                plan.remove_large(path, was, "not needed");
            }
        } else if let Some(path) = path("trash").or_else(|| path("delete")) {
            if let Some(was) = host.root.inode(&path)? {
                let to_trash = !item["trash"].is_null();
                plan.remove_tree(RemoveTree { path, was, to_trash, after: Vec::new() }, "not needed");
            }
        } else if let Some(path) = path("unmade") {
            // Up to date once the file is gone.
            if path.exists() {
                let (object, exit) = (path.display().to_string(), item["exit"].as_i64());
                let perform = Box::new(move || match exit {
                    None => std::fs::remove_file(&path).map_err(|cause| Error::io("delete", &path, &cause)),
                    Some(4) => Err(Error::refused(format!("cannot delete {}: it is in use", path.display()))),
                    Some(_) => Err(Error::failed(format!("cannot delete {}: it is busy", path.display()))),
                });
                plan.effect(Effect { verb: EffectVerb::Delete, object, perform }, "not needed");
            }
        } else if let Some(path) = path("unmount") {
            for mount in Mounts::read()?.tree().below(&path) {
                let mut unmount = Unmount::new(mount, std::slice::from_ref(&path));
                if let Some(deadline) = item["deadline"].as_u64() {
                    unmount = unmount.with_deadline(Duration::from_millis(deadline));
                }
                if item["file"] == true {
                    unmount = unmount.and_remove_its_file();
                }
                plan.effect(unmount.effect(), "not needed");
            }
        } else if item["continues"] == true {
            plan.continues = true;
        } else if let Some(path) = path("set") {
            let was = String::from_utf8_lossy(&host.root.read(&path)?.unwrap_or_default()).trim().to_owned();
            let value = String::from_utf8_lossy(&text).into_owned();
            if was != value {
                plan.set(SetValue { path, was, value }, "a value");
            }
        } else if let Ok(argv) = serde_json::from_value::<Vec<String>>(item["script"].clone()) {
            let state = path("state").unwrap_or_default();
            let before = String::from_utf8_lossy(&host.root.read(&state)?.unwrap_or_default()).into_owned();
            if item["after"].as_str() != Some(&before) {
                let text = String::from_utf8_lossy(&text).into_owned();
                let transaction = Transaction {
                    script: Script { argv, text, deadline: Duration::from_secs(20) },
                    object: format!("the state in {}", state.display()),
                    kind: "keeper".into(),
                    data: json!({"state": state, "before": before}),
                };
                plan.transaction(transaction, "a script");
            }
        } else if let Ok(argv) = serde_json::from_value::<Vec<String>>(item["run"].clone()) {
            let probe: Option<Vec<String>> = serde_json::from_value(item["probe"].clone()).unwrap_or_default();
            let inverse = serde_json::from_value(item["inverse"].clone()).unwrap_or_default();
            let done = probe.as_ref().is_some_and(|probe| {
                edge_host::Cmd::of_argv(probe).and_then(|cmd| cmd.output()).is_ok_and(|output| output.status.success())
            });
            // As a utility does: a command goes along with the changes it follows, or with its own probe.
            if !done && (probe.is_some() || !plan.is_empty()) {
                plan.run(
                    Run { argv, probe, inverse, undo_order: UndoOrder::Reverse, deadline: Duration::from_secs(20) },
                    "a command",
                );
            }
        }
        if item["with next"] == true {
            plan.actions.iter_mut().skip(first).for_each(|action| action.with_next = true);
        }
    }
    Ok(plan)
}

fn checksum(text: &[u8], times: u64) -> String {
    let mut sum = Sha256::new();
    (0..times).for_each(|_| sum.update(text));
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct AddedLine;

impl Editor for AddedLine {
    fn kind(&self) -> &'static str {
        "line"
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let line = data["line"].as_str().unwrap_or_default();
        if !lines(now).any(|have| have == line) {
            return Err(Error::refused(format!("the line {line} is no longer there")));
        }
        Ok(lines(now).filter(|have| *have != line).map(|have| format!("{have}\n")).collect::<String>().into_bytes())
    }
}

/// Keeps a state in a file.
struct Keeper;

impl Editor for Keeper {
    fn kind(&self) -> &'static str {
        "keeper"
    }

    fn revert_script(&self, data: &Value) -> Result<Option<Script>> {
        let (state, before) = (data["state"].as_str().unwrap_or_default(), data["before"].as_str().unwrap_or_default());
        if std::fs::read_to_string(state).unwrap_or_default() == before {
            return Ok(None);
        }
        let text = format!("printf %s '{before}' > {state}; echo back >> /mnt/log");
        Ok(Some(Script { argv: vec!["sh".into()], text, deadline: Duration::from_secs(20) }))
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(bytes).unwrap_or_default().lines()
}
