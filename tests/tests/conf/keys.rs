//! Paths as KubeEdge reads them: letter case, the user's own keys, lists, and duplicates.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", "1.23"]).args(args).run()
}

/// The modules after a call, which must succeed, change nothing the second time, and be undone to the byte.
#[track_caller]
fn after(modules: &str, args: &[&str]) -> String {
    let start = format!("kind: EdgeCore\nmodules:\n{modules}");
    let tree = Tree::with(&[(FILE, &start)]);
    conf(&tree, args).expect(0);
    let text = tree.read(FILE);
    assert_eq!(conf(&tree, args).expect(0).stdout, "already up to date\n", "{args:?} again");
    conf(&tree, &[args, &["-n"]].concat()).expect(0);
    assert_eq!(tree.read(FILE), text);
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(FILE), start, "{args:?} and undo");
    text.strip_prefix("kind: EdgeCore\nmodules:\n").unwrap().to_owned()
}

#[test]
fn second_spelling_is_never_added() {
    let text = "  EdgeStream:\n    Enable: false\n";
    let expected = text.replace("false", "true") + "    server: a:1\n";
    assert_eq!(after(text, &["set", "modules.edgeStream.enable=true", "modules.edgestream.Server=a:1"]), expected);
    assert_eq!(after(text, &["enable", "logs", "--server", "a:1"]), expected);
    // Where there are two already, the one that takes effect is set.
    let two = "  edgeStream:\n    enable: false\n    Enable: false\n";
    let set = after(two, &["set", "modules.edgeStream.enable=true"]);
    assert_eq!(set, "  edgeStream:\n    enable: true\n    Enable: false\n");
}

#[test]
fn unset_removes_every_spelling_and_get_prints_the_effective_one() {
    let text = "  edgestream:\n    server: a:1\n  edgeStream:\n    Enable: true\n    enable: false\n    server: b:1\n";
    let tree = Tree::with(&[(FILE, &format!("kind: EdgeCore\nmodules:\n{text}"))]);
    let get = |path: &str| conf(&tree, &["get", path]).expect(0).stdout;
    assert_eq!(get("modules.edgeStream.server"), "a:1\n", "edgestream is read after edgeStream");
    assert_eq!(get("modules.edgeStream.enable"), "false\n", "and what it lacks comes from there");
    assert_eq!(
        after(text, &["unset", "modules.edgeStream.enable"]),
        "  edgestream:\n    server: a:1\n  edgeStream:\n    server: b:1\n"
    );
}

#[test]
fn users_own_keys_keep_their_letter_case() {
    let text = "  edged:\n    nodeLabels:\n      app: x\n";
    assert_eq!(after(text, &["set", "modules.edged.nodeLabels.App=z"]), format!("{text}      App: z\n"));
    assert_eq!(after(text, &["set", "modules.edged.NODELABELS.app=z"]), text.replace('x', "z"));
    let tree = Tree::with(&[(FILE, &format!("kind: EdgeCore\nmodules:\n{text}      App: z\n"))]);
    conf(&tree, &["unset", "modules.edged.nodeLabels.APP"]).expect(0);
    assert_eq!(conf(&tree, &["get", "modules.edged.nodeLabels.App"]).expect(0).stdout, "z\n");
    conf(&tree, &["check"]).expect(0);
    conf(&tree, &["get", "modules.edged.nodeLabels.aPP"]).expect(1);
}

#[test]
fn key_with_dots_needs_quotes() {
    let text = "  edged:\n    tailoredKubeletConfig:\n      evictionHard:\n        memory.available: 100Mi\n";
    let path = "modules.edged.tailoredKubeletConfig.evictionHard";
    let set = |key: &str| after(text, &["set", &format!("{path}.{key}=200Mi")]);
    assert_eq!(set("\"memory.available\""), text.replace("100", "200"));
    assert_eq!(set("'nodefs.available'"), format!("{text}        nodefs.available: 200Mi\n"));
    let tree = Tree::with(&[(FILE, "kind: EdgeCore\n")]);
    for (wrong, right) in [
        (format!("{path}.memory.available=1Gi"), format!("{path}.\"memory.available\"")),
        (
            "modules.edged.tailoredKubeletConfig.clusterDNS.0=x".to_owned(),
            "modules.edged.tailoredKubeletConfig.clusterDNS[0]".to_owned(),
        ),
    ] {
        let ran = conf(&tree, &["set", &wrong]).expect(4);
        assert!(ran.stderr.contains(&format!("hint: did you mean {right}? ")), "{}", ran.stderr);
    }
}

#[test]
fn list_items_are_addressed_by_their_indexes_before_the_call() {
    let path = "modules.edged.tailoredKubeletConfig.clusterDNS";
    let text = "  edged:\n    tailoredKubeletConfig:\n      clusterDNS:\n      - a # 1\n      - b # 2\n      - c # 3\n";
    let at = |index: usize| format!("{path}[{index}]");
    let tree = Tree::with(&[(FILE, &format!("kind: EdgeCore\nmodules:\n{text}"))]);
    conf(&tree, &["unset", &at(0), &at(1)]).expect(0);
    assert!(tree.read(FILE).ends_with("clusterDNS:\n      - c # 3\n"), "{}", tree.read(FILE));
    conf(&tree, &["undo"]).expect(0);
    assert!(tree.read(FILE).ends_with(text));
    assert_eq!(after(text, &["set", &format!("{}=x", at(1))]), text.replace("b ", "x "));
    assert_eq!(after(text, &["set", &format!("{}=x", at(3))]), format!("{text}      - x\n"));
    let ran = conf(&tree, &["set", &format!("{}=x", at(9))]).expect(4);
    assert!(ran.stderr.contains("line 6, column 7: the list has 3 items; index 3 appends"), "{}", ran.stderr);
    // After another change of the list, an undo cannot find the place of the item.
    tree.write(FILE, format!("kind: EdgeCore\nmodules:\n{}", text.replace("b #", "a #")));
    conf(&tree, &["unset", &at(0)]).expect(0);
    tree.write(FILE, tree.read(FILE) + "  edgeStream: {enable: true}\n");
    conf(&tree, &["undo"]).expect(4);
}

#[test]
fn same_setting_twice_in_a_call_ends_as_the_last() {
    let text = "  edgeHub:\n    heartbeat: 15 # s\n";
    assert_eq!(
        after(text, &["set", "modules.edgeHub.heartbeat=1", "modules.edgeHub.heartbeat=2"]),
        text.replace("15", "2")
    );
    assert_eq!(
        after(text, &["set", "modules.edgeHub={heartbeat: 5}", "modules.edgeHub.projectID=p"]),
        "  edgeHub:\n    heartbeat: 5\n    projectID: p\n"
    );
    let tree = Tree::with(&[(FILE, &format!("kind: EdgeCore\nmodules:\n{text}"))]);
    let back = ["set", "modules.edgeHub.heartbeat=1", "modules.edgeHub.heartbeat=15"];
    assert_eq!(conf(&tree, &back).expect(0).stdout, "already up to date\n");
}

#[test]
fn unset_and_unknown_settings_are_reported() {
    let tree = Tree::with(&[(FILE, "kind: EdgeCore\nmodules: {}\n")]);
    let ran = conf(&tree, &["unset", "modules.edgeHub.tokn"]).expect(0);
    let note = "edge-conf: note: modules.edgeHub.tokn is not set: it is not a known setting of edgecore; did you mean modules.edgeHub.token?\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("already up to date\n", note));
    assert_eq!(conf(&tree, &["unset", "modules.edgeHub.token"]).expect(0).stderr, "");
}

#[test]
fn value_that_is_empty_is_refused() {
    let tree = Tree::with(&[(FILE, "kind: EdgeCore\nmodules: {}\n")]);
    for setting in ["modules.edgeHub.heartbeat=", "modules.edgeHub=null", "modules.edgeStream.enable=~"] {
        let ran = conf(&tree, &["set", setting]).expect(4);
        assert!(ran.stderr.contains(", not empty\nhint: to use the default: edge-conf --root "), "{}", ran.stderr);
    }
}
