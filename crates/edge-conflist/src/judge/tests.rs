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

fn good() -> Looked {
    let reads = ["0.4.0", "1.0.0"].map(|text| text.parse().unwrap()).to_vec();
    Looked {
        path: "/b/bridge".into(),
        standing: Standing::Program(program(62)),
        answer: Some(Ok(Answer { reads, release: Some("v1.2.0".into()) })),
        known: None,
        elsewhere: false,
    }
}

fn list(version: &str) -> String {
    format!(r#"{{"cniVersion": "{version}", "name": "n", "plugins": [{{"type": "bridge"}}]}}"#)
}

/// What is found with these files and this plugin, and which file is used.
fn found(files: &[(&str, &str)], bridge: Looked) -> (Vec<String>, Option<String>) {
    let of = |(name, text): &(&str, &str)| {
        let (path, kind) = (Path::new("/c").join(name), name.rsplit('.').next().unwrap());
        File { path, content: parse(text, kind) }
    };
    let facts = Facts {
        conf_dir: "/c".into(),
        bin_dirs: vec!["/b".into()],
        files: files.iter().map(of).collect(),
        left_aside: Vec::new(),
        machine: Some(Arch::Amd64),
        reads: Cni::NEWEST,
        plugins: [("bridge".to_owned(), bridge)].into(),
    };
    let (findings, used) = judge(&facts);
    let lines = findings.into_iter().map(|one| format!("{} {:?} {} {}", one.file, one.severity, one.path, one.text));
    (lines.collect(), used.map(|file| file.path.display().to_string()))
}

#[test]
fn the_true_cause_is_named() {
    let one = |version: &str, bridge: Looked, want: &str| {
        let (findings, used) = found(&[("1.conflist", &list(version))], bridge);
        assert_eq!((findings, used), (vec![format!("/c/1.conflist Fault plugins[0].type {want}")], None));
    };
    one("1.0.0", Looked { standing: Standing::Missing, answer: None, ..good() }, "bridge is not in /b");
    one("1.0.0", Looked { standing: Standing::NoProgram, answer: None, ..good() }, "/b/bridge is no program");
    one("1.0.0", Looked { standing: Standing::NotExecutable, answer: None, ..good() }, "/b/bridge is not executable");
    let arm = Standing::Program(program(183));
    one("1.0.0", Looked { standing: arm, answer: None, ..good() }, "/b/bridge is for arm64, and this is amd64");
    one("1.1.0", good(), "bridge v1.2.0 reads at most 1.0.0, and the network asks for 1.1.0");
    one("0.5.0", good(), "bridge v1.2.0 reads 0.4.0, 1.0.0, and the network asks for 0.5.0");
    one("1.0.0", Looked { answer: Some(Err("it hangs".into())), ..good() }, "bridge does not answer: it hangs");
    let old = Looked { answer: None, known: "0.4.0".parse().ok(), ..good() };
    one("1.0.0", old.clone(), "bridge reads at most 0.4.0, and the network asks for 1.0.0");
    assert_eq!(found(&[("1.conflist", &list("0.4.0"))], old), (Vec::new(), Some("/c/1.conflist".into())));
}

#[test]
fn the_first_that_can_be_used_is_used() {
    let (findings, used) =
        found(&[("1.conflist", "{"), ("2.conflist", &list("1.0.0")), ("3.conflist", &list("9.0.0"))], good());
    assert_eq!(used.as_deref(), Some("/c/2.conflist"));
    assert_eq!(findings.len(), 3);
    assert!(findings[0].starts_with("/c/1.conflist Fault  it is no JSON: "), "{findings:?}");
    assert_eq!(findings[1], "/c/3.conflist Note  not used, as 2.conflist comes first");
    assert!(
        findings[2].starts_with("/c/3.conflist Warning plugins[0].type bridge v1.2.0 reads at most"),
        "{findings:?}"
    );
}

#[test]
fn nothing_at_all_is_a_fault() {
    let (findings, used) = found(&[], good());
    assert_eq!(used, None);
    assert!(findings[0].starts_with("/c Fault  there is no network configuration"), "{findings:?}");
}
