//! The commands of edgeutils in the hints and examples of edge-join: each of them parses.

use std::collections::BTreeSet;
use std::path::Path;

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/edge-join/src");
/// What a command in a text ends with.
const ENDS: [&str; 9] = ["\"", ";", "|", "\\n", ", ", " on a ", " …", ")", " 2>"];
/// What stands for a value in a text or in the code that fills it.
const VALUES: [(&str, &str); 12] = [
    ("HOST", "192.0.2.1"),
    ("VERSION", "1.23.1"),
    ("DIR", "/tmp"),
    ("{}", "amd64"),
    ("{line}", "modules.edgeHub.heartbeat=20"),
    ("{release}", "1.23.1"),
    ("{shown}", "/etc/kubeedge/config/edgecore.yaml"),
    ("{host}", "192.0.2.1"),
    ("{others}", ""),
    ("{version}", "1.23.1"),
    ("{call}", "check --cloudcore 192.0.2.1 --token -"),
    ("{name}", "edge1"),
];

/// The commands in the literals of the files below a directory, but for their tests.
fn commands(dir: &Path, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            commands(&path, all);
        } else if path.file_name().unwrap() != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            all.extend(code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(in_line));
        }
    }
}

/// `edge-NAME VERB …`, up to where it ends.
fn in_line(line: &str) -> Vec<String> {
    let starts = line.match_indices("edge-").map(|(at, _)| at);
    let is_first = |at: &usize| !line[..*at].ends_with(|char: char| char.is_alphanumeric() || "-/".contains(char));
    let of = |at: usize| {
        let rest = &line[at..];
        let end = ENDS.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
        rest[..end].trim().to_owned()
    };
    let is_call = |text: &String| {
        let name = text.split(' ').next().unwrap();
        // Those are prose of the manual, of units and of messages; a hint gets --root where it is printed.
        let is_whole = text.contains(' ') && !text.contains(" --root") && !text.contains(" is not ");
        is_whole && name[5..].bytes().all(|byte| byte.is_ascii_lowercase())
    };
    starts.filter(is_first).map(of).filter(is_call).collect()
}

#[test]
fn command_in_a_hint_parses() {
    let mut all = BTreeSet::new();
    commands(Path::new(SOURCE), &mut all);
    assert!(all.len() > 20, "{all:?}");
    let mut bad = Vec::new();
    for text in &all {
        let tree = Tree::new();
        let text = text.replace("--file {}", &format!("--file {}/edgecore.yaml", tree.path().display()));
        let call = VALUES.iter().fold(text.clone(), |call, (place, value)| call.replace(place, value));
        assert!(!call.contains(['{', '}']), "add its placeholder to VALUES: {text}");
        let mut words = call.split_whitespace();
        let name = words.next().unwrap();
        let mut tool = Tool::new(name).args(words).stdin("");
        // Nothing is done: a dry run on a directory that is not a system. Manifests have no host.
        if !["edge-manifest", "edge-certgen"].contains(&name) {
            tool = tool.arg("-n").arg("--root").arg(tree.path());
        }
        let ran = tool.run();
        if ran.code == 2 {
            bad.push(format!("{call}: {}", ran.stderr));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
