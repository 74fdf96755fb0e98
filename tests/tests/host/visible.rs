//! Names and texts from outside: in no utility can they begin a line, control a terminal or reorder what is printed;
//! in output for programs they are refused.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use edge_host::is_hidden;
use edgeutils_tests::cni::{ARM64, image_for, tiny};
use edgeutils_tests::pki::shell;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

/// A line of its own, a return to the first column, a colour, a C1 control, a right-to-left override, an isolate, a
/// mark, a zero-width space, a separator, a tag.
const EVIL: &str = "a\nforged: b\rforged\x1b[31m\u{9b}2J\u{202e}c\u{2066}\u{200f}\u{200b}\u{2028}\u{e0041}z";
const SHOWN: &str =
    "a\\nforged: b\\rforged\\u{1b}[31m\\u{9b}2J\\u{202e}c\\u{2066}\\u{200f}\\u{200b}\\u{2028}\\u{e0041}z";

fn run(utility: &str, tree: &Tree, args: &[&str]) -> Ran {
    Tool::new(utility).arg("--root").arg(tree.path()).args(args).run()
}

/// Nothing hidden is in it, and no line is one that we did not print.
#[track_caller]
fn clean(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(|char| is_hidden(char) && char != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("forged")), "{text}");
    }
}

/// The same call for people and as records: both are clean, and both say what the name is.
#[track_caller]
fn shows(utility: &str, tree: &Tree, args: &[&str], name: &str, shown: &str) {
    let ran = run(utility, tree, args);
    clean(&ran);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(shown), "{shown}\n{}{}", ran.stdout, ran.stderr);
    let ran = run(utility, tree, &[&["--json"], args].concat());
    clean(&ran);
    let mut found = false;
    for line in ran.stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let texts = record.as_object().unwrap().values().map(|value| match value {
            serde_json::Value::Array(all) => all.iter().filter_map(|one| one.as_str()).collect::<String>(),
            other => other.as_str().unwrap_or_default().to_owned(),
        });
        found |= texts.into_iter().any(|text| text.contains(name) || text.contains(shown));
    }
    assert!(found, "{}", ran.stdout);
}

/// In double quotes, with an escape for each character that is not plain.
fn quoted(text: &str) -> String {
    let escaped = |char: char| match char.is_ascii_graphic() || char == ' ' {
        true => char.to_string(),
        false => format!("\\U{:08x}", u32::from(char)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

#[test]
fn file_names_are_shown_on_one_line() {
    let tree = Tree::new();
    image_for(&tree, ARM64);
    tree.write(&format!("etc/crio/crio.conf.d/{EVIL}"), "[crio");
    shows("edge-crio", &tree, &["check"], EVIL, SHOWN);
    tree.write("opt/cni/bin/bridge", tiny(ARM64, ""));
    tree.write(&format!("etc/cni/net.d/{EVIL}.conflist"), "{");
    shows("edge-cni", &tree, &["check"], EVIL, SHOWN);
    let folder = tree.at(EVIL);
    fs::create_dir(&folder).unwrap();
    let path = folder.to_str().unwrap();
    shows("edge-cni", &tree, &["install", "--offline", path], EVIL, SHOWN);
    let archive = folder.join("x.tgz");
    fs::write(&archive, "no archive").unwrap();
    shows("edge-cni", &tree, &["install", "--archive", archive.to_str().unwrap()], EVIL, SHOWN);
    let yaml = folder.join("edgecore.yaml");
    fs::write(&yaml, "[").unwrap();
    shows("edge-conf", &tree, &["--file", yaml.to_str().unwrap(), "check"], EVIL, SHOWN);
    shows("edge-certgen", &tree, &["show", yaml.to_str().unwrap()], EVIL, SHOWN);
}

#[test]
fn keys_and_values_of_files_are_shown_on_one_line() {
    let tree = Tree::new();
    let text = quoted(EVIL);
    let yaml = format!("apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\n{text}: {{x: {text}}}\n");
    tree.write("etc/kubeedge/config/edgecore.yaml", yaml);
    let ran = run("edge-conf", &tree, &["--kubeedge-version", "1.20", "check"]);
    clean(&ran);
    assert!(ran.stdout.contains("forged"), "{}", ran.stdout);
    clean(&run("edge-conf", &tree, &["--json", "--kubeedge-version", "1.20", "check"]));

    // A field of fstab ends at a blank: what it can hold is shown.
    tree.write("etc/fstab", "/dev/sda\u{202e}\u{200b}\u{1b}[2J\rforged none swap sw 0 0\n");
    let shown = "/dev/sda\\u{202e}\\u{200b}\\u{1b}[2J\\rforged";
    for args in [&["status"][..], &["verify", "--swap", "off"], &["apply", "--swap", "off", "-n"]] {
        let ran = run("edge-prep", &tree, args);
        clean(&ran);
        assert!(ran.stdout.contains(shown), "{args:?}: {}", ran.stdout);
        clean(&run("edge-prep", &tree, &[&["--json"], args].concat()));
    }

    tree.write("etc/edgeutils/redirect.toml", format!("{text} = 1\n"));
    for args in [&["status"][..], &["--json", "status"]] {
        clean(&run("edge-redirect", &tree, args));
    }
    // Units, and what an earlier difference shows of them.
    tree.write("etc/systemd/system/x.swap", format!("[Swap]\nWhat=/dev/{}\n", EVIL.replace('\n', "")));
    clean(&run("edge-prep", &tree, &["status"]));
}

#[test]
fn names_in_certificates_are_shown_on_one_line() {
    let tree = Tree::new();
    let (crt, key) = (tree.at("x.crt"), tree.at("x.key"));
    let conf = tree.at("x.cnf");
    let value = "a\\nforged: b\\r\u{202e}c\u{9b}d";
    fs::write(
        &conf,
        format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nutf8=yes\nstring_mask=utf8only\n[dn]\nCN=\"{value}\"\n\
             [ext]\nsubjectAltName=@names\n[names]\nDNS.1=\"a\\nforged: b\\rc\"\nDNS.2=x.example\n"
        ),
    )
    .unwrap();
    shell(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -config {} -keyout {} -out {} 2>/dev/null",
        conf.display(),
        key.display(),
        crt.display()
    ));
    for args in [&["show", crt.to_str().unwrap()][..], &["--json", "show", crt.to_str().unwrap()]] {
        let ran = run("edge-certgen", &tree, args);
        clean(&ran);
        assert!(ran.stdout.contains("forged") && ran.stdout.contains("x.example"), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn values_that_a_program_reads_are_refused_and_not_escaped() {
    let tree = Tree::new();
    tree.write("usr/local/lib/systemd/system/crio.service", "[Service]\nExecStart=/usr/local/bin/crio\n");
    let listen = |value: &str| {
        let text = quoted(value);
        tree.write("etc/crio/crio.conf", format!("[crio.api]\nlisten = {text}\n"));
    };
    for bad in
        ["/x\nsocket=unix:///evil", "/x\rcgroupDriver=cgroupfs", "/x --evil", "/x\u{202e}", "/x\u{200b}y", "/x\ty"]
    {
        listen(bad);
        for args in [&["settings"][..], &["settings", "--format", "keadm", "--kubeedge-version", "1.12"]] {
            let ran = run("edge-crio", &tree, args).expect(1);
            clean(&ran);
            assert_eq!(ran.stdout, "", "{bad:?}");
            assert!(ran.stderr.starts_with("edge-crio: cannot print crio.api.listen of "), "{}", ran.stderr);
            assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
        }
    }
    listen("/run/good.sock");
    assert!(run("edge-crio", &tree, &["settings"]).expect(0).stdout.starts_with("socket=unix:///run/good.sock\n"));

    let file = "etc/kubeedge/config/edgecore.yaml";
    for bad in ["a\nmodules.x: forged", "a\rb", "a\u{202e}b", "a\u{9b}b", "a\u{feff}b"] {
        let text = quoted(bad);
        tree.write(file, format!("kind: EdgeCore\na: {text}\nb: {{c: ok}}\n"));
        let ran = run("edge-conf", &tree, &["get", "a"]).expect(1);
        clean(&ran);
        assert_eq!(ran.stdout, "", "{bad:?}");
        assert!(
            ran.stderr.contains("cannot print a: ")
                && ran.stderr.contains("\nhint: edge-conf ")
                && ran.stderr.contains(" --json get")
        );
        // As records it is escaped, and means the same.
        let ran = run("edge-conf", &tree, &["--json", "get", "a"]).expect(0);
        clean(&ran);
        let record: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(record["value"], bad);
        assert_eq!(run("edge-conf", &tree, &["get", "b"]).expect(0).stdout, "c: ok\n");
    }
}
