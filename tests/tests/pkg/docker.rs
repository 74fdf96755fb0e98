//! Docker in images: daemon.json, its comparison with flags, and edgecore, on root trees.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tree::{Tree, assert_same};

use super::check::{DPKG, INSTALLED, run, tree};

const CONFIG: &str = "etc/docker/daemon.json";
const UNIT: &str = "usr/lib/systemd/system/docker.service";
const JOURNAL: [&str; 1] = ["var/lib/edgeutils"];

/// An image with Debian's package.
fn image() -> Tree {
    let tree = tree(&[DPKG, ("docker.io", "20.10.24+dfsg1-1+deb12u1", INSTALLED)]);
    tree.write(UNIT, "[Service]\nEnvironmentFile=-/etc/default/docker\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n[Install]\nWantedBy=multi-user.target\n");
    tree
}

#[test]
fn settings_are_merged_and_the_undo_restores_the_exact_file() {
    for before in [None, Some("{\n    \"storage-driver\": \"overlay2\",\n    \"log-opts\": {\"max-size\": \"10m\"}\n}")]
    {
        let tree = image();
        if let Some(before) = before {
            tree.write(CONFIG, before);
        }
        let first = tree.snapshot_without(&JOURNAL);
        let call = ["install", "docker", "--cgroup-driver", "systemd", "--registry-mirror", "https://m.example/"];
        run(&tree, &[&call[..], &["-n"]].concat()).expect(3);
        assert_same(&tree.snapshot_without(&JOURNAL), &first, "a dry run");
        let ran = run(&tree, &call).expect(0);
        for part in [
            "    exec-opts: native.cgroupdriver=systemd\n",
            "    registry-mirrors: https://m.example\n",
            "\n2 changes\n",
        ] {
            assert!(ran.stdout.contains(part), "{}", ran.stdout);
        }
        let added =
            "\"exec-opts\": [\"native.cgroupdriver=systemd\"],\nINDENT\"registry-mirrors\": [\"https://m.example\"]\n}";
        let expected = match before {
            None => format!("{{\n  {}\n", added.replace("INDENT", "  ")),
            Some(before) => format!("{},\n    {}", before.trim_end_matches("\n}"), added.replace("INDENT", "    ")),
        };
        assert_eq!(tree.read(CONFIG), expected);
        assert!(tree.at("etc/systemd/system/multi-user.target.wants/docker.service").is_symlink());
        assert_eq!(run(&tree, &call).expect(0).stdout, "already up to date\n");
        assert!(run(&tree, &["check", "docker"]).expect(0).stdout.ends_with("no problems found\n"));
        run(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot_without(&JOURNAL), &first, "after the undo");
    }
}

#[test]
fn file_that_dockerd_does_not_read_is_refused_and_reported() {
    for (text, said) in [
        (&b""[..], "it is empty, and an object with settings is expected"),
        (b"<html><body>404</body></html>\n", "it is an HTML or XML page, not JSON"),
        (b"\xEF\xBB\xBF{}\n", "it begins with a byte order mark, which is not valid JSON"),
        (b"{\n  // driver\n}\n", "line 2 has a comment, which is not valid JSON"),
        (b"{\"debug\": true, \"debug\": false}\n", "the key debug is set twice"),
        (b"[\"debug\"]\n", "it is not a JSON object, which begins with {"),
    ] {
        let tree = image();
        tree.write(CONFIG, text);
        let before = tree.snapshot_without(&JOURNAL);
        let refused = run(&tree, &["install", "docker", "--cgroup-driver", "systemd"]).expect(4);
        let path = "cannot read /etc/docker/daemon.json: ";
        assert!(refused.stderr.contains(&format!("{path}{said}\nhint: repair it, or use")), "{}", refused.stderr);
        assert_same(&tree.snapshot_without(&JOURNAL), &before, "a refusal");
        let found = run(&tree, &["check", "docker"]).expect(3).stdout;
        assert!(found.contains(&format!("error: {said}\n    hint: ")), "{found}");
    }
}

#[test]
fn keys_that_are_also_flags_are_refused() {
    let tree = image();
    tree.write(CONFIG, "{\"hosts\": [\"unix:///run/docker.sock\"]}\n");
    let refused = run(&tree, &["install", "docker"]).expect(4);
    let said = "cannot edit /etc/docker/daemon.json: it sets hosts, and /usr/lib/systemd/system/docker.service:3 passes --host: dockerd does not start with both\nhint: ";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    let found = run(&tree, &["check", "docker"]).expect(3).stdout;
    assert!(found.contains("/etc/docker/daemon.json: error: hosts is also passed as --host by /usr/lib/systemd/system/docker.service:3: dockerd does not start with both\n    hint: "), "{found}");
    // Without the flag in a drop-in it is the key that counts.
    tree.write(
        "etc/systemd/system/docker.service.d/site.conf",
        "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd $DOCKER_OPTS\n",
    );
    run(&tree, &["install", "docker"]).expect(0);
    // A flag of the environment, with the requested value and with another one.
    tree.write("etc/default/docker", "DOCKER_OPTS=\"--exec-opt native.cgroupdriver=systemd\"\n");
    let before = tree.read(CONFIG);
    run(&tree, &["install", "docker", "--cgroup-driver", "systemd"]).expect(0);
    assert_eq!(tree.read(CONFIG), before);
    let refused = run(&tree, &["install", "docker", "--cgroup-driver", "cgroupfs"]).expect(4);
    assert!(refused.stderr.contains("/etc/default/docker:1 passes --exec-opt to dockerd, which does not start with both\nhint: remove the flag there"), "{}", refused.stderr);
    // Another file.
    tree.write("etc/default/docker", "DOCKER_OPTS=\"--config-file=/etc/site/docker.json\"\n");
    run(&tree, &["install", "docker", "--cgroup-driver", "cgroupfs"]).expect(0);
    assert!(tree.read("etc/site/docker.json").contains("native.cgroupdriver=cgroupfs"));
    assert_eq!(tree.read(CONFIG), before);
}

#[test]
fn mirror_with_a_path_is_refused_before_docker_24_0_8() {
    let call = ["install", "docker", "--registry-mirror", "https://m.example/hub"];
    let said = "dockerd 20.10.24+dfsg1 does not start with the mirror https://m.example/hub, as it has a path\n";
    let hint = "hint: use a mirror without a path, or Docker 24.0.8 or newer\n";
    let tree = image();
    let refused = run(&tree, &call).expect(4);
    assert!(
        refused.stderr.contains(&format!("cannot edit /etc/docker/daemon.json: {said}{hint}")),
        "{}",
        refused.stderr
    );
    assert!(!tree.at(CONFIG).exists());
    // One that is there already.
    tree.write(CONFIG, "{\"registry-mirrors\": [\"https://m.example/hub\"]}\n");
    run(&tree, &["install", "docker"]).expect(4);
    let found = run(&tree, &["check", "docker"]).expect(3).stdout;
    assert!(found.contains(&format!("/etc/docker/daemon.json: error: {said}    {hint}")), "{found}");
    // Known before the packages are installed.
    let bare = super::check::tree(&[DPKG]);
    let refused = run(&bare, &[&call[..], &["--version", "20.10"]].concat()).expect(4);
    assert!(refused.stderr.contains("dockerd 20.10 does not start with the mirror"), "{}", refused.stderr);
    let newer = super::check::tree(&[DPKG, ("docker.io", "26.1.5+dfsg1-9", INSTALLED)]);
    run(&newer, &call).expect(0);
    run(&newer, &["check", "docker"]).expect(0);
}

#[test]
fn docker_is_refused_for_an_edgecore_without_dockershim() {
    let tree = image();
    let call = ["install", "docker", "--cgroup-driver", "systemd", "--kubeedge-version"];
    for version in ["1.14", "v1.21.0"] {
        let refused = run(&tree, &[&call[..], &[version]].concat()).expect(4);
        let said = "has no dockershim, and cannot run pods with Docker\nhint: use containerd: edge-pkg ";
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert!(!tree.at(CONFIG).exists());
    }
    run(&tree, &[&call[..], &["1.13"]].concat()).expect(0);
    run(&tree, &[&call[..], &["1.21", "--beside-edgecore"]].concat()).expect(0);
    // By the configuration of the node.
    let edgecore = |driver: &str, rest: &str| {
        format!(
            "apiVersion: edgecore.config.kubeedge.io/v1alpha1\nkind: EdgeCore\nmodules:\n  edged:\n    runtimeType: docker\n    cgroupDriver: {driver}\n{rest}"
        )
    };
    tree.write("etc/kubeedge/config/edgecore.yaml", edgecore("cgroupfs", ""));
    let found = run(&tree, &["check", "docker"]).expect(3).stdout;
    assert!(found.contains("edgecore.yaml: error: modules.edged.cgroupDriver: edgecore uses the cgroup driver cgroupfs, but Docker uses systemd: pods cannot start\n    hint: edge-conf "), "{found}");
    tree.write("etc/kubeedge/config/edgecore.yaml", edgecore("systemd", ""));
    run(&tree, &["check", "docker"]).expect(0);
    run(&tree, &["install", "docker"]).expect(0);
}

#[test]
fn members_of_the_group_are_a_note() {
    let tree = image();
    run(&tree, &["install", "docker"]).expect(0);
    tree.write("etc/group", "root:x:0:\ndocker:x:999:pi,ada\n");
    let found = run(&tree, &["check", "docker"]).expect(0).stdout;
    assert!(
        found.contains("/etc/group: note: members of the group docker have the rights of root: pi, ada\n"),
        "{found}"
    );
}

#[test]
fn invalid_options_are_usage_errors() {
    let tree = image();
    for (args, said) in [
        (
            &["--registry-mirror", "m.example"][..],
            "does not begin with https:// or http://: expected a URL such as https://mirror.example",
        ),
        (&["--registry-mirror", "https://user:pass@m.example"], "must not contain credentials"),
        (&["--registry-mirror", ""], "does not begin with https://"),
        (&["--insecure-registry", "http://r.example"], "expected a host without a scheme"),
        (&["--insecure-registry", "r.example/path"], "expected a host without a scheme"),
        (&["--insecure-registry", "r.example/24"], "expected a host without a scheme"),
        (&["--insecure-registry", "10.0.0.0/33"], "expected a host without a scheme"),
        (&["--insecure-registry", "10.0.0.0/+8"], "expected a host without a scheme"),
        (&["--version", "latest"], "is not a valid version: expected one such as 28, 28.3 or 28.3.2"),
        (&["--version", "28.3.2.1"], "is not a valid version"),
        (&["--cgroup-driver", "docker"], "invalid value 'docker'"),
        (&["--apt-mirror", "file:/x"], "--version"),
    ] {
        let ran = run(&tree, &[&["install", "docker"], args].concat()).expect(2);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    for (what, option) in
        [("docker", &["--hold"][..]), ("docker", &["--offline", "/nonexistent"]), ("containerd", &["--hold"])]
    {
        let tree = super::check::tree(&[
            DPKG,
            ("docker.io", "20.10.24+dfsg1-1+deb12u1", INSTALLED),
            ("containerd", "1.6.20~ds1-1+deb12u1", INSTALLED),
        ]);
        let ran = run(&tree, &[&["install", what], option].concat()).expect(4);
        let said = format!("cannot use {}: packages are not changed with --root", option[0]);
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
    let twice = [
        "--insecure-registry",
        "fd00::/8",
        "--insecure-registry",
        "fd00::/8",
        "--registry-mirror",
        "https://m.example/",
        "--registry-mirror",
        "https://m.example",
    ];
    run(&tree, &[&["install", "docker"], &twice[..]].concat()).expect(0);
    let text = tree.read(CONFIG);
    assert!(text.contains("[\"fd00::/8\"]") && text.contains("[\"https://m.example\"]"), "{text}");
    let none = run(&super::check::tree(&[DPKG]), &["install", "docker"]).expect(4);
    assert!(none.stderr.contains("the scripts of its packages would run as root on this host"), "{}", none.stderr);
    let found = run(&super::check::tree(&[DPKG]), &["check", "docker"]).expect(3).stdout;
    assert!(
        found.contains("docker.service: error: Docker is not installed\n    hint: install it: edge-pkg "),
        "{found}"
    );
}
