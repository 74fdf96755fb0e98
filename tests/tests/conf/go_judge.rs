//! KubeEdge's own YAML library as a judge: what a file means to it, and what it refuses.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};

use edge_kubeedge::Kind;
use edge_yaml::{Document, refused_by_go};
use edgeutils_tests::skip;
use serde_json::Value;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/go/yaml-judge");

/// The answers to each text; none where Go cannot build the judge.
fn judge(texts: &[String]) -> Option<Vec<Value>> {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("yaml-judge");
    let mut build = Command::new("go");
    build.args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(".").current_dir(SOURCE);
    if !build.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly").output().ok()?.status.success() {
        return None;
    }
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = texts.iter().map(|text| format!("{}\n", Value::from(text.as_str()))).collect();
    let feed = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    Some(answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Words and numbers that versions of YAML read differently.
const SCALARS: &[&str] = &[
    "yes",
    "Yes",
    "yEs",
    "y",
    "N",
    "on",
    "OFF",
    "true",
    "True",
    "~",
    "null",
    "Null",
    "",
    "0",
    "-0",
    "012",
    "0123",
    "08",
    "09.5",
    "0o17",
    "0O17",
    "0x1F",
    "0X1f",
    "-0x1",
    "0b101",
    "-0b11",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "+12",
    "+",
    "1.10",
    "1.",
    ".5",
    "+.5",
    "-1.5e3",
    "1e3",
    "1E+2",
    "1e",
    "1e400",
    "0.1",
    "100000",
    "1000000",
    "1234567.5",
    "0.00001",
    "123456789012345678901234567890",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "12:30",
    "190:20:30",
    "2026-01-01",
    "2026-01-01T10:00:00Z",
    "1.2.3.4",
    "1,000",
    "infinity",
    "NaN",
    "0x",
    "0b",
    "0b2",
    "0o8",
    "a b",
    "1 2",
    "<CLOUD_IP>",
    "'0123'",
    "\"yes\"",
    "!!str 0123",
    "=",
    "1_0.5",
    "0_8",
    "0x_1",
    "١٢",
];

#[test]
fn scalars_are_read_as_kubeedge_reads_them() {
    let texts: Vec<String> = SCALARS.iter().map(|scalar| format!("a: {scalar}\n")).collect();
    let Some(answers) = judge(&texts) else { return skip("conf_go_judge", "go cannot build the judge") };
    for (text, answer) in texts.iter().zip(answers) {
        let document = Document::parse(text).unwrap();
        let value = document.as_go();
        let ours = serde_json::to_value(&value).unwrap();
        assert!(is_same(&ours["a"], &answer["json"]["a"]), "{text}: {} and {}", ours["a"], answer["json"]["a"]);
        let expected = answer["text"].as_str().unwrap();
        let own = match (document.rewritten().pop(), value.get("a")) {
            (Some(one), _) => one.text,
            (None, Some(edge_yaml::Value::String(text))) => text.clone(),
            (None, Some(edge_yaml::Value::Null) | None) => String::new(),
            (None, Some(_)) => text["a: ".len()..].trim().to_owned(),
        };
        assert_eq!(own, expected, "{text}");
    }
}

/// The same value; JSON does not say whether a number was written with a point.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.is_number() && !(one.is_u64() && other.is_u64()) && one.as_f64() == other.as_f64()
}

#[test]
fn documents_are_refused_as_kubeedge_refuses_them() {
    let texts: Vec<String> = [
        "%YAML 1.2\n---\na: 1\n",
        "%YAML 1.1\n---\na: 1\n",
        "# c\n%YAML 1.0\n---\na: 1\n",
        "a: 1\n~: 2\n",
        "a: {null: 1}\n",
        "? [x]\n: 1\n",
        "? {x: y}\n: 1\n",
        "a: [.inf]\n",
        "a: {b: -.Inf}\n",
        "a: .nan\n",
        "1: a\n1.5: b\ntrue: c\n",
        "a: &x {b: 0123}\nc: *x\nd: {<<: *x, e: yes}\n",
        "a: 1\n---\n? [x]\n: 2\n",
        "a: 1\na: 0o17\n",
        "kind: EdgeCore\nmodules: {edgeHub: {heartbeat: 1_5}}\n",
    ]
    .map(str::to_owned)
    .to_vec();
    let Some(answers) = judge(&texts) else { return skip("conf_go_judge", "go cannot build the judge") };
    for (text, answer) in texts.iter().zip(answers) {
        // What the own parser does not accept either.
        let Ok(document) = Document::parse(text) else {
            assert_ne!(answer["error"], "", "{text}");
            continue;
        };
        let value = document.as_go();
        let is_refused = document.refused_version().is_some() || !refused_by_go(&value).is_empty();
        assert_eq!(is_refused, answer["error"] != "", "{text}: {}", answer["error"]);
        let found = edge_conf::check::check_document(Kind::EdgeCore, None, &document);
        let said = found.iter().any(|finding| finding.message.ends_with("edgecore does not start"));
        assert_eq!(said, is_refused, "{text}: {found:?}");
        if !is_refused && text.contains("<<") {
            assert_eq!(serde_json::to_value(&value).unwrap(), answer["json"], "{text}");
        }
    }
}
