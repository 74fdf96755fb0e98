//! dpkg's status file is missing, empty or damaged: reported as such, with a command that restores it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_host::Root;
use edgeutils_tests::skip;
use edgeutils_tests::tree::Tree;

const STATUS: &str = "var/lib/dpkg/status";
const OLD: &str = "var/lib/dpkg/status-old";

fn package(name: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nMaintainer: x\nArchitecture: all\nVersion: 1\nDescription: d\n\n"
    )
}

fn good() -> String {
    package("dpkg") + &package("apt")
}

/// A root tree with dpkg.
fn tree(status: Option<&str>) -> Tree {
    let tree = Tree::with(&[("usr/bin/dpkg", "x"), ("var/lib/dpkg/info/dpkg.list", "/.\n")]);
    if let Some(text) = status {
        tree.write(STATUS, text);
    }
    tree
}

fn read(tree: &Tree) -> Result<usize, (String, String)> {
    let root = Root::image(tree.path()).unwrap();
    edge_apt::unfinished(&root).map(|all| all.len()).map_err(|error| {
        let message = error.message().replace(tree.path().to_str().unwrap(), "");
        (message, error.hint_text().unwrap_or_default().to_owned())
    })
}

/// Whether dpkg itself reads packages from it.
fn dpkg_reads(tree: &Tree) -> bool {
    std::fs::create_dir_all(tree.at("var/lib/dpkg/updates")).unwrap();
    let admin = format!("--admindir={}", tree.at("var/lib/dpkg").display());
    let output = Command::new("dpkg-query").args([&admin, "-W"]).output().unwrap();
    output.status.success() && !output.stdout.is_empty()
}

#[test]
fn damage_is_what_dpkg_does_not_read() {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return skip("apt status", "dpkg is not installed");
    }
    let good = good();
    let cut = |by: usize| good.trim_end().get(..good.trim_end().len() - by).unwrap().to_owned();
    for text in [
        None,
        Some(String::new()),
        Some("\n\n".to_owned()),
        Some("\0".repeat(8192)),
        Some(format!("{good}{}", "\0".repeat(512))),
        Some(cut(0)),
        Some(cut(3)),
        Some(cut(20)),
        Some(cut(60)),
        Some(format!("{good}<html>\n")),
        Some("binary \u{1}\u{2}\n".to_owned()),
        Some(good.replace("Package: apt\n", "")),
        Some(good.replace("installed", "instaled")),
        Some(format!("{good}Package: a\nPackage: b\n")),
        Some(good.clone()),
        Some(format!("\n{good}\n")),
        Some(good.replace("Description: d\n", "Description: d\n more\n .\n more\n")),
        Some(good.replace('\n', "\r\n")),
        Some(good.replace("install ok installed", "hold ok installed")),
    ] {
        let tree = tree(text.as_deref());
        assert_eq!(read(&tree).is_ok(), dpkg_reads(&tree), "{text:?}: {:?}", read(&tree));
    }
}

#[test]
fn hint_restores_the_newest_valid_backup() {
    let zipped = |tree: &Tree, number: u32, text: &str| {
        let path = tree.at(&format!("var/backups/dpkg.status.{number}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        assert!(Command::new("gzip").arg(&path).status().unwrap().success());
    };
    let old = |tree: &Tree| tree.write(OLD, good());
    let today = |tree: &Tree| tree.write("var/backups/dpkg.status.0", good());
    let days = |tree: &Tree| {
        zipped(tree, 1, "");
        zipped(tree, 10, &package("too-old"));
        zipped(tree, 2, &good());
    };
    let zeros = good().replacen("Version: ", "Version: \0\0\0\0", 1);
    for (status, why) in [
        (None, "it is missing, so dpkg takes every package for not installed"),
        (Some(""), "it is empty"),
        (Some("\0\0\0\0"), "it contains only zeros, as after a power failure"),
        (Some("Package: dpkg\nStat"), "line 2: it is not a field (NAME: VALUE)"),
        // dpkg accepts these.
        (Some(&zeros), "line 5: it contains zeros, as after a power failure"),
    ] {
        for (make, command) in [
            (&old as &dyn Fn(&Tree), "cp -p "),
            (
                &|tree: &Tree| {
                    tree.write(OLD, "");
                    today(tree)
                },
                "cp -p ",
            ),
            (
                &|tree: &Tree| {
                    tree.write(OLD, "Package");
                    days(tree)
                },
                "zcat ",
            ),
        ] {
            let tree = tree(status);
            make(&tree);
            let (message, hint) = read(&tree).unwrap_err();
            assert_eq!(message, format!("cannot read dpkg's status file /{STATUS}: {why}"));
            assert!(!hint.contains("update") && !hint.contains("does not have dpkg"), "{hint}");
            let run = hint.split_once(": ").unwrap().1;
            assert!(run.contains(command), "{hint}");
            assert!(Command::new("sh").args(["-c", run]).status().unwrap().success(), "{run}");
            assert_eq!((read(&tree), tree.read(STATUS)), (Ok(0), good()), "{run}");
            // What was there may have the newest changes.
            let kept = status.filter(|status| !status.is_empty());
            assert_eq!(std::fs::read_to_string(tree.at("var/lib/dpkg/status.damaged")).ok().as_deref(), kept);
        }
        let (message, hint) = read(&tree(status)).unwrap_err();
        assert!(
            message.ends_with(why) && hint.starts_with("restore it from a backup of this host: neither "),
            "{hint}"
        );
    }
    // Without any trace of dpkg it is another system.
    let (message, hint) = read(&Tree::new()).unwrap_err();
    assert_eq!(message, format!("cannot read /{STATUS}: No such file or directory"));
    assert!(hint.contains("this host does not have dpkg and apt"), "{hint}");
}

#[test]
fn damaged_changes_of_an_interrupted_dpkg_are_named() {
    let tree = tree(Some(&good()));
    tree.write(
        "var/lib/dpkg/updates/0001",
        "Package: apt\nStatus: install ok unpacked\nVersion: 2\nArchitecture: all\n",
    );
    assert_eq!(read(&tree), Ok(2));
    tree.write("var/lib/dpkg/updates/0002", "\0\0\0");
    let (message, hint) = read(&tree).unwrap_err();
    assert!(message.starts_with("cannot read /var/lib/dpkg/updates/0002: line 1: "), "{message}");
    assert!(Command::new("sh").args(["-c", hint.split_once(": ").unwrap().1]).status().unwrap().success(), "{hint}");
    assert_eq!(read(&tree), Ok(2));
}
