//! Real programs, mostly the shell's.

use std::thread;
use std::time::Instant;

use super::*;

fn shell(script: &str) -> Cmd {
    Cmd::find("sh").unwrap().arg("-c").arg(script)
}

#[test]
fn missing_program_is_named() {
    let error = Cmd::find("no-such-program-here").unwrap_err();
    assert!(error.to_string().starts_with("cannot find the program no-such-program-here in /usr/sbin:"));
}

#[test]
fn failure_shows_argv_status_and_the_end_of_stderr() {
    let error = shell("echo one >&2; echo two >&2; exit 3").run().unwrap_err();
    assert!(error.to_string().ends_with(": exit status: 3: one; two"), "{error}");
    assert!(error.to_string().starts_with("cannot run sh -c "), "{error}");
}

#[test]
fn environment_is_cleared_and_the_locale_is_c() {
    let printed = shell("echo $LC_ALL,$CARGO_MANIFEST_DIR,$PATH").run().unwrap().stdout;
    assert_eq!(printed, format!("C,,{SEARCH_PATH}\n"));
}

#[test]
fn variables_and_the_directory_are_as_set() {
    let printed = shell("echo $A,$LC_ALL,$PWD").env("A", "b").env("LC_ALL", "d").dir("/usr").run().unwrap().stdout;
    assert_eq!(printed, "b,d,/usr\n");
}

#[test]
fn interrupt_ends_a_stoppable_program() {
    let (interrupt, begin) = (Interrupt::default(), Instant::now());
    let raise = interrupt.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        raise.set();
    });
    let error = shell("sleep 60").ended_by(interrupt).run().unwrap_err();
    assert_eq!(error.exit(), crate::Exit::Interrupted);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn program_past_its_deadline_is_ended_with_its_children() {
    let begin = Instant::now();
    let error = shell("sleep 60 & sleep 60").deadline(Duration::from_millis(200)).run().unwrap_err();
    assert!(error.to_string().contains("still running after 0 s"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn daemon_that_a_program_leaves_running_is_not_waited_for() {
    let begin = Instant::now();
    let output = shell("echo printed; sleep 20 & exit 0").run().unwrap();
    assert_eq!(output.stdout, "printed\n");
    // In another session, so that no signal reaches it, with all three pipes open.
    let input = vec![b'x'; 1 << 20];
    let late = shell("setsid sleep 20 & sleep 20").stdin(input).deadline(Duration::from_millis(100)).run();
    let message = late.unwrap_err().to_string();
    assert!(message.ends_with("sleep 20: still running after 0 s"), "{message}");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn child_that_ignores_sigterm_is_killed_with_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("(trap '' TERM; echo $$; exec sleep 60) & echo $! > {}; wait", pid.display());
    shell(&script).deadline(Duration::from_millis(100)).run().unwrap_err();
    let stat = std::path::Path::new("/proc").join(std::fs::read_to_string(&pid).unwrap().trim()).join("stat");
    let gone = || std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
    assert!((0..100).any(|_| gone() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
}

#[test]
fn long_run_is_reported() {
    let every = Duration::from_millis(100);
    let mut reported = Vec::new();
    shell("sleep 1").report_every(every).run_reporting(&mut |elapsed| reported.push(elapsed)).unwrap();
    assert!(reported.len() >= 2 && reported.iter().zip(1..).all(|(at, nth)| *at >= every * nth), "{reported:?}");
}

#[test]
fn input_reaches_the_program_and_a_lot_of_output_does_not_block() {
    let output = shell("cat; yes | head -c 1000000 >&2").stdin("hello").run().unwrap();
    assert_eq!(output.stdout, "hello");
    assert_eq!(output.stderr.len(), 1_000_000);
}
