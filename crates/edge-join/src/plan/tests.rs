//! Plans for hosts that the tests describe.

use edge_host::action::{Action, ActionKind};
use edge_host::{Error, Exit};
use edge_kubeedge::edit::request::parse_setting;

use super::*;

fn absent() -> FileSnapshot {
    FileSnapshot { state: State::Absent, bytes: Vec::new() }
}

fn file(bytes: &[u8]) -> FileSnapshot {
    let state = State::File { sha256: edge_fetch::sha256(bytes), mode: 0o755, uid: 0, gid: 0, xattrs: None };
    FileSnapshot { state, bytes: bytes.to_vec() }
}

fn target(path: &str, found: FileSnapshot) -> Target {
    Target { path: PathBuf::from(path), found }
}

/// A host without KubeEdge and with systemd.
fn bare() -> HostFacts {
    let unit = UnitFacts { name: UNIT.to_owned(), has_systemd: true, ..UnitFacts::default() };
    HostFacts {
        pair: PairFiles {
            ca: target("/etc/kubeedge/ca/rootCA.crt", absent()),
            key: target("/etc/kubeedge/certs/server.key", absent()),
            certificate: target("/etc/kubeedge/certs/server.crt", absent()),
        },
        program: absent(),
        config: target("/etc/kubeedge/config/edgecore.yaml", absent()),
        unit_file: absent(),
        unit,
        new_unit: None,
        is_active: false,
    }
}

fn new() -> New {
    let issued = Issued {
        ca: b"CA".to_vec(),
        certificate: b"CERT".to_vec(),
        key: Some(Box::new(|| Ok(b"KEY".to_vec()))),
        subject: "CN=system:node:edge1".to_owned(),
    };
    let program =
        NewProgram { content: Box::new(|_| Ok(())), sha256: edge_fetch::sha256(b"new"), from: "from".to_owned() };
    New { issued: Some(issued), program: Some(program) }
}

struct Given {
    release: Release,
    labels: Vec<(String, String)>,
    taints: Vec<Taint>,
    settings: Vec<Setting>,
}

fn given(version: &str) -> Given {
    Given { release: version.parse().unwrap(), labels: Vec::new(), taints: Vec::new(), settings: Vec::new() }
}

impl Given {
    fn joined(&self) -> Joined<'_> {
        Joined {
            release: &self.release,
            hub: "192.0.2.1:10000",
            https: "192.0.2.1:10002",
            tunnel: "192.0.2.1:10004",
            node_name: Some("edge1"),
            labels: &self.labels,
            taints: &self.taints,
            settings: &self.settings,
        }
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let of = |action: &Action| match &action.kind {
        ActionKind::Run(run) => format!("run {}", run.argv.join(" ")),
        _ => format!("{} {}", action.verb(), action.path().unwrap().display()),
    };
    plan.actions.iter().map(of).collect()
}

/// The text of edgecore.yaml; none if it is not written.
fn config(plan: &Plan) -> Option<String> {
    plan.actions.iter().find_map(|action| match &action.kind {
        ActionKind::Write(write) if write.path.ends_with("edgecore.yaml") => match &write.node {
            Node::File { content: Bytes::Known(bytes), .. } => Some(String::from_utf8(bytes.clone()).unwrap()),
            _ => None,
        },
        _ => None,
    })
}

fn config_of(given: &Given, before: Option<&str>) -> Result<Option<String>> {
    let mut facts = bare();
    if let Some(text) = before {
        facts.config.found = file(text.as_bytes());
    }
    let (plan, _) = plan(&given.joined(), facts, New::default(), Ending::NoStart)?;
    Ok(config(&plan))
}

#[test]
fn bare_host_gets_everything_in_an_order_that_survives_an_interruption() {
    let given = given("1.23.1");
    let (made, starts) = plan(&given.joined(), bare(), new(), Ending::Run).unwrap();
    assert_eq!(
        lines(&made),
        [
            "write /etc/kubeedge/ca/rootCA.crt",
            "write /etc/kubeedge/certs/server.key",
            "write /etc/kubeedge/certs/server.crt",
            "write /usr/local/bin/edgecore",
            "write /etc/systemd/system/edgecore.service",
            "write /etc/kubeedge/config/edgecore.yaml",
            "run systemctl daemon-reload",
            "run systemctl start --no-block -- edgecore.service",
        ]
    );
    assert!(starts);
    let staged: Vec<bool> = made.actions.iter().map(|action| action.with_next).collect();
    assert_eq!(staged[..3], [true, true, false], "CA, key and certificate get their names together");
    assert!(matches!(&made.actions[1].kind, ActionKind::Write(write) if matches!(write.node, Node::PrivateKey { .. })));
}

#[test]
fn image_gets_no_link_and_no_command() {
    let given = given("1.23.1");
    let program = New { issued: None, ..new() };
    let (made, starts) = plan(&given.joined(), bare(), program, Ending::Image).unwrap();
    assert!(!starts && lines(&made).iter().all(|line| line.starts_with("write ") && !line.contains("certs")));
}

#[test]
fn host_that_is_up_to_date_has_an_empty_plan() {
    let given = given("1.23.1");
    let text = config_of(&given, None).unwrap().unwrap();
    let mut facts = bare();
    facts.config.found = file(text.as_bytes());
    facts.program = file(b"new");
    facts.unit.file = Some(unit::UNIT_FILE.into());
    facts.is_active = true;
    let (made, starts) = plan(&given.joined(), facts.clone(), New { issued: None, ..new() }, Ending::Run).unwrap();
    assert!(made.is_empty() && !starts, "{:?}", lines(&made));
    // A new program, or a setting, restarts a running edgecore; an inactive one is started.
    let other = HostFacts { program: file(b"old"), ..facts.clone() };
    let (made, _) = plan(&given.joined(), other, New { issued: None, ..new() }, Ending::Run).unwrap();
    assert_eq!(lines(&made), ["write /usr/local/bin/edgecore", "run systemctl restart --no-block -- edgecore.service"]);
    let stopped = HostFacts { is_active: false, ..facts };
    let (made, _) = plan(&given.joined(), stopped, New::default(), Ending::Run).unwrap();
    assert_eq!(lines(&made), ["run systemctl start --no-block -- edgecore.service"]);
}

#[test]
fn new_configuration_has_only_the_settings_of_the_join() {
    let text = config_of(&given("1.23.1"), None).unwrap().unwrap();
    assert_eq!(
        text,
        "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nedgecoreVersion: v1.23.1\nmodules:\n  edgeHub:\n    \
         websocket:\n      server: 192.0.2.1:10000\n    httpServer: https://192.0.2.1:10002\n  edgeStream:\n    server: \
         192.0.2.1:10004\n  edged:\n    hostnameOverride: edge1\n"
    );
    let old = config_of(&given("1.8.2"), None).unwrap().unwrap();
    assert!(old.starts_with("apiVersion: edgecore.config.kubeedge.io/v1alpha1\nkind: EdgeCore\nmodules:\n"), "{old}");
}

#[test]
fn labels_and_taints_have_the_names_of_the_version() {
    for (version, labels, taints) in [
        ("1.8.2", "    labels:\n      a.b/c: d", "    taints:"),
        ("1.12.7", "    nodeLabels:\n      a.b/c: d", "    registerWithTaints:"),
        ("1.23.1", "    nodeLabels:\n      a.b/c: d", "    tailoredKubeletConfig:\n      registerWithTaints:"),
    ] {
        let mut given = given(version);
        given.labels.push(("a.b/c".to_owned(), "d".to_owned()));
        given.taints.push(Taint { key: "k".to_owned(), value: String::new(), effect: "NoSchedule".to_owned() });
        let text = config_of(&given, None).unwrap().unwrap();
        assert!(text.contains(labels) && text.contains(taints), "{version}: {text}");
        let value = edge_yaml::read(&text).unwrap();
        let list = serde_json::to_string(&value).unwrap();
        assert!(
            list.contains(r#"[{"effect":"NoSchedule","key":"k"}]"#)
                || list.contains(r#"[{"key":"k","effect":"NoSchedule"}]"#)
        );
    }
}

#[test]
fn existing_configuration_keeps_everything_else() {
    let before = "# mine\nmodules:\n  EdgeHub:\n    heartbeat: 15  # seconds\n    websocket: {server: 10.0.0.1:10000}\n  edged:\n    hostnameOverride: edge1\n";
    let text = config_of(&given("1.23.1"), Some(before)).unwrap().unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("heartbeat: 15  # seconds\n"), "{text}");
    assert!(text.contains("websocket: {server: 192.0.2.1:10000}\n") && text.contains("  EdgeHub:\n"), "{text}");
    assert_eq!(config_of(&given("1.23.1"), Some(&text)).unwrap(), None, "a second run");
    let inverse = {
        let mut facts = bare();
        facts.config.found = file(before.as_bytes());
        let (made, _) = plan(&given("1.23.1").joined(), facts, New::default(), Ending::NoStart).unwrap();
        made.actions.into_iter().find_map(|action| match action.kind {
            ActionKind::Write(write) if write.path.ends_with("edgecore.yaml") => Some(write.inverse),
            _ => None,
        })
    };
    let Some(Inverse::Edit { parts, .. }) = inverse else { panic!("{inverse:?}") };
    assert!(parts.iter().any(|part| part == "modules.EdgeHub.websocket.server"), "{parts:?}");
}

#[test]
fn settings_of_other_versions_and_damaged_files_are_refused() {
    let refused = |given: &Given, before: Option<&str>| -> Error { config_of(given, before).unwrap_err() };
    let mut with = given("1.8.2");
    with.settings.push(parse_setting("modules.edged.tailoredKubeletConfig.cgroupDriver=systemd").unwrap());
    let error = refused(&with, None);
    assert!(error.exit() == Exit::Refused && error.message().contains("edgecore 1.8 does not have it"), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("--kubeedge-version 1.8")));
    assert_eq!(refused(&given("1.23.1"), Some("a: [")).exit(), Exit::Failed);
    assert_eq!(refused(&given("1.23.1"), Some("modules: [a]\n")).exit(), Exit::Refused);
    let mut set = given("1.23.1");
    set.settings.push(parse_setting("modules.edged.tailoredKubeletConfig.cgroupDriver=systemd").unwrap());
    assert!(config_of(&set, None).unwrap().unwrap().contains("cgroupDriver: systemd"));
}

#[test]
fn configuration_after_the_join_names_its_cloudcore_and_has_its_settings() {
    let mut given = given("1.23.1");
    let after = |given: &Given, found| {
        let target = target("/etc/kubeedge/config/edgecore.yaml", found);
        super::config::after(&given.joined(), &target).unwrap()
    };
    let text = config_of(&given, None).unwrap().unwrap();
    assert_eq!(after(&given, absent()), after(&given, file(text.as_bytes())));
    let other = text.replace("192.0.2.1", "192.0.2.2");
    assert_eq!(after(&given, file(other.as_bytes())), after(&given, absent()));
    given.settings.push(parse_setting("modules.edged.enable=false").unwrap());
    let document = serde_json::to_string(&after(&given, file(text.as_bytes()))).unwrap();
    assert!(document.contains(r#""enable":false"#), "{document}");
}

#[test]
fn private_key_that_others_can_use_is_closed() {
    let given = given("1.23.1");
    let lines_of = |found: (u32, u32), new: New| {
        let mut facts = bare();
        let state = State::File { sha256: edge_fetch::sha256(b"K"), mode: found.0, uid: found.1, gid: 7, xattrs: None };
        facts.pair.key.found = FileSnapshot { state, bytes: b"K".to_vec() };
        let (made, _) = plan(&given.joined(), facts, new, Ending::NoStart).unwrap();
        let all = lines(&made).into_iter();
        all.filter(|line| line.starts_with("chmod ") || line.starts_with("run chown")).collect::<Vec<_>>()
    };
    let key = "/etc/kubeedge/certs/server.key";
    let (chmod, chown) = (format!("chmod {key}"), format!("run chown -- 0:0 {key}"));
    assert_eq!(lines_of((0o600, 0), New::default()), Vec::<String>::new());
    assert_eq!(lines_of((0o644, 0), New::default()), std::slice::from_ref(&chmod));
    assert_eq!(lines_of((0o640, 5), New::default()), [chmod, chown.clone()]);
    assert_eq!(lines_of((0o644, 0), new()), Vec::<String>::new(), "a new one has 0600");
    assert_eq!(lines_of((0o600, 5), new()), [chown], "a new one keeps the owner");
}
