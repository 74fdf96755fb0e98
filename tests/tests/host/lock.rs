//! Concurrent calls, planted locks, readers that go away, and signals during a change.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{chown, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use edgeutils_tests::image::Image;
use edgeutils_tests::live::{can_unshare, transcript};
use edgeutils_tests::tool::Ran;
use edgeutils_tests::{is_root, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
/// Three changes; in the middle of the second it signals the test, and waits for it.
const GATED: &str = r#"[{"write": "/etc/a", "text": "two\n"},
    {"key": "/etc/key", "text": "k", "reached": "PLANS/reached", "gate": "PLANS/gate"},
    {"write": "/etc/b", "text": "two\n"}]"#;

fn start() -> Image {
    Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")])
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Begins the gated apply and waits until it is in the middle.
fn in_the_middle(image: &Image, command: Command) -> Child {
    let child = spawn(command);
    wait_until("the middle of the apply", || image.beside("reached").exists());
    child
}

fn gated(image: &Image) -> Command {
    image.plan("gated.json", GATED);
    image.command(&["apply", "--plan", "PLANS/gated.json"])
}

fn open_gate(image: &Image) {
    fs::write(image.beside("gate"), "").unwrap();
}

#[test]
fn calls_at_once_on_one_file_come_one_after_the_other() {
    let image = start();
    for name in ["x", "y", "z"] {
        image.plan(name, &format!(r#"[{{"line": "/etc/a", "text": "{name}"}}]"#));
    }
    let all: Vec<Child> = ["x", "y", "z"]
        .iter()
        .map(|name| spawn(image.command(&["apply", "--plan", &format!("PLANS/{name}")])))
        .collect();
    for child in all {
        Ran::of(&child.wait_with_output().unwrap()).says(0, "");
    }
    let text = image.tree.read("etc/a");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "x", "y", "z"]);
}

#[test]
fn both_sides_of_a_pipe_may_change_the_host() {
    // `a | b`: the reader reads all of its input before it takes the lock, so whoever is slower, both end.
    for (left, right) in [("", "sleep 0.3;"), ("sleep 0.3;", "")] {
        let image = start();
        for name in ["x", "y"] {
            image.plan(name, &format!(r#"[{{"line": "/etc/a", "text": "{name}"}}]"#));
        }
        let call = |name: &str| image.argv(&["apply", "--plan", &format!("PLANS/{name}")]).join(" ");
        let script = format!("{{ {left} {}; }} | {{ {right} {} --stdin; }}", call("x"), call("y"));
        let begin = Instant::now();
        let ran = Ran::of(&Command::new("sh").args(["-c", &script]).output().unwrap()).says(0, "");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert_eq!(ran.stdout, "wrote /etc/a: one line more  [undo: exact]\n1 change\n");
        assert_eq!(image.tree.read("etc/a"), "one\nx\ny\n");
    }
}

#[test]
fn held_lock_names_its_holder_and_is_waited_for_as_asked() {
    let image = start();
    let mut holder = in_the_middle(&image, gated(&image));
    image.plan("other", r#"[{"write": "/etc/c", "text": "x"}]"#);
    for (wait, least) in [("0", 0.0), ("1", 0.9)] {
        let begin = Instant::now();
        image.run(&["apply", "--plan", "PLANS/other", "--lock-wait", wait]).says(
            1,
            &format!(
                "edge-fixture: cannot get the lock: held by edge-fixture (pid {}), waited {wait} s
                 hint: run again when it has ended, or wait longer with --lock-wait SECONDS",
                holder.id()
            ),
        );
        let took = begin.elapsed().as_secs_f64();
        assert!(took >= least && took < least + 2.0, "--lock-wait {wait} took {took} s");
    }
    // What only reads, or only shows, does not wait.
    image.run(&["apply", "--plan", "PLANS/other", "--lock-wait", "0", "--dry-run"]).expect(3);
    image.run(&["undo", "--list", "--lock-wait", "0"]).expect(0);
    // One that waits goes on as soon as the holder ends.
    let waiting = spawn(image.command(&["apply", "--plan", "PLANS/other"]));
    std::thread::sleep(Duration::from_millis(100));
    open_gate(&image);
    Ran::of(&waiting.wait_with_output().unwrap()).says(0, "");
    assert!(holder.wait().unwrap().success());
}

#[test]
fn held_lock_names_only_a_verified_holder() {
    let image = start();
    image.plan("other", r#"[{"write": "/etc/c", "text": "x"}]"#);
    // The label is that of the last utility, which has ended.
    image.run(&["apply", "--plan", "PLANS/other"]).says(0, "");
    let lock = image.tree.at("var/lib/edgeutils/lock");
    let busy = |holder: &str| {
        image.run(&["undo", "--lock-wait", "0"]).says(
            1,
            &format!(
                "edge-fixture: cannot get the lock: held by {holder}, waited 0 s
                 hint: run again when it has ended, or wait longer with --lock-wait SECONDS"
            ),
        );
    };
    let held = |script: &str| {
        let mut command = Command::new("sh");
        let mut child =
            command.args(["-c", script, "sh"]).arg(&lock).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 2];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        child
    };
    let mut flock = held(r#"exec flock "$1" sh -c 'echo x; read end'"#);
    busy(&format!("flock (pid {})", flock.id()));
    drop(flock.stdin.take());
    flock.wait().unwrap();
    // The process that took it has ended, and a shell keeps it open.
    let mut shell = held(r#"exec 9< "$1"; flock 9; echo x; read end"#);
    busy("another process");
    drop(shell.stdin.take());
    shell.wait().unwrap();
    image.undo().says(0, "");
}

#[test]
fn lock_of_a_killed_holder_is_free() {
    let image = start();
    let mut holder = in_the_middle(&image, gated(&image));
    holder.kill().unwrap();
    holder.wait().unwrap();
    open_gate(&image);
    image
        .run(&["apply", "--plan", "PLANS/gated.json", "--lock-wait", "0"])
        .says(0, "edge-fixture: note: run 1 was interrupted; what it had done was read from the host");
    assert_eq!((image.tree.read("etc/key"), image.tree.read("etc/b")), ("k".into(), "two\n".into()));
}

#[test]
fn planted_lock_is_refused_and_its_target_untouched() {
    type Plant = fn(&Image, &std::path::Path);
    let cases: [(&str, Plant); 5] = [
        ("it is a symbolic link", |image, lock| symlink(image.tree.at("etc/a"), lock).unwrap()),
        ("it is a directory", |_, lock| fs::create_dir(lock).unwrap()),
        ("it belongs to another user or has a hard link", |image, lock| {
            fs::hard_link(image.tree.at("etc/a"), lock).unwrap()
        }),
        ("it is not a regular file", |_, lock| {
            nix::unistd::mkfifo(lock, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        }),
        ("it belongs to another user or has a hard link", |_, lock| {
            fs::write(lock, "").unwrap();
            chown(lock, Some(65534), None).unwrap();
        }),
    ];
    for (index, (what, plant)) in cases.into_iter().enumerate() {
        if index == 4 && !is_root() {
            return skip("host_lock owner", "files of another user need root");
        }
        let image = start();
        image.apply("[]").expect(0);
        let lock = image.tree.at("var/lib/edgeutils/lock");
        fs::remove_file(&lock).unwrap();
        plant(&image, &lock);
        image.apply(r#"[{"write": "/etc/b", "text": "two\n"}]"#).says(
            4,
            &format!(
                "edge-fixture: cannot lock DIR/var/lib/edgeutils/lock: {what}
                 hint: check who created it, remove it and run again"
            ),
        );
        assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "one\n".into()));
    }
}

#[test]
fn reader_that_goes_away_stops_nothing() {
    let lines: Vec<String> = (0..300).map(|n| format!(r#"{{"write": "/etc/{n}", "text": "{n}\n"}}"#)).collect();
    for (redirection, code) in [("| head -n 1", "0"), (">&-", "0"), ("> /dev/null 2>&-", "0"), ("> /dev/full", "1")] {
        let image = start();
        image.plan("plan.json", &format!("[{}]", lines.join(",")));
        let call = image.argv(&["apply", "--plan", "PLANS/plan.json"]).join(" ");
        let script = format!("{{ {call}; echo $? > {}; }} {redirection}", image.beside("code").display());
        let ran = Ran::of(&Command::new("sh").args(["-c", &script]).output().unwrap());
        assert_eq!(fs::read_to_string(image.beside("code")).unwrap().trim(), code, "{redirection}: {}", ran.stderr);
        let printed = if code == "1" {
            "edge-fixture: cannot write to standard output: No space left on device (os error 28)\n"
        } else {
            ""
        };
        assert_eq!(ran.stderr.replace("sh: 1: echo: echo: I/O error\n", ""), printed, "{redirection}");
        // All of it is done, and recorded as done.
        assert_eq!(image.tree.read("etc/299"), "299\n", "{redirection}");
        assert!(image.journal().ends_with(b"\"record\":\"end\"}\n"), "{redirection}");
    }
}

/// The same where the tests themselves run with signals ignored, as a shell's background jobs do.
fn hearing(command: &Command) -> Command {
    let mut env = Command::new("env");
    env.arg("--default-signal=INT,TERM,HUP").arg(command.get_program()).args(command.get_args());
    env
}

#[test]
fn signal_ends_an_apply_between_two_steps_and_the_same_call_goes_on() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let image = start();
        let child = in_the_middle(&image, hearing(&gated(&image)));
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        open_gate(&image);
        let ran = Ran::of(&child.wait_with_output().unwrap()).says(
            5,
            "edge-fixture: interrupted by a signal
             hint: run the same command again to resume",
        );
        assert!(ran.stdout.ends_with("wrote /etc/key: a key  [undo: exact]\n"), "{}", ran.stdout);
        assert_eq!((image.tree.read("etc/key"), image.tree.read("etc/b")), ("k".into(), "one\n".into()));
        let again = image.named(&Ran::of(&gated(&image).output().unwrap())).expect(0);
        assert_eq!(again.stdout, "wrote /etc/b: for the test  [undo: exact]\n1 change\n");
        // It is one run, and undone as one.
        image.undo().says(0, "");
        assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "one\n".into()));
        assert!(!image.tree.at("etc/key").exists());
        assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
    }
}

#[test]
fn signal_that_the_caller_ignores_ends_nothing() {
    let image = start();
    let argv = gated(&image);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(argv.get_program()).args(argv.get_args());
    let child = in_the_middle(&image, shell);
    for signal in [Signal::SIGHUP, Signal::SIGPIPE] {
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    }
    open_gate(&image);
    Ran::of(&child.wait_with_output().unwrap()).says(0, "");
    assert_eq!(image.tree.read("etc/b"), "two\n");
}

#[test]
fn lock_wait_is_ended_by_a_signal() {
    let image = start();
    let mut holder = in_the_middle(&image, gated(&image));
    image.plan("other", r#"[{"write": "/etc/c", "text": "x"}]"#);
    let waiting = spawn(hearing(&image.command(&["apply", "--plan", "PLANS/other"])));
    // It hears the signal from when it catches it: bit SIGINT - 1 of that mask.
    let status = format!("/proc/{}/status", waiting.id());
    wait_until("the wait for the lock", || {
        let text = fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & (1 << (Signal::SIGINT as i32 - 1)) != 0
    });
    kill(Pid::from_raw(waiting.id() as i32), Signal::SIGINT).unwrap();
    Ran::of(&waiting.wait_with_output().unwrap()).expect(5);
    open_gate(&image);
    assert!(holder.wait().unwrap().success());
    assert!(!image.tree.at("etc/c").exists());
}

#[test]
fn undo_is_not_stopped_by_a_reader_that_goes_away() {
    let image = start();
    let lines: Vec<String> = (0..300).map(|n| format!(r#"{{"write": "/etc/{n}", "text": "{n}\n"}}"#)).collect();
    image.apply(&format!("[{}]", lines.join(","))).expect(0);
    let mut child = spawn(image.command(&["undo"]));
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "removed /etc/299: it did not exist before\n");
    assert!(child.wait().unwrap().success());
    assert!(!image.tree.at("etc/0").exists());
}

#[test]
fn program_that_runs_when_the_signal_comes_is_left_to_its_end() {
    if !can_unshare() {
        return skip("host_lock program", "no mount namespace can be made here");
    }
    // As a terminal does it: the signal goes to the whole group.
    transcript(
        FIXTURE,
        r#"
        echo one > b
        plan '[{"run": ["sh", "-c", "ls /proc/$$/fd > /mnt/running; sleep 0.5; touch /mnt/ended"],
                "probe": ["test", "-e", "/mnt/ended"]}, {"write": "/mnt/b", "text": "two"}]'
        setsid sh -c 'trap : TERM; echo $$ > group
            "$FIXTURE" --force-namespace apply --plan /mnt/plan.json; echo "exit $?"' &
        while [ ! -s running ]; do sleep 0.01; done
        kill -s TERM -- "-$(cat group)"
        wait
        ls
        # Nothing of the utility is open in a program: no lock, no journal, no directory.
        sh -c 'ls /proc/$$/fd > /mnt/usual'
        cmp running usual
        apply
        "#,
        "ran sh -c ls /proc/$$/fd > /mnt/running; sleep 0.5; touch /mnt/ended: a command  [undo: none]
        edge-fixture: interrupted by a signal
        hint: run the same command again to resume
        exit 5
        b
        ended
        group
        plan.json
        running
        wrote /mnt/b: for the test  [undo: exact]
        1 change
        exit 0",
    );
}
