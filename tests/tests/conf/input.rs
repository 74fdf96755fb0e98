//! Unusual files are kept to the byte, or refused with line and column.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";

fn set(bytes: impl AsRef<[u8]>) -> (Ran, Vec<u8>) {
    let tree = Tree::new();
    tree.write(FILE, bytes);
    let tool = Tool::new("edge-conf").arg("--root").arg(tree.path());
    let ran = tool.args(["--kubeedge-version", "1.8", "set", "modules.edgeStream.enable=true"]).run();
    (ran, std::fs::read(tree.at(FILE)).unwrap())
}

#[test]
fn set_keeps_everything_but_the_setting() {
    for (name, text) in [
        (
            "comments",
            "# a\nkind: EdgeCore # b\nmodules: # c\n  # d\n  edgeStream:\n    # e\n    enable: false # f\n  # g\n# h\n",
        ),
        ("order and quotes", "modules:\n  \"edgeStream\": {'enable': false, server: 'x'}\nkind: 'EdgeCore'\n"),
        ("indents", "kind: EdgeCore\nmodules:\n      edgeStream:\n         enable:   false\n"),
        ("anchors", "kind: EdgeCore\nx: &x {a: 1}\ny: *x\nmodules:\n  edgeStream:\n    enable: false\n"),
        ("CRLF", "kind: EdgeCore\r\nmodules:\r\n  edgeStream:\r\n    enable: false\r\n"),
        ("BOM", "\u{feff}kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n"),
        ("later documents", "kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n---\nenable: false\n"),
        ("no final newline", "kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false"),
        ("Unicode", "# größe 漢字\nkind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n"),
        (
            "block scalars with decoys",
            "kind: EdgeCore\nx: |\n  modules:\n    edgeStream:\n      enable: true\nmodules:\n  edgeStream:\n    enable: false\n",
        ),
    ] {
        let (ran, after) = set(text);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        let at = if name == "later documents" { text.find("false") } else { text.rfind("false") }.unwrap();
        let want = format!("{}true{}", &text[..at], &text[at + 5..]);
        assert_eq!(String::from_utf8(after).unwrap(), want, "{name}");
    }
}

#[test]
fn set_refuses_what_cannot_be_edited_safely_with_its_place() {
    let long = format!("kind: EdgeCore\nmodules: {{}}\n# {}\n", "x".repeat(1 << 20));
    let deep = format!("kind: EdgeCore\na: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    for (name, text, code, place) in [
        ("tabs", b"kind: EdgeCore\nmodules:\n\tedgeStream:\n\t\tenable: false\n".as_slice(), 4, "line 3, column 2"),
        (
            "duplicate keys",
            b"kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n    enable: false\n",
            4,
            "line 5",
        ),
        ("alias as the mapping", b"kind: EdgeCore\nx: &x {enable: false}\nmodules:\n  edgeStream: *x\n", 4, "line 4"),
        ("Go template", b"kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: {{ .Values.x }}\n", 4, "line 4"),
        ("not YAML", b"kind: EdgeCore\nmodules: [\n", 1, "line "),
        ("binary", b"\x7fELF\x02\x01\x01\x00\xff\xfe", 4, "line 1"),
        ("NUL", b"kind: EdgeCore\nmodules: \x00\n", 4, "line 2"),
        ("over 1 MiB", long.as_bytes(), 4, "bytes, and at most 1048576 can be edited"),
        ("too deep", deep.as_bytes(), 4, "line "),
        ("another kind", b"kind: Deployment\nmodules: {}\n", 4, "its kind is neither EdgeCore nor CloudCore"),
    ] {
        let (ran, after) = set(text);
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        assert_eq!(after, text, "{name} was touched");
        assert!(ran.stderr.starts_with("edge-conf: cannot ") && ran.stderr.contains(place), "{name}: {}", ran.stderr);
    }
}

#[test]
fn set_never_creates_a_missing_file() {
    let tree = Tree::with(&[("etc/hostname", "x\n")]);
    let conf = |args: &[&str]| Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args).run();
    let ran = conf(&["set", "modules.edgeStream.enable=true"]).expect(1);
    assert!(ran.stderr.contains("neither edgecore.yaml nor cloudcore.yaml is in "), "{}", ran.stderr);
    let ran = conf(&["--file", "/etc/x.yaml", "set", "modules.edgeStream.enable=true"]).expect(1);
    assert!(ran.stderr.contains("/etc/x.yaml: No such file or directory (os error 2)\nhint: "), "{}", ran.stderr);
    conf(&["enable", "crio"]).expect(1);
    assert!(!tree.at("etc/kubeedge").exists() && !tree.at("etc/x.yaml").exists());
}

#[test]
fn default_file_follows_the_setting() {
    let edge = "kind: EdgeCore\nmodules: {edgeStream: {enable: false}}\n";
    let cloud = "kind: CloudCore\nmodules: {dynamicController: {enable: false}}\n";
    let both = Tree::with(&[(FILE, edge), ("etc/kubeedge/config/cloudcore.yaml", cloud)]);
    let conf = |args: &[&str]| Tool::new("edge-conf").arg("--root").arg(both.path()).args(args).run();
    conf(&["set", "modules.edgeStream.enable=true"]).expect(0);
    conf(&["enable", "dynamic-controller"]).expect(0);
    assert_eq!(both.read(FILE), edge.replace("false", "true"));
    assert_eq!(both.read("etc/kubeedge/config/cloudcore.yaml"), cloud.replace("false", "true"));
    for args in [&["enable", "logs"] as &[&str], &["set", "kind=EdgeCore"]] {
        let ran = conf(args).expect(2);
        assert!(
            ran.stderr.contains("both edgecore.yaml and cloudcore.yaml are in /etc/kubeedge/config"),
            "{}",
            ran.stderr
        );
    }
    let ran = conf(&["set", "modules.edgeStream.enable=true", "modules.dynamicController.enable=true"]).expect(2);
    assert!(ran.stderr.starts_with("edge-conf: cannot choose a configuration file"), "{}", ran.stderr);
    assert_eq!(conf(&["get", "modules.dynamicController.enable"]).expect(0).stdout, "true\n");
}

#[test]
fn edits_of_a_call_are_made_all_or_none() {
    let text = "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n";
    let tree = Tree::with(&[(FILE, text)]);
    let conf = |args: &[&str]| Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args).run();
    conf(&["set", "modules.edgeHub.heartbeat=20", "modules.edgeHub.hartbeat=30"]).expect(4);
    assert_eq!(tree.read(FILE), text);
    conf(&["set", "modules.edgeHub.heartbeat=20", "modules.edgeHub.websocket.server=192.0.2.1:10000"]).expect(0);
    assert_eq!(tree.read(FILE), text.replace("15", "20") + "    websocket:\n      server: 192.0.2.1:10000\n");
    conf(&["unset", "modules.edgeHub.websocket", "modules.edgeHub.heartbeat"]).expect(0);
    assert_eq!(tree.read(FILE), "kind: EdgeCore\nmodules:\n  edgeHub: {}\n");
}
