//! Configurations and plugins as literals, findings as text.

use super::*;
use crate::conflist::parse;
use edge_host::Program;
use std::path::Path;

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

fn facts(files: &[(&str, &str)], bridge: PluginFacts) -> Facts {
    let of = |(name, text): &(&str, &str)| {
        let (path, kind) = (Path::new("/c").join(name), name.rsplit('.').next().unwrap());
        File { path, content: parse(text, kind) }
    };
    Facts {
        places: Places { conf_dir: "/c".into(), bin_dirs: vec!["/b".into()], ..Places::default() },
        files: files.iter().map(of).collect(),
        ignored: Vec::new(),
        is_live: true,
        prefix: String::new(),
        machine: Some(Arch::Amd64),
        has_crio: true,
        runtimes: Vec::new(),
        plugins: [("bridge".to_owned(), bridge)].into(),
        lacks: BTreeMap::new(),
        flannel: None,
        leases: None,
        networks: None,
    }
}

/// The findings, and the file that is used.
fn found(facts: &Facts) -> (Vec<String>, Option<String>) {
    let verdict = diagnose(facts);
    let line = |Problem { finding, effect }: Problem| {
        let effect = if effect == Effect::Other { String::new() } else { format!(" {effect:?}") };
        format!("{} {:?}{effect} {} {}", finding.file, finding.severity, finding.path, finding.text)
    };
    (verdict.problems.into_iter().map(line).collect(), verdict.used.map(|file| file.path.display().to_string()))
}

#[test]
fn diagnose_names_the_cause() {
    let one = |version: &str, bridge: PluginFacts, want: &str| {
        let (findings, used) = found(&facts(&[("1.conflist", &list(version))], bridge));
        assert_eq!((findings, used), (vec![format!("/c/1.conflist Error NotReady plugins[0].type {want}")], None));
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
    one("0.3.1", bridge(), "bridge v1.2.0 supports CNI versions 0.4.0, 1.0.0, but the network requires 0.3.1");
    one(
        "1.0.0",
        PluginFacts { answer: Some(Err("it hangs".into())), ..bridge() },
        "bridge does not report its version: it hangs",
    );
    let old = PluginFacts { answer: None, newest: "0.4.0".parse().ok(), ..bridge() };
    one("1.0.0", old.clone(), "bridge supports CNI versions up to 0.4.0, but the network requires 1.0.0");
    let network = facts(&[("1.conflist", &list("0.4.0"))], old);
    assert_eq!(found(&network), (Vec::new(), Some("/c/1.conflist".into())));
}

#[test]
fn diagnose_names_the_plugin_of_the_image_in_a_command() {
    let locked = PluginFacts { file: PluginFile::NotExecutable, answer: None, ..bridge() };
    let mut facts = facts(&[("1.conflist", &list("1.0.0"))], locked);
    for (prefix, want) in [("", "chmod 0755 /b/bridge"), ("/mnt/an image", "chmod 0755 '/mnt/an image/b/bridge'")] {
        facts.prefix = prefix.to_owned();
        assert_eq!(diagnose(&facts).problems[0].finding.hint.as_deref(), Some(want));
    }
}

#[test]
fn diagnose_uses_the_first_valid_file() {
    let files = [("1.conflist", "{"), ("2.conflist", &list("1.0.0")), ("3.conflist", &list("1.1.0"))];
    let mut facts = facts(&files, bridge());
    let (findings, used) = found(&facts);
    assert_eq!(used.as_deref(), Some("/c/2.conflist"));
    assert_eq!(findings.len(), 3);
    assert!(findings[0].starts_with("/c/1.conflist Warning Skipped  the file is not valid JSON: "), "{findings:?}");
    assert_eq!(findings[1], "/c/3.conflist Note  not used, as 2.conflist comes first");
    assert!(
        findings[2].starts_with("/c/3.conflist Warning plugins[0].type bridge v1.2.0 supports CNI versions up to"),
        "{findings:?}"
    );
    // containerd uses the first file only.
    facts.has_crio = false;
    assert!(found(&facts).0[0].starts_with("/c/1.conflist Error Skipped"));
}

#[test]
fn diagnose_keeps_to_the_default_network() {
    let other = list("1.0.0").replace("\"n\"", "\"m\"");
    let mut facts = facts(&[("1.conflist", &list("1.0.0")), ("2.conflist", &other), ("3.conflist", "{")], bridge());
    let default = |name: &str| Some(crate::crio::Setting { value: name.into(), file: "/x".into(), line: 1 });
    facts.places.default_network = default("m");
    let (findings, used) = found(&facts);
    assert_eq!(used.as_deref(), Some("/c/2.conflist"));
    assert_eq!(findings[0], "/c/1.conflist Note  not used, as /x limits CRI-O to the network m");
    assert!(findings.iter().all(|line| !line.contains("Error")), "{findings:?}");
    facts.places.default_network = default("z");
    let (findings, used) = found(&facts);
    assert_eq!(used, None);
    let want = "/x Error NotReady crio.network.cni_default_network network \"z\" does not exist: /c contains n, m";
    assert!(findings.iter().any(|line| line == want), "{findings:?}");
}

#[test]
fn diagnose_moves_a_leftover_away_only_where_another_network_follows() {
    let second = list("1.0.0").replace("\"n\"", "\"m\"");
    let lack = Lack { at: "plugins[0].type".into(), text: "it needs its daemon".into(), is_unknown: false };
    let of = |files: &[(&str, &str)], is_live| {
        let mut facts = facts(files, bridge());
        facts.lacks.insert("/c/1.conflist".into(), vec![lack.clone()]);
        facts.is_live = is_live;
        let verdict = diagnose(&facts);
        let Problem { finding, effect } = verdict.problems[0].clone();
        (verdict.used.map(|file| file.path.clone()), finding.severity, effect, finding.hint)
    };
    let (first, both) = (("1.conflist", &*list("1.0.0")), ("2.conflist", &*second));
    let used = Some(PathBuf::from("/c/1.conflist"));
    let (found, severity, effect, hint) = of(&[first, both], true);
    assert_eq!((found, severity, effect), (used.clone(), Severity::Error, Effect::PodsFail));
    let want = "move this leftover away, so that 2.conflist is used: mv /c/1.conflist /c/1.conflist.disabled";
    assert_eq!(hint.as_deref(), Some(want));
    let (_, severity, _, hint) = of(&[first], true);
    assert_eq!(severity, Severity::Error);
    assert!(hint.unwrap().starts_with("deploy the network of the cluster again"));
    let (found, severity, effect, _) = of(&[first, both], false);
    assert_eq!((found, severity, effect), (used, Severity::Note, Effect::Other));
}

#[test]
fn diagnose_reports_a_missing_configuration() {
    let (findings, used) = found(&facts(&[], bridge()));
    assert_eq!(used, None);
    assert!(findings[0].starts_with("/c Error NotReady  no network configuration found"), "{findings:?}");
}
