//! The contract of every utility: exit codes, records, dry runs, and where live changes are refused.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edgeutils_tests::image::Image;
use edgeutils_tests::live::{can_unshare, script};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{is_root, kill, skip};
use serde_json::{Value, json};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const PLAN: &str = r#"[{"write": "/etc/a", "text": "two\n"}, {"remove": "/etc/b"}]"#;

fn start() -> Image {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.plan("plan.json", PLAN);
    image
}

/// The records of a call; the last one is taken off and must be the result.
#[track_caller]
fn records(ran: &Ran) -> (Vec<Value>, Value) {
    let mut records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().all(|record| record["v"] == 1 && record["type"].is_string()), "{}", ran.stdout);
    let result = records.pop().unwrap();
    assert!(records.iter().all(|record| record["type"] != "result"), "{}", ran.stdout);
    (records, result)
}

fn result(exit: i32, changed: bool, run: Option<u64>) -> Value {
    json!({"v": 1, "type": "result", "exit": exit, "changed": changed, "reboot": false, "run": run})
}

#[test]
fn call_ends_with_its_code_and_its_record() {
    let image = start();
    let apply: &[&str] = &["apply", "--plan", "PLANS/plan.json", "--json"];
    image.plan("bad.json", "{");
    image.plan("panic.json", r#"[{"panic": 1}]"#);
    let calls: [(&[&str], i32, bool, Option<u64>); 17] = [
        (&["undo", "--json"], 0, false, None),
        (&["apply", "--plan", "PLANS/plan.json", "--json", "-n"], 3, true, None),
        (apply, 0, true, Some(1)),
        (&["apply", "--plan", "PLANS/plan.json", "--json", "-n"], 0, false, None),
        (apply, 0, false, None),
        (&["undo", "--json", "-n"], 3, true, Some(1)),
        (&["--json", "undo"], 0, true, Some(1)),
        (&["undo", "--json", "--id", "9"], 1, false, None),
        (&["undo", "--json", "--id", "x"], 2, false, None),
        (&["undo", "--json", "--id", "1", "--list"], 2, false, None),
        (&["--json"], 2, false, None),
        (&["nonsense", "--json"], 2, false, None),
        // Their text is on standard error.
        (&["--json", "--help"], 0, false, None),
        (&["undo", "-h", "--json"], 0, false, None),
        (&["--version", "--json"], 0, false, None),
        (&["apply", "--plan", "PLANS/bad.json", "--json"], 2, false, None),
        (&["apply", "--plan", "PLANS/panic.json", "--json"], 1, false, None),
    ];
    for (args, exit, changed, run) in calls {
        let ran = image.run(args).expect(exit);
        let (records, last) = records(&ran);
        assert_eq!(last, result(exit, changed, run), "{args:?}");
        let errors: Vec<&Value> = records.iter().filter(|record| record["type"] == "error").collect();
        assert_eq!(errors.len(), usize::from(exit != 0 && exit != 3), "{args:?}: {}", ran.stdout);
        for error in errors {
            assert_eq!(error["exit"], exit);
            // The same for people, on stderr.
            let text = error["text"].as_str().unwrap();
            assert!(ran.stderr.starts_with(&format!("edge-fixture: {text}\n")), "{}", ran.stderr);
            let hint = error["hint"].as_str().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            assert!(ran.stderr.ends_with(&hint) && !text.contains('\n'), "{}", ran.stderr);
        }
    }
    let ran = Tool::program(Path::new(FIXTURE)).args(["--json", "--root", "/nowhere-at-all", "undo"]).run();
    assert_eq!(records(&ran.expect(1)).1, result(1, false, None));
}

#[test]
fn records_of_an_apply_and_an_undo() {
    let image = start();
    let (records_of, args) = (|ran: Ran| records(&ran).0, ["apply", "--plan", "PLANS/plan.json", "--json"]);
    let action = |verb: &str, object: &str, why: &str, undo: Option<&str>, status: &str| json!({"v": 1, "type": "action", "do": verb, "object": object, "why": why, "undo": undo, "details": [], "status": status});
    let both = |status: &str| {
        vec![
            action("write", "/etc/a", "for the test", Some("exact"), status),
            action("remove", "/etc/b", "not needed", Some("exact"), status),
        ]
    };
    let mut planned = both("planned");
    planned.push(json!({"v": 1, "type": "plan", "actions": 2}));
    assert_eq!(records_of(image.run(&[&args[..], &["-n"]].concat())), planned);
    assert_eq!(records_of(image.run(&args)), both("done"));
    let list = records_of(image.run(&["undo", "--list", "--json"]));
    assert_eq!((list.len(), &list[0]["type"], &list[0]["run"]), (1, &json!("run"), &json!(1)));
    assert_eq!((&list[0]["state"], &list[0]["objects"]), (&json!("done"), &json!(["/etc/a", "/etc/b"])));
    image.tree.write("etc/a", "foreign\n");
    let ran = image.run(&["undo", "--json"]).expect(4);
    let (undone, last) = records(&ran);
    assert_eq!(undone[0], action("restore", "/etc/b", "previous content", None, "done"));
    assert_eq!((&undone[1]["object"], &undone[1]["status"]), (&json!("/etc/a"), &json!("refused")));
    assert_eq!(undone[1]["details"], json!(["- two", "+ foreign"]));
    assert_eq!((&undone[2]["type"], &undone[2]["exit"]), (&json!("error"), &json!(4)));
    assert_eq!(last, result(4, true, Some(1)));
}

#[test]
fn exit_code_is_that_of_the_worst_outcome() {
    if !kill::can_kill() {
        return skip("host_contract worst", "strace cannot trace here");
    }
    // One part refused (4), another that fails (1): the whole is 1, and the third comes back.
    let image = start();
    image
        .apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"remove": "/etc/b"}, {"write": "/etc/c", "text": "x"}]"#)
        .expect(0);
    image.tree.write("etc/a", "foreign\n");
    let argv = image.argv(&["undo"]);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let ran = image.named(&kill::tampered("inject=renameat:error=EIO:when=1", &argv)).expect(1);
    assert!(ran.stderr.contains("cannot restore DIR/etc/b: Input/output error"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot undo the change of DIR/etc/a: it was changed after the run"), "{}", ran.stderr);
    assert!(!image.tree.at("etc/c").exists());
    // In a dry run a refusal counts for more than the changes.
    image.run(&["undo", "-n"]).expect(4);
    image.tree.write("etc/a", "two\n");
    image.run(&["undo", "-n"]).expect(3);
    image.undo().says(0, "");
}

#[test]
fn dry_run_and_an_empty_plan_leave_no_trace() {
    let image = start();
    let whole = || image.tree.snapshot();
    let before = whole();
    let args = ["apply", "--plan", "PLANS/plan.json"];
    let ran = image.run(&[&args[..], &["--dry-run"]].concat()).says(3, "");
    assert_eq!(
        ran.stdout,
        "would write /etc/a: for the test  [undo: exact]\nwould remove /etc/b: not needed  [undo: exact]\n2 changes would be made\n"
    );
    assert!(!image.tree.at("var").exists(), "a dry run takes no lock");
    assert_same(&whole(), &before, "after a dry run");
    image.run(&args).expect(0);
    let (after, journal) = (whole(), image.journal());
    assert_eq!(image.run(&[&args[..], &["-n"]].concat()).expect(0).stdout, "already up to date\n");
    assert_eq!(image.run(&args).expect(0).stdout, "already up to date\n");
    image.run(&["undo", "-n"]).expect(3);
    image.run(&["undo", "--list"]).expect(0);
    assert_same(&whole(), &after, "after calls that change nothing");
    assert_eq!(image.journal(), journal);
    let empty = start();
    empty.apply("[]").expect(0);
    assert!(!empty.tree.at("var/lib/edgeutils/journal").exists(), "an empty plan needs no journal");
}

#[test]
fn dry_run_needs_only_read_access() {
    if !is_root() {
        return skip("host_contract nobody", "another user's rights need root");
    }
    let image = start();
    for dir in [image.tree.path(), image.beside("").as_path()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The fixture may stand where nobody else can go.
    let program = image.beside("edge-fixture");
    fs::copy(FIXTURE, &program).unwrap();
    let nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(&image.argv(args)[1..]);
        image.named(&Ran::of(&command.output().unwrap()))
    };
    nobody(&["apply", "--plan", "PLANS/plan.json", "-n"]).says(3, "");
    nobody(&["apply", "--plan", "PLANS/plan.json"]).says(
        1,
        "edge-fixture: cannot make DIR/var/lib/edgeutils: Permission denied (os error 13)
         hint: run it as root (sudo)",
    );
    // What cannot be read is never taken for absent.
    fs::set_permissions(image.tree.at("etc/a"), fs::Permissions::from_mode(0o600)).unwrap();
    nobody(&["apply", "--plan", "PLANS/plan.json", "-n"]).says(
        1,
        "edge-fixture: cannot read DIR/etc/a: Permission denied (os error 13)
         hint: run it as root (sudo)",
    );
    image.run(&["apply", "--plan", "PLANS/plan.json"]).expect(0);
    for args in [&["undo", "--list"][..], &["undo", "-n"]] {
        let ran = nobody(args).expect(1);
        assert!(
            ran.stderr.contains("/var/lib/edgeutils") && ran.stderr.contains("Permission denied"),
            "{}",
            ran.stderr
        );
    }
    // On the running system it is reported at once, whatever the namespace.
    for force in [None, Some("--force-namespace")] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["apply", "--plan"]).arg(image.beside("plan.json")).args(force);
        Ran::of(&command.output().unwrap()).says(
            1,
            "edge-fixture: cannot change this host: not run as root
             hint: run it with sudo, or see what it would do with --dry-run",
        );
    }
    // A tree of another user needs no root.
    let own = Command::new("chown").args(["-R", "65534:65534"]).arg(image.tree.path()).status().unwrap();
    assert!(own.success());
    fs::remove_dir_all(image.tree.at("var")).unwrap();
    image.tree.write("etc/a", "one\n");
    nobody(&["apply", "--plan", "PLANS/plan.json"]).says(0, "");
    nobody(&["undo"]).says(0, "");
    assert_eq!(image.tree.read("etc/a"), "one\n");
}

#[test]
fn live_changes_are_refused_where_they_would_not_reach_the_host() {
    if !can_unshare() {
        return skip("host_contract namespaces", "no mount namespace can be made here");
    }
    // Without --force-namespace. The first process of a PID namespace counts as the first process of the host, whose
    // root is not everywhere to be looked at.
    let ran = script(
        FIXTURE,
        r#"
        plan '[{"write": "/mnt/new", "text": "x"}]'
        mkdir root; for dir in bin usr lib lib64 etc; do
            if [ -L /$dir ]; then cp -P /$dir root/; elif [ -d /$dir ]; then mkdir root/$dir; mount --bind /$dir root/$dir; fi
        done
        mkdir -p root/mnt root/proc; cp plan.json root/mnt/
        touch root/fixture; mount --bind "$FIXTURE" root/fixture
        cat > try <<'END'
        echo "$1:"; shift
        "$@" apply --plan /mnt/plan.json; echo "exit $?"
END
        unshare --pid --fork --mount-proc sh -c '
            sh try container "$FIXTURE"
            sh try namespace unshare --mount "$FIXTURE"
            sh try no-proc chroot root /fixture
            mount --bind /proc root/proc
            sh try chroot chroot root /fixture
            sh try capability setpriv --bounding-set=-sys_ptrace "$FIXTURE"'
        ls root/mnt; ls /run /var
        # Its files can still be changed, but nothing live.
        chroot root /fixture --root / apply --plan /mnt/plan.json; ls root/mnt
        "#,
    );
    let refused = |case: &str, reason: &str| {
        let hint =
            "hint: use --root / to change only the files of this tree, or --force-namespace to change this host anyway";
        format!("{case}:\nedge-fixture: cannot change this host: {reason}\n{hint}\nexit 4\n")
    };
    let want = [
        // A container's first process is its own init, so neither root nor mounts differ from it.
        refused("container", "this is a private PID namespace, as in a container"),
        refused("namespace", "this is a private mount namespace"),
        refused(
            "no-proc",
            "cannot read /proc/1/root: No such file or directory (os error 2), so it is unknown whether this is a \
             chroot or container",
        ),
        refused("chroot", "this is a chroot"),
        refused(
            "capability",
            "cannot read /proc/1/root: Permission denied (os error 13), so it is unknown whether this is a chroot or \
             container",
        ),
        "plan.json\n/run:\nmount\n\n/var:\n".to_owned(),
        "wrote /mnt/new: for the test  [undo: exact]\n1 change\nnew\nplan.json\n".to_owned(),
    ];
    // mount keeps notes of its own in /run.
    assert_eq!(ran.stdout.replace("/run:\n\n", "/run:\nmount\n\n"), want.concat());
}

#[test]
fn undo_lists_and_has_nothing_left_in_the_end() {
    let image = start();
    assert_eq!(image.run(&["undo", "--list"]).expect(0).stdout, "no runs\n");
    image.run(&["apply", "--plan", "PLANS/plan.json"]).expect(0);
    let state = || image.run(&["undo", "--list"]).expect(0).stdout.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(state(), "done");
    image.undo().expect(0);
    assert_eq!(state(), "undone");
    assert_eq!(image.undo().says(0, "").stdout, "nothing to undo\n");
    assert_eq!(image.run(&["undo", "--id", "1"]).says(0, "").stdout, "nothing to undo\n");
}
