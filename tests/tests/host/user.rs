//! A user who is not root edits files of their own: journal and lock are their own, too.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use edgeutils_tests::kill;
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{is_root, skip};

const UID: u32 = 65_534;
const YAML: &str = "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edgeHub:\n    \
                    heartbeat: 15\n";
const SET: &[&str] =
    &["--kubeedge-version", "1.18", "--file", "conf/edgecore.yaml", "set", "modules.edgeHub.heartbeat=20"];
const HINT: &str = "hint: use a directory of your own for the journal: export XDG_STATE_HOME=DIR\n";

/// A directory with the utilities, a home and a configuration, all of the user.
struct User {
    tree: Tree,
}

impl User {
    /// None with a skip where another user's rights cannot be tried.
    fn new(test: &str) -> Option<User> {
        if !is_root() {
            skip(test, "another user's rights need root");
            return None;
        }
        let tree = Tree::empty();
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The utilities may be where nobody else can go.
        for name in ["edge-conf", "edge-certgen"] {
            fs::copy(tool::path(name), tree.at(name)).unwrap();
        }
        tree.write("conf/edgecore.yaml", YAML);
        for dir in ["home", "conf"] {
            fs::create_dir_all(tree.at(dir)).unwrap();
            chown(tree.at(dir), Some(UID), Some(UID)).unwrap();
        }
        chown(tree.at("conf/edgecore.yaml"), Some(UID), Some(UID)).unwrap();
        Some(User { tree })
    }

    fn home(&self) -> PathBuf {
        self.tree.at("home")
    }

    fn state(&self) -> PathBuf {
        self.home().join(".local/state/edgeutils")
    }

    fn argv(&self, name: &str, args: &[&str]) -> Vec<String> {
        let program = self.tree.at(name).to_str().unwrap().to_owned();
        let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &program];
        words.iter().chain(args).map(|word| (*word).to_owned()).collect()
    }

    fn command(&self, argv: &[String], env: &[(&str, &Path)]) -> Command {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(self.tree.path()).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(env.iter().copied());
        command
    }

    fn run_in(&self, env: &[(&str, &Path)], name: &str, args: &[&str]) -> Ran {
        Ran::of(&self.command(&self.argv(name, args), env).output().unwrap())
    }

    fn run(&self, name: &str, args: &[&str]) -> Ran {
        self.run_in(&[("HOME", &self.home())], name, args)
    }

    fn conf(&self) -> String {
        self.tree.read("conf/edgecore.yaml")
    }

    fn owner(&self, path: &str) -> (u32, u32, u32) {
        let meta = fs::metadata(self.tree.at(path)).unwrap();
        (meta.mode() & 0o7777, meta.uid(), meta.gid())
    }
}

#[test]
fn user_edits_and_undoes_their_own_file() {
    let Some(user) = User::new("user_edits_and_undoes_their_own_file") else { return };
    user.run("edge-conf", &[SET, &["-n"]].concat()).expect(3);
    assert!(!user.state().exists(), "a dry run needs no journal");
    user.run("edge-conf", SET).expect(0);
    assert!(user.conf().contains("heartbeat: 20"));
    assert_eq!(user.owner("conf/edgecore.yaml"), (0o644, UID, UID));
    assert!(user.run("edge-conf", SET).expect(0).stdout.ends_with("already up to date\n"));
    for (path, mode) in [
        (".local", 0o700),
        (".local/state/edgeutils", 0o700),
        (".local/state/edgeutils/lock", 0o600),
        (".local/state/edgeutils/journal", 0o700),
        (".local/state/edgeutils/journal/000001-edge-conf.jsonl", 0o600),
    ] {
        assert_eq!(user.owner(&format!("home/{path}")), (mode, UID, UID), "{path}");
    }
    assert!(user.run("edge-conf", &["undo", "--list"]).expect(0).stdout.contains("  done  "));
    user.run("edge-conf", &["undo", "-n"]).expect(3);
    user.run("edge-conf", &["undo"]).expect(0);
    assert_eq!(user.conf(), YAML);
    // Root and other users have runs of their own.
    let ran = user.run("edge-conf", &["undo"]).expect(0);
    let hint = "only the runs of this user are undone; for those of root: sudo edge-conf undo\n";
    assert!(ran.stdout.ends_with("nothing to undo\n") && ran.stderr.ends_with(hint), "{ran:?}");
}

#[test]
fn user_makes_certificates_in_directories_of_their_own() {
    let Some(user) = User::new("user_makes_certificates_in_directories_of_their_own") else { return };
    let dirs: &[&str] = &["--ca-dir", "conf/ca", "--cert-dir", "conf/certs"];
    user.run("edge-certgen", &[&["server", "--ip", "192.0.2.1"], dirs].concat()).expect(0);
    assert_eq!(user.owner("conf/certs/server.key"), (0o600, UID, UID));
    user.run("edge-certgen", &[&["check", "server"], dirs].concat()).expect(0);
    user.run("edge-certgen", &[&["server", "--ip", "192.0.2.1", "--new-key", "--force"], dirs].concat()).expect(0);
    for _ in 0..2 {
        user.run("edge-certgen", &["undo"]).expect(0);
    }
    assert!(!user.tree.at("conf/ca").exists() && !user.tree.at("conf/certs").exists());
    // By the variables of certgen.sh, and a CA alone.
    let (home, ca) = (user.home(), user.tree.at("conf/ca"));
    user.run_in(&[("HOME", &home), ("CA_PATH", &ca)], "edge-certgen", &["ca"]).expect(0);
    assert!(ca.join("rootCA.key").exists());
}

#[test]
fn user_cannot_change_the_host() {
    let Some(user) = User::new("user_cannot_change_the_host") else { return };
    let calls: [(&str, &[&str]); 4] = [
        ("edge-conf", &["set", "modules.edgeHub.heartbeat=20"]),
        ("edge-conf", &["env", "A=b"]),
        ("edge-conf", &[SET, &["--restart"]].concat()),
        ("edge-certgen", &["server", "--ip", "192.0.2.1", "--ca-dir", "conf/ca"]),
    ];
    for (tool, args) in calls {
        let ran = user.run(tool, args).expect(1);
        let refused = format!("{tool}: cannot change this host: not run as root\nhint: run it with sudo, ");
        assert!(ran.stderr.starts_with(&refused), "{args:?}: {}", ran.stderr);
    }
    assert!(!user.state().exists() && user.conf() == YAML);
}

#[test]
fn user_state_is_where_the_variables_say() {
    let Some(user) = User::new("user_state_is_where_the_variables_say") else { return };
    let (home, own) = (user.home(), user.home().join("state"));
    let nowhere = Path::new("/proc/nowhere");
    let set = |value: u32, env: &[(&str, &Path)]| {
        let value = format!("modules.edgeHub.heartbeat={value}");
        user.run_in(env, "edge-conf", &[&SET[..5], &[&value]].concat())
    };
    set(20, &[("HOME", nowhere), ("XDG_STATE_HOME", &own)]).expect(0);
    assert!(own.join("edgeutils/journal").exists() && !user.state().exists());
    // A relative path is ignored, as the specification has it.
    set(21, &[("HOME", &home), ("XDG_STATE_HOME", Path::new("relative"))]).expect(0);
    assert!(user.state().exists());
    let before = user.conf();
    let absent: &[&[(&str, &Path)]] =
        &[&[], &[("HOME", Path::new(""))], &[("HOME", Path::new("h")), ("XDG_STATE_HOME", Path::new("s"))]];
    for env in absent {
        let text =
            "edge-conf: cannot find a directory for the journal: neither XDG_STATE_HOME nor HOME is an absolute path\n";
        assert_eq!(set(30, env).expect(4).stderr, format!("{text}{HINT}"));
        user.run_in(env, "edge-conf", &["undo", "--list"]).expect(4);
        user.run_in(env, "edge-conf", &["undo"]).expect(4);
        // What changes nothing needs no journal.
        user.run_in(env, "edge-conf", &["--file", "conf/edgecore.yaml", "get", "modules.edgeHub.heartbeat"]).expect(0);
        user.run_in(env, "edge-conf", &[SET, &["-n"]].concat()).expect(3);
    }
    for (env, what) in
        [("/", "cannot make /.local/state/edgeutils: Permission denied"), ("/proc", "cannot make /proc/.local")]
    {
        let ran = set(30, &[("HOME", Path::new(env))]).expect(1);
        assert!(ran.stderr.contains(what) && (env == "/proc" || ran.stderr.ends_with(HINT)), "{}", ran.stderr);
    }
    assert_eq!(user.conf(), before);
}

#[test]
fn user_state_that_others_could_replace_is_refused() {
    let Some(user) = User::new("user_state_that_others_could_replace_is_refused") else { return };
    let set = |state: &Path| user.run_in(&[("XDG_STATE_HOME", state)], "edge-conf", SET);
    let refused = |state: &Path, cause: &str| {
        let ran = set(state).expect(4);
        assert!(ran.stderr.contains(cause), "{}", ran.stderr);
        assert_eq!(user.conf(), YAML);
    };
    let dir = |name: &str, mode: u32, owner: u32| {
        let path = user.tree.at(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let parent = "a parent directory belongs to another user or is writable by others";
    refused(&dir("of-another", 0o755, 1000), parent);
    refused(&dir("shared", 0o777, 0), parent);
    let shared = dir("shared/of-user", 0o700, UID);
    refused(&shared, parent);
    // In a sticky directory like /tmp only the owner can replace it.
    let sticky = dir("sticky", 0o1777, 0);
    fs::create_dir(sticky.join("edgeutils")).unwrap();
    chown(sticky.join("edgeutils"), Some(1000), Some(1000)).unwrap();
    refused(&sticky, "it belongs to another user or is writable by others");
    fs::remove_dir(sticky.join("edgeutils")).unwrap();
    symlink(user.home(), sticky.join("edgeutils")).unwrap();
    std::os::unix::fs::lchown(sticky.join("edgeutils"), Some(1000), Some(1000)).unwrap();
    refused(&sticky, "edgeutils is a symbolic link in a directory that is writable by others");
    fs::remove_file(sticky.join("edgeutils")).unwrap();
    set(&sticky).expect(0);
    // A link of one's own is one's own choice.
    let linked = user.home().join("linked");
    symlink(dir("elsewhere", 0o700, UID), &linked).unwrap();
    std::os::unix::fs::lchown(&linked, Some(UID), Some(UID)).unwrap();
    user.run_in(&[("XDG_STATE_HOME", &linked)], "edge-conf", &[&SET[..5], &["modules.edgeHub.heartbeat=21"]].concat())
        .expect(0);
    assert!(user.tree.at("elsewhere/edgeutils/journal").exists());
}

#[test]
fn user_writes_in_place_what_cannot_be_replaced() {
    let Some(user) = User::new("user_writes_in_place_what_cannot_be_replaced") else { return };
    let (file, dir) = (user.tree.at("conf/edgecore.yaml"), user.tree.at("conf"));
    // Owner and group of the file, its mode, owner and mode of the directory.
    let cases = [
        ("a group without the user", (UID, 0), 0o644, UID, true),
        ("a file of root that all may write", (0, 0), 0o666, UID, true),
        ("a file of a directory of root", (UID, UID), 0o600, 0, true),
        ("a file of root", (0, 0), 0o644, UID, false),
        ("a file of root in a directory of root", (0, 0), 0o644, 0, false),
    ];
    for (what, (uid, gid), mode, dir_owner, can_write) in cases {
        fs::write(&file, YAML).unwrap();
        chown(&file, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        chown(&dir, Some(dir_owner), Some(dir_owner)).unwrap();
        let ran = user.run("edge-conf", SET).expect(if can_write { 0 } else { 1 });
        assert_eq!(user.conf() != YAML, can_write, "{what}");
        if can_write {
            user.run("edge-conf", &["undo"]).expect(0);
        } else {
            let stderr = &ran.stderr;
            assert!(
                stderr.contains("edgecore.yaml: ") && stderr.ends_with("hint: run it as root (sudo)\n"),
                "{stderr}"
            );
        }
        assert_eq!((user.conf().as_str(), user.owner("conf/edgecore.yaml")), (YAML, (mode, uid, gid)), "{what}");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "{what}: nothing is left beside it");
    }
}

#[test]
fn user_run_that_was_killed_is_recovered() {
    if !kill::can_kill() {
        return skip("user_run_that_was_killed_is_recovered", "strace cannot trace here");
    }
    let Some(user) = User::new("user_run_that_was_killed_is_recovered") else { return };
    let own = user.argv("edge-conf", SET);
    for call in ["renameat", "fdatasync", "mkdirat"] {
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned);
        let inject = [format!("inject={call}:signal=SIGKILL:when=1")];
        let argv: Vec<String> = strace.into_iter().chain(inject).chain(own.clone()).collect();
        let killed = user.command(&argv, &[("HOME", &user.home())]).output().unwrap();
        assert!(!killed.status.success(), "{call}");
        user.run("edge-conf", SET).expect(0);
        assert!(user.conf().contains("heartbeat: 20"), "{call}");
        user.run("edge-conf", &["undo"]).expect(0);
        assert_eq!(user.conf(), YAML, "{call}");
        fs::remove_dir_all(user.home().join(".local")).unwrap();
    }
}

#[test]
fn user_journal_is_pruned() {
    let Some(user) = User::new("user_journal_is_pruned") else { return };
    for value in 0..25 {
        user.run("edge-conf", &[&SET[..5], &[&format!("modules.edgeHub.heartbeat={}", 20 + value)]].concat()).expect(0);
    }
    let names = fs::read_dir(user.state().join("journal")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.collect();
    assert!(names.len() == 21 && names.iter().any(|name| name == "first.jsonl"), "{names:?}");
}
