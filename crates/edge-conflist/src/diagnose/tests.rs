//! Configurations and plugins as literals, findings as text.

use super::*;
use crate::conflist::parse;
use edge_host::Program;

/// A static 64-bit program, by its header alone.
fn program(machine: u8) -> Program {
    let mut head = [0; 64];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (head[16], head[18], head[20]) = (2, machine, 1);
    Program::parse(&head).unwrap()
}

fn bridge() -> PluginFacts {
    let supports = ["0.4.0", "1.0.0"].map(|text| text.parse().unwrap()).to_vec();
    PluginFacts {
        path: "/b/bridge".into(),
        file: PluginFile::Program(program(62)),
        answer: Some(Ok(Answer { supports, release: Some("v1.2.0".into()) })),
        newest: None,
        is_in_debian_dir: false,
    }
}

fn list(version: &str) -> String {
    format!(r#"{{"cniVersion": "{version}", "name": "n", "plugins": [{{"type": "bridge"}}]}}"#)
}

/// The findings for these files and this plugin, and the file that is used.
fn found(files: &[(&str, &str)], bridge: PluginFacts) -> (Vec<String>, Option<String>) {
    let of = |(name, text): &(&str, &str)| {
        let (path, kind) = (Path::new("/c").join(name), name.rsplit('.').next().unwrap());
        File { path, content: parse(text, kind) }
    };
    let facts = Facts {
        conf_dir: "/c".into(),
        bin_dirs: vec!["/b".into()],
        files: files.iter().map(of).collect(),
        ignored: Vec::new(),
        machine: Some(Arch::Amd64),
        runtime_newest: Cni::NEWEST,
        plugins: [("bridge".to_owned(), bridge)].into(),
    };
    let (findings, used) = diagnose(&facts);
    let lines = findings.into_iter().map(|one| format!("{} {:?} {} {}", one.file, one.severity, one.path, one.text));
    (lines.collect(), used.map(|file| file.path.display().to_string()))
}

#[test]
fn diagnose_names_the_cause() {
    let one = |version: &str, bridge: PluginFacts, want: &str| {
        let (findings, used) = found(&[("1.conflist", &list(version))], bridge);
        assert_eq!((findings, used), (vec![format!("/c/1.conflist Error plugins[0].type {want}")], None));
    };
    one("1.0.0", PluginFacts { file: PluginFile::Missing, answer: None, ..bridge() }, "bridge is not in /b");
    one("1.0.0", PluginFacts { file: PluginFile::NotAProgram, answer: None, ..bridge() }, "/b/bridge is not a program");
    one(
        "1.0.0",
        PluginFacts { file: PluginFile::NotExecutable, answer: None, ..bridge() },
        "/b/bridge is not executable",
    );
    let arm = PluginFile::Program(program(183));
    one("1.0.0", PluginFacts { file: arm, answer: None, ..bridge() }, "/b/bridge is for arm64, and this host is amd64");
    one("1.1.0", bridge(), "bridge v1.2.0 supports CNI versions up to 1.0.0, but the network requires 1.1.0");
    one("0.5.0", bridge(), "bridge v1.2.0 supports CNI versions 0.4.0, 1.0.0, but the network requires 0.5.0");
    one(
        "1.0.0",
        PluginFacts { answer: Some(Err("it hangs".into())), ..bridge() },
        "bridge does not report its version: it hangs",
    );
    let old = PluginFacts { answer: None, newest: "0.4.0".parse().ok(), ..bridge() };
    one("1.0.0", old.clone(), "bridge supports CNI versions up to 0.4.0, but the network requires 1.0.0");
    assert_eq!(found(&[("1.conflist", &list("0.4.0"))], old), (Vec::new(), Some("/c/1.conflist".into())));
}

#[test]
fn diagnose_uses_the_first_valid_file() {
    let (findings, used) =
        found(&[("1.conflist", "{"), ("2.conflist", &list("1.0.0")), ("3.conflist", &list("9.0.0"))], bridge());
    assert_eq!(used.as_deref(), Some("/c/2.conflist"));
    assert_eq!(findings.len(), 3);
    assert!(findings[0].starts_with("/c/1.conflist Error  it is not valid JSON: "), "{findings:?}");
    assert_eq!(findings[1], "/c/3.conflist Note  not used, as 2.conflist comes first");
    assert!(
        findings[2].starts_with("/c/3.conflist Warning plugins[0].type bridge v1.2.0 supports CNI versions up to"),
        "{findings:?}"
    );
}

#[test]
fn diagnose_reports_a_missing_configuration() {
    let (findings, used) = found(&[], bridge());
    assert_eq!(used, None);
    assert!(findings[0].starts_with("/c Error  no network configuration found"), "{findings:?}");
}
