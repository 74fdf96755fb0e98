//! edge-cni build with the real go command, and its errors.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edgeutils_tests::cni::{MODULE, builder, built, folder, no_go, own_arch, sha256};
use edgeutils_tests::tool::Ran;
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{is_root, skip};
use serde_json::Value;

fn build(out: &Path, args: &[&str]) -> Ran {
    builder().args(["build", "--version", "v1.9.1", "--plugins", "loopback", "--out"]).arg(out).args(args).run()
}

/// A go command that only prints its settings.
fn fake_go(tree: &Tree, version: &str, settings: &str) -> String {
    let script = format!("#!/bin/sh\necho '{{\"GOVERSION\": \"{version}\", \"GOTOOLCHAIN\": \"local\"{settings}}}'\n");
    tree.write("bin/go", script);
    fs::set_permissions(tree.at("bin/go"), fs::Permissions::from_mode(0o755)).unwrap();
    tree.at("bin/go").to_str().unwrap().to_owned()
}

#[test]
fn build_writes_a_manifest_and_a_second_run_builds_nothing() {
    if no_go("build_writes_a_manifest_and_a_second_run_builds_nothing") {
        return;
    }
    let tree = Tree::empty();
    let out = tree.at("out");
    let ran = build(&out, &["-n"]).expect(3);
    assert!(ran.stdout.starts_with(&format!("would build loopback of v1.9.1 for {} into ", own_arch())), "{ran:?}");
    assert!(!out.exists());
    let ran = build(&out, &["--json"]).expect(0);
    let records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let plugin = records.iter().find(|record| record["type"] == "plugin").unwrap();
    let bytes = fs::read(out.join("loopback")).unwrap();
    assert_eq!((plugin["name"].as_str(), plugin["version"].as_str()), (Some("loopback"), Some("v1.9.1")));
    assert_eq!(plugin["sha256"], sha256(&bytes));
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("edge-cni.json")).unwrap()).unwrap();
    assert_eq!(manifest["source"], MODULE);
    // As in the checksum database.
    assert_eq!(manifest["sum"], "h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=");
    assert!(manifest["go"].as_str().unwrap().starts_with("go1."), "{manifest}");
    assert_eq!(manifest["plugins"]["loopback"]["sha256"], plugin["sha256"]);
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 1, "no other files");

    let inode = fs::metadata(out.join("loopback")).unwrap().ino();
    let ran = build(&out, &[]).expect(0);
    assert!(ran.stdout.ends_with("already up to date\n") && ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(fs::metadata(out.join("loopback")).unwrap().ino(), inode);
    // A file that was changed is built again.
    fs::write(out.join("loopback"), "damaged").unwrap();
    build(&out, &[]).expect(0);
    assert!(fs::read(out.join("loopback")).unwrap() == bytes, "the same to the byte");
}

#[test]
fn build_for_arm64_makes_plugins_that_run_there() {
    if no_go("build_for_arm64_makes_plugins_that_run_there") {
        return;
    }
    const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];
    for (release, newest) in [("v0.8.7", "0.4.0"), ("v1.9.1", "1.1.0")] {
        let out = built(release, "arm64", &PLUGINS.join(","));
        for name in PLUGINS {
            let emulator = if cfg!(target_arch = "aarch64") { "env" } else { "qemu-aarch64-static" };
            let mut plugin = Command::new(emulator);
            plugin.arg(out.join(name)).env("CNI_COMMAND", "VERSION").stdin(std::process::Stdio::piped());
            plugin.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let Ok(mut child) = plugin.spawn() else {
                return skip("cni_live_build arm64", "qemu-user-static is not installed");
            };
            // Newer plugins expect a version.
            child.stdin.take().unwrap().write_all(br#"{"cniVersion": "0.4.0"}"#).ok();
            let output = child.wait_with_output().unwrap();
            let said: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{release} {name}: {output:?}"));
            let reads = said["supportedVersions"].as_array().unwrap();
            assert_eq!(reads.last().unwrap(), newest, "{release} {name}");
        }
    }
}

#[test]
fn build_keeps_files_at_out_that_are_not_a_build() {
    if no_go("build_keeps_files_at_out_that_are_not_a_build") {
        return;
    }
    let tree = Tree::with(&[("out/precious", "data")]);
    let ran = build(&tree.at("out"), &[]).expect(4);
    assert!(ran.stderr.contains("/out: it is neither empty nor a build of edge-cni\nhint: "), "{ran:?}");
    assert_eq!(tree.read("out/precious"), "data");
    tree.write("file", "data");
    build(&tree.at("file"), &[]).expect(4);
    fs::create_dir(tree.at("empty")).unwrap();
    let mut command = builder().args(["build", "--version", "v1.9.1", "--out", "."]).into_command();
    let ran = Ran::of(&command.current_dir(tree.at("empty")).output().unwrap()).expect(2);
    assert!(
        ran.stderr.starts_with("edge-cni: cannot build into .: it contains the current directory\nhint: "),
        "{ran:?}"
    );
}

#[test]
fn build_names_a_missing_or_old_go_before_it_downloads() {
    if no_go("build_names_a_missing_or_old_go_before_it_downloads") {
        return;
    }
    let tree = Tree::new();
    let go = fake_go(&tree, "go1.19.8", "");
    let ran = build(&tree.at("out"), &["--go", &go]).expect(1);
    let want = format!(
        "edge-cni: cannot build v1.9.1 of the CNI plugins: it needs Go 1.24.2, but {go} (1.19.8) is older\nhint: install Go 1.24.2 or newer"
    );
    assert!(ran.stderr.starts_with(&want), "{ran:?}");
    let go = fake_go(&tree, "go1.22.1", "");
    let ran = build(&tree.at("out"), &["--go", &go]).expect(1);
    assert!(
        ran.stderr.contains("hint: set GOTOOLCHAIN=auto, as GOTOOLCHAIN=local prevents the download of Go 1.24.2"),
        "{ran:?}"
    );
    let ran = build(&tree.at("out"), &["--go", "/nowhere/go"]).expect(1);
    assert!(
        ran.stderr.starts_with("edge-cni: cannot use /nowhere/go as the go command: No such file or directory")
            && ran.stderr.contains("\nhint: use the path of the program"),
        "{ran:?}"
    );
    for (what, said) in [
        ("/etc", "it is a directory"),
        ("/etc/passwd", "it is not executable"),
        ("/bin/true", "it does not work: unexpected output of go env"),
    ] {
        let ran = build(&tree.at("out"), &["--go", what]).expect(1);
        assert!(ran.stderr.contains(&format!("cannot use {what} as the go command: {said}")), "{ran:?}");
    }
    let empty = builder().env("PATH", "/nowhere").env("HOME", tree.path());
    let ran = empty.args(["build", "--version", "v1.9.1", "--out"]).arg(tree.at("out")).run();
    if !Path::new("/usr/local/go/bin/go").exists() && !Path::new("/usr/lib/go/bin/go").exists() {
        assert!(ran.stderr.contains("cannot find go to build v1.9.1"), "{ran:?}");
    }
    let go = fake_go(&tree, "go1.26.0", ", \"GOFLAGS\": \"-toolexec=/tmp/x\"");
    let ran = build(&tree.at("out2"), &["--go", &go]).expect(4);
    assert!(
        ran.stderr.contains("cannot build with GOFLAGS=-toolexec=/tmp/x: -toolexec changes what is built\nhint: "),
        "{ran:?}"
    );
    assert!(!tree.at("out2").exists());
}

#[test]
fn build_has_a_hint_where_the_download_fails() {
    if no_go("build_has_a_hint_where_the_download_fails") {
        return;
    }
    let tree = Tree::empty();
    let call = |version: &str, proxy: Option<&str>| {
        let mut tool = builder().env("GOMODCACHE", tree.at("mod"));
        if let Some(proxy) = proxy {
            tool = tool.env("GOPROXY", proxy);
        }
        tool.args(["build", "--version", version, "--out"]).arg(tree.at("out")).run()
    };
    let ran = call("v1.9.1", Some("off")).expect(1);
    assert!(
        ran.stderr.contains(&format!("cannot fetch {MODULE}@v1.9.1: "))
            && ran.stderr.contains("hint: use a reachable proxy instead of off"),
        "{ran:?}"
    );
    let ran = call("v1.9.1", Some("http://127.0.0.1:9,direct")).expect(1);
    assert!(
        ran.stderr.contains("connection refused")
            && ran.stderr.contains("hint: use a reachable proxy instead of http://127.0.0.1:9 "),
        "{ran:?}"
    );
    let ran = call("v1.9.99", None).expect(1);
    assert!(ran.stderr.contains("hint: check the version (the newest known release is v1.9.1)"), "{ran:?}");
    assert_eq!(fs::read_dir(tree.path()).unwrap().filter(|one| one.as_ref().unwrap().file_name() != "mod").count(), 0);
    let ran = builder().args(["build", "--version", "latest", "--out", "x"]).run().expect(2);
    assert!(ran.stderr.contains("is not a valid release: expected one such as v1.9.1"), "{ran:?}");
    let ran = builder()
        .args(["build", "--version", "v1.9.1", "--plugins", "bridge,flannel", "--out"])
        .arg(tree.at("out"))
        .run();
    assert!(
        ran.code == 2
            && ran
                .stderr
                .contains("cannot build \"flannel\": v1.9.1 has no such plugin\nhint: choose from bandwidth, bridge, "),
        "{ran:?}"
    );
    let image = Tree::new();
    let ran =
        builder().arg("--root").arg(image.path()).args(["build", "--version", "v1.9.1", "--out", "x"]).run().expect(4);
    assert!(ran.stderr.contains("cannot build with --root"), "{ran:?}");
}

#[test]
fn build_from_a_folder_uses_its_vendor_directory() {
    if no_go("build_from_a_folder_uses_its_vendor_directory") {
        return;
    }
    let tree = Tree::new();
    let from = folder(&tree);
    let call = |args: &[&str]| {
        let base = ["build", "--version", "v2.0.0-rc1", "--from", &from, "--out"];
        builder().env("GOPROXY", "off").args(base).arg(tree.at("out")).args(args).run()
    };
    let ran = call(&[]).expect(1);
    assert!(ran.stderr.contains("it has no vendor directory\nhint: run go mod vendor in it"), "{ran:?}");
    tree.write("src/vendor/modules.txt", "");
    call(&[]).expect(0);
    let output = Command::new(tree.at("out/tiny")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "tiny\n");
    assert!(call(&[]).expect(0).stdout.ends_with("already up to date\n"));
    call(&["--arch", "armv6"]).expect(0);
    let head = fs::read(tree.at("out/tiny")).unwrap();
    assert_eq!((head[4], head[18]), (1, 40), "32 bits, ARM");
    // A failed build keeps the earlier one.
    tree.write("src/plugins/main/tiny/main.go", "package main\n\nfunc main() {\n\tundefined()\n}\n");
    let ran = call(&[]).expect(1);
    assert!(ran.stderr.contains("undefined: undefined"), "{ran:?}");
    assert_eq!(fs::read(tree.at("out/tiny")).unwrap(), head);
    tree.write("src/go.mod", "module example.com/other\n");
    let ran = call(&[]).expect(1);
    assert!(ran.stderr.contains("its module is example.com/other\nhint: use a checkout of"), "{ran:?}");
}

/// Starts a build, waits until go runs, and sends a signal; the result, and the process ID of go.
fn interrupted(tree: &Tree, signal: nix::sys::signal::Signal) -> (Ran, u32) {
    let from = folder(tree);
    tree.write("src/vendor/modules.txt", "");
    // A go that runs until it is stopped.
    let go = "#!/bin/sh\ncase $1 in env) exec go \"$@\";; esac\nmkdir -p \"${GOTMPDIR:-$HOME/tmp}/go-build1\"\n\
              echo $$ > \"$HOME/at-work\"\nexec sleep 60\n";
    tree.write("bin/slow-go", go);
    fs::set_permissions(tree.at("bin/slow-go"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = builder()
        .env("HOME", tree.path())
        .args(["build", "--version", "v1.9.1", "--from", &from, "--out"])
        .arg(tree.at("out"))
        .arg("--go")
        .arg(tree.at("bin/slow-go"))
        .into_command();
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mark = tree.at("at-work");
    let pid = (0..1600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(25));
        fs::read_to_string(&mark).ok()?.trim().parse::<u32>().ok()
    });
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    (Ran::of(&child.wait_with_output().unwrap()), pid.expect("go was started"))
}

#[test]
fn stopped_build_ends_go_and_leaves_nothing() {
    if no_go("stopped_build_ends_go_and_leaves_nothing") {
        return;
    }
    let tree = Tree::new();
    let (ran, go) = interrupted(&tree, nix::sys::signal::Signal::SIGTERM);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.ends_with("hint: run the same command again to resume\n"), "{ran:?}");
    assert!(!Path::new("/proc").join(go.to_string()).exists());
    assert!(!tree.at("out").exists() && !tree.at(".out.edgeutils-new").exists());
    assert!(!tree.at("tmp").exists(), "go's temporary directory");
}

#[test]
fn killed_build_is_not_a_build() {
    if no_go("killed_build_is_not_a_build") {
        return;
    }
    let tree = Tree::new();
    let (ran, go) = interrupted(&tree, nix::sys::signal::Signal::SIGKILL);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(go).unwrap()), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    assert_eq!(ran.code, 128 + 9);
    assert!(!tree.at("out").exists() && tree.at(".out.edgeutils-new").exists());
    // The next build removes its files.
    let args = ["build", "--version", "v1.9.1", "--from"];
    builder().args(args).arg(tree.at("src")).arg("--out").arg(tree.at("out")).run().expect(0);
    assert!(tree.at("out/tiny").exists() && !tree.at(".out.edgeutils-new").exists());
}

#[test]
fn go_runs_as_the_caller_under_sudo() {
    if no_go("go_runs_as_the_caller_under_sudo") {
        return;
    }
    if !is_root() {
        return skip("cni_live_build sudo", "only root can give its rights away");
    }
    const NOBODY: u32 = 65534;
    let tree = Tree::new();
    let from = folder(&tree);
    tree.write("src/vendor/modules.txt", "");
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(tree.at("cache")).unwrap();
    std::os::unix::fs::chown(tree.at("cache"), Some(NOBODY), Some(NOBODY)).unwrap();
    let call = |out: &str| {
        let sudo = builder().env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string());
        let sudo = sudo.env("GOCACHE", tree.at("cache/build")).env("GOMODCACHE", tree.at("cache/mod"));
        sudo.args(["build", "--version", "v1.9.1", "--from", &from, "--out"]).arg(tree.at(out)).run()
    };
    let ran = call("of-root").expect(1);
    assert!(
        ran.stderr
            .contains("/of-root: Permission denied (os error 13)\nhint: use an --out that user 65534 can write to: "),
        "{ran:?}"
    );
    call("cache/deep/out").expect(0);
    for path in ["cache/deep", "cache/deep/out", "cache/deep/out/tiny", "cache/deep/out/edge-cni.json", "cache/build"] {
        assert_eq!(fs::metadata(tree.at(path)).unwrap().uid(), NOBODY, "{path}");
    }
}
