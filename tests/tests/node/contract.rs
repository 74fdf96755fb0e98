//! docs/contract.md is true: every JSON record has exactly the fields that the page lists.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{cni, live, skip, standin, systems};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/contract.md");
const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const START: &str = "kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n  nothing: 1\n";

/// Fields by record type, as the page lists them, and whether each is optional.
fn documented() -> BTreeMap<String, BTreeMap<String, bool>> {
    let records = PAGE.split("## JSON records").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut all = BTreeMap::new();
    for section in records.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap().trim().to_owned();
        let fields = section.lines().filter_map(|line| {
            let (field, meaning) = line.strip_prefix("| `")?.split_once('`')?;
            Some((field.to_owned(), meaning.starts_with(" | optional;")))
        });
        all.insert(name, fields.collect());
    }
    all
}

fn run(tree: &Tree, tool: &str, args: &[&str]) -> Ran {
    Tool::new(tool).arg("--root").arg(tree.path()).arg("--json").args(args).run()
}

/// A build, which has no --root: of a directory with one plugin, which needs no download.
fn built() -> (&'static [&'static str], i32, Ran) {
    const ARGS: &[&str] = &["build", "--version", "v1.9.1", "--json", "--from"];
    let tree = Tree::with(&[("src/vendor/modules.txt", "")]);
    let ran = cni::builder().args(ARGS).arg(cni::folder(&tree)).arg("--out").arg(tree.at("out")).run();
    (ARGS, 0, ran)
}

/// Runs every verb with every kind of result, and passes each record to `seen`.
fn everything(mut seen: impl FnMut(&str, &Value, bool)) {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, START);
    let conf: &[(&[&str], i32)] = &[
        (&["set", "-n", "modules.edgeStream.enable=true"], 3),
        (&["set", "modules.edgeStream.enable=true"], 0),
        (&["set", "modules.edgeStream.enable=true"], 0),
        (&["set", "-n", "modules.edgeStream.enable=true"], 0),
        (&["set", "edgeStream.enable=true"], 4),
        (&["set", "modules.edgeStream.enable"], 2),
        (&["frobnicate"], 2),
        (&["get", "modules.edgeStream"], 0),
        (&["get", "modules.edgeHub"], 1),
        (&["check"], 3),
        (&["enable", "dynamic-controller"], 1),
        (&["env", "A=b"], 0),
        (&["unit", "cloudcore"], 4),
        (&["unit", "kubelet"], 2),
        (&["undo", "--list"], 0),
        (&["undo", "-n"], 3),
        (&["undo"], 0),
        (&["undo"], 0),
        (&["undo"], 0),
        (&["undo", "--id", "99"], 1),
        (&["--file", "-", "set", "modules.edgeStream.enable=true"], 2),
    ];
    let prep: &[(&[&str], i32)] = &[
        (&["status"], 0),
        (&["verify", "--for", "kubeadm"], 3),
        (&["verify"], 2),
        (&["apply"], 2),
        (&["apply", "--for", "kubeadm", "-n"], 3),
        (&["apply", "--for", "kubeadm"], 0),
        (&["verify"], 0),
        (&["apply", "--sysctl", "../x=1"], 2),
        (&["undo"], 0),
    ];
    let [rootca_crt, rootca_key] =
        ["rootCA.crt", "rootCA.key"].map(|name| tree.at("etc/pki-of-test").join(name).to_str().unwrap().to_owned());
    let certgen: &[(&[&str], i32)] = &[
        (&["verify"], 0),
        (&["stream"], 2),
        (&["stream", "--ip", "192.0.2.1"], 1),
        (&["ca", "-n"], 3),
        (&["ca", "--ca-dir", "/etc/pki-of-test"], 0),
        (&["stream", "--ip", "192.0.2.1", "--dns", "a b"], 2),
        (&["server", "--ip", "192.0.2.1", "-n"], 3),
        (&["server", "--ip", "192.0.2.1"], 0),
        (&["server", "--ip", "192.0.2.1"], 0),
        (&["edge", "--days", "99999"], 2),
        (&["verify", "server", "--ip", "192.0.2.1"], 0),
        (&["verify", "--ip", "192.0.2.2"], 3),
        (&["secret", "chart"], 2),
        (&["undo"], 0),
    ];
    let show: &[(&[&str], i32)] = &[(&["show", &rootca_crt, &rootca_key], 0), (&["show", "/nowhere"], 1)];
    let certgen = certgen.iter().chain(show).map(|call| ("edge-certgen", call));
    let redirect: &[(&[&str], i32)] = &[
        (&["status"], 0),
        (&["check"], 3),
        (&["add", "10351=192.0.2.1:10003"], 4),
        (&["add", "10351=192.0.2.1:10003", "--persist", "-n"], 3),
        (&["add", "10351=192.0.2.1:10003", "--persist"], 0),
        (&["status"], 0),
        (&["render", "systemd"], 2),
        (&["restore"], 4),
        (&["remove"], 0),
        (&["undo"], 0),
    ];
    let cni: &[(&[&str], i32)] = &[
        (&["check"], 3),
        (&["remove"], 0),
        (&["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0"], 1),
        (&["install", "--from-build", "/nowhere"], 1),
        (&["install"], 2),
        (&["build", "--version", "v1.9.1", "--out", "x"], 4),
    ];
    let calls = conf.iter().map(|call| ("edge-conf", call)).chain(prep.iter().map(|call| ("edge-prep", call)));
    let calls = calls.chain(redirect.iter().map(|call| ("edge-redirect", call))).chain(certgen);
    let calls = calls.chain(cni.iter().map(|call| ("edge-cni", call)));
    let apt: &[(&[&str], i32)] = &[(&["wait"], 4), (&["wait", "--timeout", "x"], 2), (&["undo", "--list"], 0)];
    let calls = calls.chain(apt.iter().map(|call| ("edge-apt", call)));
    let bundles = tempfile::tempdir().unwrap();
    let (archive, sum) = standin::bundle(bundles.path(), "1.30.4", "amd64", standin::AMD64);
    let (archive, to) = (archive.to_str().unwrap(), bundles.path().to_str().unwrap());
    let crio: &[(&[&str], i32)] = &[
        (&["resolve", "--version", "1.34"], 1),
        (&["resolve", "--version", "1.34", "--arch", "arm64"], 0),
        (&["download", "--version", "1.30.4", "--arch", "amd64", "--sha256", &sum, "--to", to], 0),
        (&["download", "--version", "1.30.4", "--arch", "amd64", "--to", to], 4),
        (&["check"], 3),
        (&["install", "--version", "1.30.4", "--archive", archive, "--sha256", &sum], 1),
        (&["settings"], 2),
        (&["remove"], 0),
        (&["undo", "--list"], 0),
    ];
    let calls = calls.chain(crio.iter().map(|call| ("edge-crio", call)));
    let reset: &[(&[&str], i32)] = &[
        (&["scan"], 0),
        (&["apply", "-n"], 3),
        (&["apply"], 4),
        (&["apply", "--yes"], 0),
        (&["purge", "-n"], 3),
        (&["purge", "--yes"], 0),
        (&["undo", "--list"], 0),
    ];
    let calls = calls.chain(reset.iter().map(|call| ("edge-reset", call)));
    // A path of the caller, also with --root.
    let flannel = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manifest/shapes/flannel.yaml");
    let manifest: &[(&[&str], i32)] = &[
        (&["keep-off-edge", "-n", flannel], 3),
        (&["keep-off-edge", flannel], 2),
        (&["flannel", "-n", "--pod-subnet", "10.244.0.0/16", flannel], 0),
        (&["metrics-server", "-n", flannel], 1),
        (&["check", flannel], 3),
        (&["check", "/nowhere"], 1),
    ];
    let calls = calls.chain(manifest.iter().map(|call| ("edge-manifest", call)));
    let pkg: &[(&[&str], i32)] = &[
        (&["install", "kubernetes", "--version", "1.34"], 4),
        (&["install", "kubernetes", "--version", "latest"], 2),
        (&["install", "containerd"], 4),
        (&["install", "docker"], 4),
        (&["check", "docker"], 3),
        (&["settings"], 2),
        (&["remove", "kubernetes"], 4),
        (&["check"], 1),
        (&["undo", "--list"], 0),
    ];
    let calls = calls.chain(pkg.iter().map(|call| ("edge-pkg", call)));
    tree.write("etc/pki-of-test/token", "abcdef.0123456789abcdef\n");
    let bootstrap = tree.at("etc/pki-of-test/token").to_str().unwrap().to_owned();
    let token: &[(&[&str], i32)] = &[
        (&["read", &bootstrap], 0),
        (&["read", "--print", &bootstrap], 2),
        (&["ca-hash", &rootca_crt], 0),
        (&["ca-hash"], 1),
        (&["account", "a", "--cluster-role", "view"], 2),
        (&["kubeconfig", "--user", "nobody"], 1),
        (&["undo", "--list"], 0),
    ];
    let calls = calls.chain(token.iter().map(|call| ("edge-token", call)));
    let join: &[(&[&str], i32)] = &[
        (&["check"], 4),
        (&["check", "--cloudcore", "192.0.2.1:1"], 2),
        (&["apply", "--version", "1.23.1"], 2),
        (&["apply", "--cloudcore", "192.0.2.1", "--version", "1.23.1", "--token", "-"], 4),
        (&["download", "--version", "1.23", "--arch", "arm64", "--to", "/"], 2),
        (&["undo", "--list"], 0),
    ];
    let calls = calls.chain(join.iter().map(|call| ("edge-join", call)));
    let nodes = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/nodes.json");
    let check: &[(&[&str], i32)] = &[
        (&["cluster", nodes], 3),
        (&["cluster", "/nowhere"], 1),
        (&["edge"], 4),
        (&["logs", "--node", "x"], 2),
        (&["host"], 3),
    ];
    let calls = calls.chain(check.iter().map(|call| ("edge-check", call)));
    let ran = calls.map(|(tool, (args, code))| (*args, *code, run(&tree, tool, args)));
    let ran = ran.chain(cni::can_build().then(built)).map(|(args, code, ran)| (args, code, ran.expect(code)));
    for (args, code, ran) in ran.chain(live_calls()) {
        let lines: Vec<&str> = ran.stdout.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let record = serde_json::from_str(line).unwrap_or_else(|_| panic!("{args:?} printed {line}"));
            seen(&format!("{args:?}"), &record, index + 1 == lines.len());
        }
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(last["exit"], code, "{args:?}");
    }
}

/// Only on a live host: a process that holds dpkg's lock.
fn live_calls() -> Vec<(&'static [&'static str], i32, Ran)> {
    let hold = "import fcntl, time; f = open('/var/lib/dpkg/lock', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(30)";
    let text = format!(
        "mkdir -p /var/lib/dpkg
        printf 'Package: a\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: a\\n' > /var/lib/dpkg/status
        mkfifo /mnt/held; /usr/bin/python3 -c \"{hold}\" > /mnt/held & read held < /mnt/held
        \"$FIXTURE\" wait -n --json 2>/dev/null; kill $!"
    );
    let ran = live::script(tool::path("edge-apt").to_str().unwrap(), &text);
    vec![(&["wait", "-n"], 3, ran)]
}

#[test]
fn record_is_as_the_page_says() {
    if !live::can_unshare() {
        return skip("record_is_as_the_page_says", "needs root and namespaces for what is live");
    }
    let mut page = documented();
    if !cni::can_build() {
        skip("contract plugin", "go is not on the PATH");
        page.remove("plugin");
    }
    let mut met = BTreeSet::new();
    everything(|call, record, is_last| {
        assert_eq!(record["v"], 1, "{call}");
        let kind = record["type"].as_str().unwrap();
        let want = page.get(kind).unwrap_or_else(|| panic!("{call}: the record {kind} is not on the page"));
        let mut got: BTreeSet<String> = record.as_object().unwrap().keys().cloned().collect();
        got.remove("v");
        got.remove("type");
        let want = want.iter().filter(|(field, is_optional)| !**is_optional || got.contains(*field));
        assert_eq!(got, want.map(|(field, _)| field.clone()).collect(), "{call}: fields of {kind}");
        assert_eq!(kind == "result", is_last, "{call}: the result is the last record");
        met.insert(kind.to_owned());
    });
    assert_eq!(met, page.into_keys().collect(), "every record of the page was met");
}

#[test]
fn exit_codes_of_the_page_are_those_of_the_programs() {
    let rows = PAGE
        .split("## Exit codes")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.chars().next()?.to_digit(10));
    assert_eq!(rows.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    use edge_host::Exit::{Differs, Done, Failed, Interrupted, Refused, Usage};
    assert_eq!([Done, Failed, Usage, Differs, Refused, Interrupted].map(edge_host::Exit::code), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn option_of_the_page_is_in_every_help() {
    for option in
        ["--root <DIR>", "-n, --dry-run", "--json", "--lock-wait <SECONDS>", "--force-root", "--force-namespace"]
    {
        for call in [
            "edge-conf --help",
            "edge-conf set --help",
            "edge-prep --help",
            "edge-prep undo --help",
            "edge-redirect add --help",
            "edge-certgen --help",
            "edge-certgen stream --help",
            "edge-cni conf bridge --help",
            "edge-apt wait --help",
            "edge-manifest keep-off-edge --help",
            "edge-pkg install kubernetes --help",
            "edge-token kubeconfig --help",
            "edge-join check --help",
            "edge-join apply --help",
            "edge-join download --help",
        ] {
            let mut words = call.split(' ');
            let help = Tool::new(words.next().unwrap()).args(words).run().expect(0).stdout;
            assert!(help.contains(option), "{option} is not in {call}:\n{help}");
        }
    }
}
