//! Hostile and very large files: the time grows with the size and no faster, and is short.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

/// Of processor time, in a debug build.
const BOUND: Duration = Duration::from_secs(20);
const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";

/// The better of two, as other tests share the caches.
fn time(path: &str, text: &str, call: &[&str]) -> Duration {
    let tree = Tree::with(&[(path, text)]);
    let once = || {
        let (ran, used) = Tool::new(call[0]).arg("--root").arg(tree.path()).args(&call[1..]).timed();
        assert!([0, 1, 3, 4].contains(&ran.code), "{path} {call:?}: {} {}", ran.code, ran.stderr);
        used
    };
    (0..2).map(|_| once()).min().unwrap()
}

/// Four times the size takes about four times as long.
fn grows_with_its_size(path: &str, calls: &[&[&str]], text: impl Fn(usize) -> String) {
    for call in calls {
        let (small, large) = (time(path, &text(2_000), call), time(path, &text(8_000), call));
        let allowed = small * 9 + Duration::from_millis(700);
        assert!(large < allowed && large < BOUND, "{path} {call:?}: {small:?} and {large:?}");
    }
}

const READERS: [&[&str]; 3] =
    [&["edge-conf", "check", "--kubeedge-version", "1.12"], &["edge-crio", "check"], &["edge-conf", "get", "zzz"]];

#[test]
fn deep_brackets_take_no_time() {
    for open in ["[", "{a: ", "- ", "? ", "[{a: "] {
        grows_with_its_size(EDGECORE, &READERS, |size| format!("kind: EdgeCore\nx:\n  {}", open.repeat(size * 10)));
        grows_with_its_size(CLOUDCORE, &[&["edge-certgen", "verify"]], |size| {
            format!("x:\n  {}", open.repeat(size * 10))
        });
    }
    grows_with_its_size("var/lib/kubelet/config.yaml", &[&["edge-crio", "check"]], |size| "[".repeat(size * 10));
}

#[test]
fn many_keys_take_no_longer_each() {
    let with = |line: fn(usize) -> String| {
        move |size: usize| {
            format!(
                "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n{}",
                (0..size).map(line).collect::<String>()
            )
        }
    };
    grows_with_its_size(EDGECORE, &READERS, with(|n| format!("unknown{n}: 1\n")));
    grows_with_its_size(EDGECORE, &READERS, with(|n| format!("    unknown{n}: 1\n")));
    grows_with_its_size(EDGECORE, &READERS, with(|n| format!("a{}: 1\n", n / 2)));
    grows_with_its_size(
        EDGECORE,
        &READERS,
        with(|n| {
            let spelt = |(bit, char): (usize, char)| if n >> bit & 1 == 1 { char.to_ascii_uppercase() } else { char };
            format!("    {}: 1\n", "heartbeatheartbeat".chars().enumerate().map(spelt).collect::<String>())
        }),
    );
    grows_with_its_size(EDGECORE, &READERS, with(|n| format!("a{n}: &x{n} 1\n")));
}

#[test]
fn many_names_of_cloudcore_take_no_longer_each() {
    let text = |size: usize| {
        let names: String = (0..size).map(|n| format!("    - a{n}.example\n")).collect();
        format!("modules:\n  cloudHub:\n    dnsNames:\n{names}")
    };
    grows_with_its_size(CLOUDCORE, &[&["edge-certgen", "verify"]], text);
}

#[test]
fn alias_bomb_is_refused() {
    let bomb: String = (1..60).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
    let text = format!("kind: EdgeCore\na0: &a0 [x, x]\n{bomb}");
    for call in READERS {
        assert!(time(EDGECORE, &text, call) < Duration::from_secs(3), "{call:?}");
    }
}

#[test]
fn many_lines_of_fstab_are_commented_and_restored() {
    let text = |size: usize| (0..size).map(|n| format!("/dev/sd{n} none swap sw 0 0\n")).collect::<String>();
    let call: &[&str] = &["edge-prep", "apply", "--swap", "off", "-n"];
    grows_with_its_size("etc/fstab", &[call, &["edge-prep", "status"]], text);
    let tree = Tree::with(&[("etc/fstab", &text(10_000))]);
    let prep = |args: &[&str]| Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).timed();
    prep(&["apply", "--swap", "off"]).0.expect(0);
    // So that the lines are reverted one by one.
    tree.write("etc/fstab", tree.read("etc/fstab") + "# mine\n");
    let (ran, used) = prep(&["undo"]);
    ran.expect(0);
    assert!(used < BOUND, "{used:?}");
    assert_eq!(tree.read("etc/fstab"), text(10_000) + "# mine\n");
}
