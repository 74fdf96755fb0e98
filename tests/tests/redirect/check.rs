//! edge-redirect check with --root: problems of the files for the next boot.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

use crate::tree::{FILE, LINK, UNIT, image, redirect};

const ADD: [&str; 3] = ["add", "10351=192.0.2.1:10003", "--persist"];

/// Runs check, and compares its output without the path of the tree.
#[track_caller]
fn finds(tree: &Tree, code: i32, want: &str) {
    let ran = redirect(tree, &["check"]).expect(code);
    assert_eq!(ran.stdout.replace(&tree.path().display().to_string(), "DIR"), want);
    assert_eq!(ran.stderr, "edge-redirect: note: with --root no live rules are read or changed\n");
}

#[test]
fn check_finds_no_problems_after_add() {
    let tree = image();
    finds(
        &tree,
        3,
        "/etc/edgeutils/redirect.toml: error: no redirects are configured\n    \
         hint: edge-redirect --root DIR add PORT=IP:PORT --persist\n1 problem found\n",
    );
    redirect(&tree, &ADD).expect(0);
    finds(&tree, 0, "no problems found\n");
}

#[test]
fn check_finds_units_that_do_not_restore_and_its_hints_repair_them() {
    type Damage = fn(&Tree);
    let cases: [(Damage, &str, &str); 3] = [
        (
            |tree| std::fs::remove_file(tree.at(LINK)).unwrap(),
            "the unit is not enabled: the redirects are not restored at boot",
            "edge-redirect --root DIR add 10351=192.0.2.1:10003 --persist",
        ),
        (
            |tree| tree.write(UNIT, "[Service]\nExecStart=/bin/true\n"),
            "the unit does not run edge-redirect restore: the redirects are not restored at boot",
            "edge-redirect --root DIR add 10351=192.0.2.1:10003 --persist",
        ),
        (
            |tree| std::fs::remove_file(tree.at("usr/bin/edge-redirect")).unwrap(),
            "the unit starts /usr/bin/edge-redirect, which does not exist",
            "install -D -o root -g root -m 755 edge-redirect DIR/usr/bin/edge-redirect",
        ),
    ];
    for (damage, text, hint) in cases {
        let tree = image();
        redirect(&tree, &ADD).expect(0);
        damage(&tree);
        finds(&tree, 3, &format!("edge-redirect.service: error: {text}\n    hint: {hint}\n1 problem found\n"));
        if let Some(args) = hint.strip_prefix("edge-redirect --root DIR ") {
            redirect(&tree, &args.split(' ').collect::<Vec<_>>()).expect(0);
            finds(&tree, 0, "no problems found\n");
        }
    }
}

#[test]
fn check_finds_a_masked_unit() {
    let tree = image();
    redirect(&tree, &ADD).expect(0);
    std::fs::remove_file(tree.at(UNIT)).unwrap();
    tree.link(UNIT, "/dev/null");
    finds(
        &tree,
        3,
        "edge-redirect.service: error: the unit is masked: the redirects are not restored at boot\n    \
         hint: systemctl --root DIR unmask edge-redirect.service\n1 problem found\n",
    );
}

#[test]
fn records_have_findings_and_the_fields_of_redirects() {
    let tree = image();
    redirect(&tree, &ADD).expect(0);
    std::fs::remove_file(tree.at(LINK)).unwrap();
    let records = |verb: &str, code| -> Vec<serde_json::Value> {
        let tool = Tool::new("edge-redirect").arg("--root").arg(tree.path()).args(["--json", verb]);
        tool.run().expect(code).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let check = records("check", 3);
    let finding = check.iter().find(|record| record["type"] == "finding").unwrap();
    assert_eq!((&finding["severity"], &finding["file"]), (&"error".into(), &"edge-redirect.service".into()));
    let status = records("status", 0);
    let line = status.iter().find(|record| record["source"].as_str().is_some_and(|file| file.ends_with(FILE))).unwrap();
    assert_eq!(
        (&line["state"], &line["port"], &line["to"]),
        (&"stored".into(), &10351.into(), &"192.0.2.1:10003".into())
    );
}
