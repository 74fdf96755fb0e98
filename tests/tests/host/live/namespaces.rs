//! Kernel values and commands on a private live host: done, interrupted, undone.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::live::{can_unshare, script, transcript};
use edgeutils_tests::{kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

/// A file, a command with a probe that follows it, and one without.
const PLAN: &str = r#"plan '[{"write": "/mnt/conf", "text": "new\n"},
    {"run": ["sh", "-c", "echo start >> /mnt/log; touch /mnt/up"], "inverse": ["sh", "-c", "echo stop >> /mnt/log; rm /mnt/up"],
     "probe": ["test", "-e", "/mnt/up"]},
    {"run": ["sh", "-c", "echo reload >> /mnt/log"], "inverse": ["sh", "-c", "echo unload >> /mnt/log"]}]'
"#;

fn live(test: &str, text: &str, want: &str) {
    if can_unshare() {
        transcript(FIXTURE, text, want);
    } else {
        skip(&format!("host_live {test}"), "no mount namespace can be made here");
    }
}

#[test]
fn kernel_value_is_set_and_restored() {
    // The kernel shows the two numbers with a tab between, however they were written.
    live(
        "set",
        r#"
        range=/proc/sys/net/ipv4/ip_local_port_range
        echo 30000 40000 > $range
        plan '[{"set": "'$range'", "text": "31000 41000"}]'
        apply -n; cat $range
        apply; cat $range
        edge undo -n
        edge undo; cat $range
        edge undo
        apply > /dev/null; echo 5000 6000 > $range
        edge undo; cat $range
        plan '[{"set": "/proc/sys/net/ipv4/ip_forward", "text": "nonsense"}]'; apply
        plan '[{"set": "/proc/sys/no/such", "text": "1"}]'; apply
        "#,
        "would set /proc/sys/net/ipv4/ip_local_port_range to 31000 41000: a value  [undo: exact]
        1 change would be made
        exit 3
        30000	40000
        set /proc/sys/net/ipv4/ip_local_port_range to 31000 41000: a value  [undo: exact]
        1 change
        exit 0
        31000	41000
        would set /proc/sys/net/ipv4/ip_local_port_range: previous value 30000	40000
        31000	41000 -> 30000	40000
        1 change would be made
        exit 3
        set /proc/sys/net/ipv4/ip_local_port_range: previous value 30000	40000
        reverted run 1
        exit 0
        30000	40000
        nothing to undo
        exit 0
        edge-fixture: cannot restore /proc/sys/net/ipv4/ip_local_port_range: it is 5000	6000 now, the run had set 31000 41000
        hint: to restore 30000	40000 anyway: edge-fixture undo --id 2 --force; to keep the run: edge-fixture undo --id 2 --skip
        reverted 0 of 1 change of run 2
        exit 4
        5000	6000
        could not set /proc/sys/net/ipv4/ip_forward to nonsense: a value  [undo: exact]
        edge-fixture: cannot set /proc/sys/net/ipv4/ip_forward: Invalid argument (os error 22)
        exit 1
        edge-fixture: note: run 3 was interrupted; what it had done was read from the host
        edge-fixture: cannot read /proc/sys/no/such: No such file or directory (os error 2)
        exit 1",
    );
}

#[test]
fn commands_are_run_once_and_undone_in_reverse() {
    live(
        "run",
        &format!(
            "{PLAN}
            apply; apply; cat log; : > log
            edge undo; cat log; ls; edge undo"
        ),
        "wrote /mnt/conf: for the test  [undo: exact]
        ran sh -c echo start >> /mnt/log; touch /mnt/up: a command  [undo: inverse]
        ran sh -c echo reload >> /mnt/log: a command  [undo: inverse]
        3 changes
        exit 0
        already up to date
        exit 0
        start
        reload
        ran sh -c echo unload >> /mnt/log
        ran sh -c echo stop >> /mnt/log; rm /mnt/up
        removed /mnt/conf: it did not exist before
        reverted run 1
        exit 0
        unload
        stop
        log
        plan.json
        nothing to undo
        exit 0",
    );
}

#[test]
fn failed_command_is_reported_and_run_by_the_same_call() {
    live(
        "failing command",
        r#"
        plan '[{"write": "/mnt/conf", "text": "new\n"},
               {"run": ["sh", "-c", "echo no luck >&2; [ -e /mnt/luck ]"], "inverse": ["sh", "-c", "echo back >> /mnt/log"]}]'
        apply
        touch luck; apply; apply
        edge undo; cat log
        rm luck; apply > /dev/null
        # It failed, so there is nothing of it to undo.
        edge undo; cat log
        plan '[{"run": ["no-such-program"], "probe": ["false"]}, {"write": "/mnt/never", "text": "x"}]'; apply; ls
        "#,
        "wrote /mnt/conf: for the test  [undo: exact]
        could not run sh -c echo no luck >&2; [ -e /mnt/luck ]: a command  [undo: inverse]
        edge-fixture: cannot run sh -c echo no luck >&2; [ -e /mnt/luck ]: exit status: 1: no luck
        hint: run the same command again to resume, or `edge-fixture undo --id 1` to undo what was done
        exit 1
        ran sh -c echo no luck >&2; [ -e /mnt/luck ]: a command  [undo: inverse]
        1 change
        exit 0
        already up to date
        exit 0
        ran sh -c echo back >> /mnt/log
        removed /mnt/conf: it did not exist before
        reverted run 1
        exit 0
        back
        edge-fixture: cannot run sh -c echo no luck >&2; [ -e /mnt/luck ]: exit status: 1: no luck
        hint: run the same command again to resume, or `edge-fixture undo --id 2` to undo what was done
        edge-fixture: warning: `sh -c echo no luck >&2; [ -e /mnt/luck ]` of the interrupted run 2 was not run
        edge-fixture: note: run 2 was interrupted; what it had done was read from the host
        removed /mnt/conf: it did not exist before
        reverted run 2
        exit 0
        back
        edge-fixture: cannot find the program no-such-program in /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
        hint: install the package that contains no-such-program and run again
        exit 1
        log
        plan.json",
    );
}

#[test]
fn command_that_fails_after_its_work_counts_as_done_and_is_undone() {
    live(
        "failed after its work",
        r#"
        plan '[{"run": ["sh", "-c", "touch /mnt/up; echo too late >&2; exit 1"], "inverse": ["rm", "/mnt/up"],
                "probe": ["test", "-e", "/mnt/up"]}]'
        apply; ls
        edge undo; ls
        "#,
        "edge-fixture: warning: cannot run sh -c touch /mnt/up; echo too late >&2; exit 1: exit status: 1: too late; its work is done anyway
        ran sh -c touch /mnt/up; echo too late >&2; exit 1: a command  [undo: inverse]
        1 change
        exit 0
        plan.json
        up
        ran rm /mnt/up
        reverted run 1
        exit 0
        plan.json",
    );
}

/// A file, and a script that leaves `two` in another.
const SCRIPT: &str = r#"plan '[{"write": "/mnt/conf", "text": "new\n"},
    {"script": ["sh"], "text": "echo script >> /mnt/log; printf two > /mnt/state", "state": "/mnt/state", "after": "two"}]'
    printf one > /mnt/state
"#;

#[test]
fn script_is_undone_from_the_current_state() {
    live(
        "script",
        &format!(
            r#"{SCRIPT}
            apply -n; cat log
            apply; apply; cat state; echo; edge undo --list | sed 's/.*done/done/'
            edge undo -n; edge undo; cat state; echo
            # Somebody has brought it back already: nothing is run.
            apply > /dev/null; printf one > state; : > log; edge undo; cat log
            # Another run of it came later.
            apply > /dev/null
            plan '[{{"script": ["sh"], "text": "printf three > /mnt/state", "state": "/mnt/state", "after": "three"}}]'
            apply > /dev/null; edge undo --id 3; edge undo > /dev/null; edge undo > /dev/null; cat state; echo
            # It failed by itself, so there is nothing to undo; after a signal it is unknown.
            for end in 'exit 1' 'kill -9 $$'; do
                plan "[{{\"script\": [\"sh\"], \"text\": \"printf four > /mnt/state; $end\", \"state\": \"/mnt/state\", \"after\": \"four\"}}]"
                apply > printed; tail -2 printed; edge undo > printed; tail -3 printed; cat state; echo; printf one > state
            done
            "#
        ),
        "would write /mnt/conf: for the test  [undo: exact]
        would run sh: a script  [undo: inverse]
        2 changes would be made
        exit 3
        cat: log: No such file or directory
        wrote /mnt/conf: for the test  [undo: exact]
        ran sh: a script  [undo: inverse]
        2 changes
        exit 0
        already up to date
        exit 0
        two
        done        edge-fixture --force-namespace apply --plan /mnt/plan.json: /mnt/conf, the state in /mnt/state
        exit 0
        would run sh: previous state
        printf %s 'one' > /mnt/state; echo back >> /mnt/log
        would remove /mnt/conf: it did not exist before
        2 changes would be made
        exit 3
        ran sh: previous state
        printf %s 'one' > /mnt/state; echo back >> /mnt/log
        removed /mnt/conf: it did not exist before
        reverted run 1
        exit 0
        one
        skipped sh: already restored
        removed /mnt/conf: it did not exist before
        reverted run 2
        exit 0
        edge-fixture: cannot undo the change of the state in /mnt/state: run 4 of edge-fixture changed it later
        hint: undo that run first: edge-fixture undo --id 4; to keep the run: edge-fixture undo --id 3 --skip
        removed /mnt/conf: it did not exist before
        reverted 1 of 2 changes of run 3
        exit 4
        one
        edge-fixture: cannot run sh: exit status: 1
        could not run sh: a script  [undo: inverse]
        exit 1
        edge-fixture: note: run 5 was interrupted; what it had done was read from the host
        nothing to undo
        exit 0
        four
        edge-fixture: cannot run sh: signal: 9 (SIGKILL)
        could not run sh: a script  [undo: inverse]
        exit 1
        edge-fixture: note: run 6 was interrupted; what it had done was read from the host
        printf %s 'one' > /mnt/state; echo back >> /mnt/log
        reverted run 6
        exit 0
        one",
    );
}

#[test]
fn next_call_waits_for_the_program_of_a_killed_call() {
    live(
        "a killed call",
        r#"
        plan '[{"script": ["sh"], "text": "touch /mnt/begun; sleep 2; printf two > /mnt/state", "state": "/mnt/state", "after": "two"}]'
        printf one > state
        "$FIXTURE" --force-namespace apply --plan /mnt/plan.json > /dev/null 2>&1 & own=$!
        until [ -e begun ]; do sleep 0.05; done
        kill -9 $own; wait $own 2> /dev/null
        cat state; echo
        # In a PID namespace, the kernel does not tell who took the lock once that process has ended.
        [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] && other=none || other='another process'
        apply --lock-wait 0 2>&1 | sed "s/$other/a program that edge-fixture has started/"
        # What it left is in place before this one looks.
        apply; cat state; echo
        edge undo | tail -1; cat state; echo
        # And it gives the lock back with its end.
        apply --lock-wait 0 | tail -1
        "#,
        "one
        edge-fixture: cannot get the lock: held by a program that edge-fixture has started, waited 0 s
        hint: run again when it has ended, or wait longer with --lock-wait SECONDS
        exit 1
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        already up to date
        exit 0
        two
        exit 0
        one
        exit 0",
    );
}

/// Kills an apply of [`PLAN`] at the nth of a system call, then goes on with `then`. What the log of
/// the commands holds after that and which files are there; `None` where there was nothing to kill.
fn killed(call: &str, nth: usize, then: &str) -> Option<(String, String)> {
    let text = format!(
        "{PLAN}
        strace -qq -o /dev/null -e inject={call}:signal=SIGKILL:when={nth} \
            \"$FIXTURE\" --force-namespace apply --plan /mnt/plan.json > /dev/null 2>&1
        [ $? -eq 137 ] || exit 7
        touch log; {{ {then}; }} > /dev/null 2>&1
        echo $(cat log); echo *"
    );
    let ran = script(FIXTURE, &text);
    if ran.code == 7 {
        return None;
    }
    let (log, files) = ran.stdout.split_once('\n').unwrap();
    Some((log.to_owned(), files.trim().to_owned()))
}

#[test]
fn apply_killed_around_its_commands_runs_each_once_or_undoes_it() {
    if !(can_unshare() && kill::can_kill()) {
        return skip("host_live killed", "no mount namespace can be made here, or strace cannot trace");
    }
    let mut kills = 0;
    // Without -f only our own calls are counted: records written and synced, files renamed, and what
    // comes right before and after a program (clone, waiting for it, reading its output).
    for call in ["write", "fdatasync", "renameat", "wait4,waitid", "poll", "clone,clone3,vfork"] {
        for nth in 1..=16 {
            let Some((log, files)) = killed(call, nth, "apply; edge undo") else { break };
            kills += 1;
            let case = format!("{call} {nth}: {log}, {files}");
            assert_eq!(files, "log plan.json", "{case}");
            let count = |word: &str| log.split(' ').filter(|have| *have == word).count();
            // The probe tells whether it was run; without one it is run again where that is not known.
            assert_eq!((count("start"), count("stop"), count("unload")), (1, 1, 1), "{case}");
            assert!((1..=2).contains(&count("reload")), "{case}");

            // How often a program is waited for differs from run to run.
            let Some((log, files)) = killed(call, nth, "edge undo") else { continue };
            let case = format!("undo after {call} {nth}: {log}, {files}");
            assert_eq!(files, "log plan.json", "{case}");
            let count = |word: &str| log.split(' ').filter(|have| *have == word).count();
            assert_eq!(count("start"), count("stop"), "{case}");
            assert!(count("reload") <= count("unload") && count("unload") <= 1, "{case}");
        }
    }
    assert!(kills > 15, "only {kills} kills");
}
