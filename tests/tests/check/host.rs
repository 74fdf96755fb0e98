//! `host`: programs that answer, hang, are absent, or print something else.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use edgeutils_tests::pki::shell;
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::Tree;
use serde_json::Value;

/// A directory with edge-check, and beside it programs that print these records and end with this code.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new(programs: &[(&str, &str)]) -> Programs {
        let dir = tempfile::tempdir().unwrap();
        // Another process writes what is run: one that is forked meanwhile by another test would keep it open for writing.
        let at = dir.path().display();
        shell(&format!("cp '{}' {at}/edge-check", tool::path("edge-check").display()));
        for (name, script) in programs {
            std::fs::write(dir.path().join("script"), format!("#!/bin/sh\n{script}\n")).unwrap();
            shell(&format!("cp {at}/script {at}/{name} && chmod 755 {at}/{name}"));
        }
        Programs(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn host(&self, tree: &Tree, args: &[&str]) -> Ran {
        Tool::program(&self.at("edge-check")).arg("--root").arg(tree.path()).arg("host").args(args).run()
    }
}

/// A host with a configuration of edgecore and a network configuration.
fn tree() -> Tree {
    Tree::with(&[
        ("etc/kubeedge/config/edgecore.yaml", "kind: EdgeCore\n"),
        ("etc/cni/net.d/10-x.conflist", "{}\n"),
        ("usr/bin/containerd", ""),
    ])
}

fn answers(code: i32, findings: &[&str]) -> String {
    let findings: String = findings
        .iter()
        .map(|severity| {
            format!("echo '{{\"v\":1,\"type\":\"finding\",\"severity\":\"{severity}\",\"file\":\"/etc/x\",\"line\":4,\"path\":\"a\",\"text\":\"wrong\",\"hint\":null}}'\n")
        })
        .collect();
    format!(
        "{findings}echo '{{\"v\":1,\"type\":\"result\",\"exit\":{code},\"changed\":false,\"reboot\":false,\"run\":null}}'\nexit {code}"
    )
}

#[test]
fn host_prints_one_line_for_each_utility() {
    let programs = Programs::new(&[
        ("edge-prep", &answers(0, &[])),
        ("edge-cni", &answers(0, &["warning", "note"])),
        ("edge-conf", &answers(3, &["error", "error", "warning"])),
        ("edge-pkg", &answers(4, &[])),
    ]);
    let ran = programs.host(&tree(), &[]).expect(4);
    assert_eq!(
        ran.stdout,
        "edge-prep: ok
edge-pkg: refused
edge-cni: warning: a: wrong  (/etc/x:4)
edge-crio: skipped: no program and no configuration of CRI-O was found
edge-conf: error: a: wrong; and 1 error, 1 warning more  (/etc/x:4)
edge-certgen: skipped: no certificate of KubeEdge and no configuration of cloudcore was found
edge-redirect: skipped: no configuration of cloudcore, no API server of kubeadm and no configured redirect was found
5 problems found
"
    );
}

#[test]
fn host_passes_root_and_the_call_that_fits() {
    let saved = "echo \"$0 $*\" >> \"$(dirname \"$0\")/calls\"\n";
    let own = |name| (name, format!("{saved}{}", answers(0, &[])));
    let scripts = ["edge-prep", "edge-cni", "edge-conf", "edge-pkg"].map(own);
    let programs = Programs::new(&scripts.iter().map(|(name, script)| (*name, script.as_str())).collect::<Vec<_>>());
    let tree = tree();
    assert!(programs.host(&tree, &[]).expect(0).stdout.ends_with("no problems found\n"));
    let calls = std::fs::read_to_string(programs.at("calls")).unwrap();
    let root = tree.path().display();
    for call in ["edge-prep --root ROOT check --for edgecore --json", "edge-conf --root ROOT check --json"] {
        assert!(calls.contains(&call.replace("ROOT", &root.to_string())), "{call}: {calls}");
    }
    assert_eq!(calls.lines().count(), 4, "{calls}");
    // And what the user has forced.
    programs.host(&tree, &["--force-root", "--force-namespace"]).expect(0);
    let calls = std::fs::read_to_string(programs.at("calls")).unwrap();
    let forced = format!("edge-conf --root {root} --force-root --force-namespace check --json");
    assert!(calls.contains(&forced), "{forced}: {calls}");
}

#[test]
fn program_that_is_missing_hangs_or_prints_something_else_is_not_ok() {
    let programs = Programs::new(&[
        ("edge-prep", "sleep 60"),
        ("edge-conf", "echo no problems found"),
        ("edge-cni", &answers(3, &["error"]).replace("exit 3", "exit 0")),
    ]);
    let begin = Instant::now();
    let ran = programs.host(&tree(), &["--timeout", "1"]).expect(1);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    for line in [
        "edge-prep: failed: still running after 1 s\n",
        "edge-pkg: missing: cannot find the program edge-pkg in ",
        "edge-cni: unknown: it has reported exit code 3, and ended with exit status: 0\n",
        "edge-conf: unknown: its output is not understood: \"no problems found\"\n",
        "4 problems found\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}

#[test]
fn records_of_all_utilities_are_merged() {
    let programs = Programs::new(&[
        ("edge-prep", &answers(0, &[])),
        ("edge-cni", &answers(0, &["warning"])),
        ("edge-conf", &answers(3, &["error"])),
        ("edge-pkg", &answers(0, &[])),
    ]);
    let ran = programs.host(&tree(), &["--json"]).expect(3);
    let records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    let found: Vec<_> = of("finding").iter().map(|one| (one["utility"].clone(), one["severity"].clone())).collect();
    assert_eq!(found, [("edge-cni".into(), "warning".into()), ("edge-conf".into(), "error".into())]);
    assert_eq!((of("status").len(), of("result").len()), (7, 1));
    assert_eq!(of("status")[4]["exit"], 3);
    assert_eq!(records.last().unwrap()["exit"], 3);
}
