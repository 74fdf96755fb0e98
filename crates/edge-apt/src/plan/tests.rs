//! Plans from made-up facts.

use std::path::PathBuf;

use edge_host::action::{ActionKind, Undo};
use edge_host::{Exit, FileSnapshot, State};

use super::*;
use crate::facts::SourceFacts;
use crate::openpgp::{Certificate, Fingerprint, SelfSignature};
use crate::request::{Pin, VersionRequest};
use crate::source::{KeyFrom, Layout};
use crate::status::Status;
use crate::version::PackageName;

const STATUS: &str = "\
Package: dpkg
Status: install ok installed
Architecture: arm64
Version: 1.21.22

Package: apt
Status: install ok installed
Architecture: arm64
Version: 2.6.1
";

fn nothing() -> FileSnapshot {
    FileSnapshot { state: State::Absent, bytes: Vec::new() }
}

fn fingerprint() -> Fingerprint {
    Fingerprint::parse(&"A1".repeat(20)).unwrap()
}

fn request(hold: bool) -> Request {
    Request {
        source: Some(Source {
            name: "x".to_owned(),
            uri: "https://me:secret@a.example/deb/".to_owned(),
            layout: Layout::Flat,
            key: KeyFrom::Url("https://a.example/key".to_owned()),
            fingerprints: vec![fingerprint()],
        }),
        obsolete: Vec::new(),
        pin: Some(Pin {
            name: "x".to_owned(),
            package: "x-y".to_owned(),
            pin: "version 1.*".to_owned(),
            priority: 990,
        }),
        packages: vec![PackageRequest { name: PackageName::parse("x-y").unwrap(), version: VersionRequest::Any }],
        hold,
        downgrade: false,
        offline: None,
        wait: Duration::ZERO,
    }
}

fn facts(more: &str) -> Facts {
    let path = |end: &str| (PathBuf::from(format!("/etc/apt/keyrings/x.{end}")), nothing());
    Facts {
        obsolete: Vec::new(),
        status: Status::parse(&format!("{STATUS}\n{more}")),
        source: Some(SourceFacts {
            path: "/etc/apt/sources.list.d/x.sources".into(),
            file: nothing(),
            keys: vec![path("asc"), path("gpg")],
            key: None,
            warnings: Vec::new(),
            rivals: Vec::new(),
        }),
        pin: Some(nothing()),
        now: 0,
    }
}

fn installed(version: &str, want: &str) -> String {
    format!("Package: x-y\nStatus: {want} ok installed\nArchitecture: arm64\nVersion: {version}\n")
}

fn key(form: Form) -> KeyFile {
    let certificate = Certificate {
        fingerprint: fingerprint(),
        user: String::new(),
        created: 0,
        expires: None,
        revoked: false,
        self_signature: SelfSignature::Sound,
    };
    KeyFile { bytes: b"key".to_vec(), form, certificates: vec![certificate] }
}

fn found<'w>(request: &'w Request, changes: &[(&str, Option<&str>, &str)], removed: &[&str]) -> Selection<'w> {
    let change = |(name, before, version): &(&str, Option<&str>, &str)| Change {
        name: (*name).to_owned(),
        before: before.map(str::to_owned),
        version: (*version).to_owned(),
    };
    let packages = request.packages.iter().map(|package| (package, Version::parse("2").unwrap())).collect();
    Selection {
        arguments: vec!["x-y=2".to_owned()],
        packages,
        simulated: Simulated {
            unpacked: changes.iter().map(change).collect(),
            removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        },
    }
}

/// Verb, object and promise of each action.
fn shown(plan: &Plan) -> Vec<String> {
    let object = |action: &edge_host::Action| match &action.kind {
        ActionKind::Run(run) => {
            let inverse = run.inverse.as_ref().map(|argv| format!(" <- {}", argv.join(" "))).unwrap_or_default();
            // The test of a state stays out of the comparison.
            let inverse = inverse.replace(&format!("sh -c {UNHOLD} sh"), "unhold");
            format!("{}{inverse}", run.argv.iter().take(3).cloned().collect::<Vec<_>>().join(" "))
        }
        _ => action.path().unwrap().display().to_string(),
    };
    plan.actions.iter().map(|action| format!("{} {}", action.verb(), object(action))).collect()
}

#[test]
fn files_come_first_then_packages_then_holds() {
    let request = request(true);
    let found = found(&request, &[("x-dep", None, "1"), ("x-y", None, "2")], &[]);
    let plan = plan(&facts(""), &request, Some(&key(Form::Binary)), Some(&found));
    assert_eq!(
        shown(&plan),
        [
            "write /etc/apt/keyrings/x.gpg",
            "write /etc/apt/sources.list.d/x.sources",
            "write /etc/apt/preferences.d/x",
            "run apt-get install x-y=2 <- dpkg --remove x-dep x-y",
            "run apt-mark hold x-y <- unhold x-y",
        ]
    );
    assert_eq!(plan.actions[3].details, ["x-dep 1", "x-y 2"]);
    // An address may contain a password.
    assert!(!format!("{:?}{:?}", plan.actions[0].why, plan.actions[1].details).contains("secret"));
}

#[test]
fn upgrade_cannot_be_undone_and_keeps_its_hold() {
    let request = request(false);
    let found = found(&request, &[("x-y", Some("1"), "2")], &[]);
    let plan = plan(&facts(&installed("1", "hold")), &request, Some(&key(Form::Armored)), Some(&found));
    assert_eq!(shown(&plan)[3..], ["run apt-get install x-y=2", "run apt-mark hold x-y <- apt-mark hold x-y"]);
    assert_eq!(plan.actions[3].undo(), Undo::None);
}

#[test]
fn plan_is_empty_if_everything_is_up_to_date() {
    let request = request(true);
    let mut facts = facts(&installed("1", "hold"));
    let key = key(Form::Armored);
    let source = request.source.as_ref().unwrap();
    let text = facts.rendered(source, &key.path("x"));
    let of = facts.source.as_mut().unwrap();
    of.file.bytes = text.into_bytes();
    of.key = Some(key.clone());
    facts.pin.as_mut().unwrap().bytes = request.pin.as_ref().unwrap().render().into_bytes();
    assert!(facts.are_as_requested(&request));
    assert!(plan(&facts, &request, Some(&key), None).is_empty());
    // An expired key must be replaced.
    facts.source.as_mut().unwrap().key = None;
    assert!(!facts.are_as_requested(&request));
}

#[test]
fn side_effects_are_refused() {
    let request = request(false);
    let stranger = "\nPackage: x-other\nStatus: hold ok installed\nArchitecture: arm64\nVersion: 1\n";
    let cases = [
        (found(&request, &[("x-y", None, "2")], &["x-other"]), "apt would remove x-other"),
        (found(&request, &[("x-y", Some("3"), "2")], &[]), "x-y would be downgraded from 3 to 2"),
        (found(&request, &[("x-other:arm64", Some("1"), "2")], &[]), "apt would change x-other:arm64, which is held"),
    ];
    for (found, why) in cases {
        let error = refuse_side_effects(&facts(stranger), &request, &found).unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.message().contains(why), "{error}");
    }
    let allowed = Request { downgrade: true, ..request };
    refuse_side_effects(&facts(""), &allowed, &found(&allowed, &[("x-y", Some("3"), "2")], &[])).unwrap();
    // A requested package may be downgraded, a dependency may not.
    refuse_side_effects(&facts(""), &allowed, &found(&allowed, &[("x-dep", Some("3"), "2")], &[])).unwrap_err();
}

#[test]
fn removal_unholds_and_can_be_undone() {
    let mut plan = Plan::new();
    let version = Version::parse("1.2-1").unwrap();
    removal(&[("x-y".to_owned(), version)], &["x-y".to_owned()], &mut plan);
    let shown = shown(&plan);
    assert_eq!(shown[0], "run apt-mark unhold x-y <- apt-mark hold x-y");
    assert!(shown[1].starts_with("run dpkg --remove x-y <- apt-get install x-y=1.2-1 -y -q "), "{}", shown[1]);
}
