//! A signal ends every call promptly: exit 5, and with --json the result as the last record.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// Until a signal has ended a call, on a machine that is busy with other tests.
const PROMPT: Duration = Duration::from_secs(5);

/// Starts a call that hears signals, whatever the tests themselves ignore.
fn start(tree: &Tree, words: &[&str]) -> Child {
    let call = Tool::new(words[0]).arg("--root").arg(tree.path()).args(&words[1..]).words();
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,TERM,HUP").args(call);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while !catches(&child, Signal::SIGHUP) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{words:?} catches no signal");
        std::thread::sleep(Duration::from_millis(2));
    }
    // Long enough to come to where it waits.
    std::thread::sleep(Duration::from_millis(50));
    child
}

fn catches(child: &Child, signal: Signal) -> bool {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = text.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    caught.is_some_and(|caught| caught & 1 << (signal as i32 - 1) != 0)
}

/// Sends it to a call that is still running, and judges its end.
#[track_caller]
fn ends(mut child: Child, signal: Signal, what: &str) -> Ran {
    assert!(child.try_wait().unwrap().is_none(), "{what} does not wait");
    let begin = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    // Its standard input stays open until it has ended.
    let input = child.stdin.take();
    let ran = Ran::of(&child.wait_with_output().unwrap()).expect(5);
    drop(input);
    assert!(begin.elapsed() < PROMPT, "{what}: {:?}", begin.elapsed());
    assert!(ran.stderr.contains("interrupted by a signal\nhint: run the same command again"), "{}", ran.stderr);
    ran
}

#[track_caller]
fn reports_it(ran: &Ran) {
    let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["exit"]), (&"result".into(), &5.into()), "{}", ran.stdout);
}

#[test]
fn signal_ends_a_call_that_reads_standard_input() {
    let edgecore = "kind: EdgeCore\nmodules: {edgeHub: {heartbeat: 15}}\n";
    for words in [
        &["edge-conf", "set", "-"] as &[&str],
        &["edge-conf", "get", "modules", "--file", "-"],
        &["edge-conf", "check", "--file", "-"],
        &["edge-conf", "enable", "crio", "-"],
        &["edge-conf", "env", "A=-"],
        &["edge-crio", "install", "--version", "1.30", "--proxy", "-"],
        &["edge-redirect", "add", "--tunnelport", "-"],
        &["edge-manifest", "keep-off-edge", "-n"],
        &["edge-manifest", "check"],
        &["edge-certgen", "stream", "--ip", "192.0.2.1", "--key", "-"],
        &["edge-certgen", "show", "-"],
        &["edge-check", "cluster"],
        &["edge-token", "read"],
        &["edge-token", "ca-hash", "-"],
    ] {
        for signal in SIGNALS {
            let tree = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", edgecore)]);
            let before = tree.snapshot();
            reports_it(&ends(start(&tree, &[words, &["--json"]].concat()), signal, &format!("{words:?}")));
            assert!(ends(start(&tree, words), signal, &format!("{words:?}")).stdout.is_empty());
            assert_eq!(tree.snapshot(), before, "{words:?} changed something");
        }
    }
}

#[test]
fn signal_ends_the_wait_for_the_lock() {
    let edgecore = "kind: EdgeCore\nmodules: {edgeHub: {heartbeat: 15}}\n";
    for words in [
        &["edge-conf", "set", "modules.edgeHub.heartbeat=20"] as &[&str],
        &["edge-conf", "env", "A=1"],
        &["edge-conf", "undo"],
        &["edge-prep", "apply", "--swap", "off"],
        &["edge-certgen", "stream", "--ip", "192.0.2.1"],
        &["edge-cni", "remove"],
        &["edge-crio", "remove"],
        &["edge-redirect", "remove"],
    ] {
        let tree = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", edgecore)]);
        fs::create_dir_all(tree.at("var/lib/edgeutils")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(tree.at("var/lib/edgeutils"), mode).unwrap();
        tree.write("var/lib/edgeutils/lock", "a test");
        let file = fs::File::open(tree.at("var/lib/edgeutils/lock")).unwrap();
        let _held = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno).unwrap();
        for signal in SIGNALS {
            reports_it(&ends(start(&tree, &[words, &["--json"]].concat()), signal, &format!("{words:?}")));
        }
    }
}

#[test]
fn signal_ends_a_call_whose_reader_is_stuck() {
    let many: String = (0..20_000).map(|n| format!("unknown{n}: 1\n")).collect();
    let tree = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", &format!("kind: EdgeCore\n{many}"))]);
    let mut child = start(&tree, &["edge-conf", "check", "--json"]);
    // Nobody reads its output, which no pipe can hold: it can only be ended.
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    let begin = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
}
