//! Plans made from literal facts.

use edge_fetch::Proxy;

use super::*;
use crate::config::{ConfFile, Current, Keys, Options};

fn absent() -> FileSnapshot {
    FileSnapshot { state: State::Absent, bytes: Vec::new() }
}

fn file(text: &str) -> FileSnapshot {
    let state = State::File { sha256: text.to_owned(), mode: 0o644, uid: 0, gid: 0, xattrs: None };
    FileSnapshot { state, bytes: text.as_bytes().to_vec() }
}

fn facts() -> Facts {
    Facts {
        config: Current::default(),
        own: absent(),
        registries: absent(),
        registries_main: String::new(),
        proxy: absent(),
        storage: None,
        unit: edge_systemd::UnitFacts::default(),
    }
}

fn shown(facts: &Facts, request: &Request) -> (Vec<String>, Effect) {
    let mut plan = Plan::new();
    let effect = configure(facts, request, &mut plan).unwrap();
    let mut lines: Vec<String> = plan
        .actions
        .iter()
        .flat_map(|action| {
            let head = format!("{} {}", action.verb(), action.path().unwrap().display());
            std::iter::once(head).chain(action.details.iter().map(|detail| format!("  {detail}")))
        })
        .collect();
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    (lines, effect)
}

fn driver(driver: Driver) -> Request {
    Request { keys: Keys { driver: Some(driver), ..Keys::default() }, ..Request::default() }
}

#[test]
fn configure_without_a_request_writes_nothing() {
    assert_eq!(shown(&facts(), &Request::default()), (Vec::new(), Effect::default()));
}

#[test]
fn configure_notes_a_later_file_that_takes_precedence() {
    let later = ConfFile {
        path: "/etc/crio/crio.conf.d/99-mine".into(),
        text: "[crio.runtime]\ncgroup_manager = \"systemd\"\nconmon_cgroup = \"system.slice\"\n".to_owned(),
    };
    let facts = Facts { config: Current::of(vec![later], Options::default()), ..facts() };
    let (lines, effect) = shown(&facts, &driver(Driver::Cgroupfs));
    assert_eq!(
        lines,
        [
            "write /etc/crio/crio.conf.d/20-edgeutils.conf",
            "  crio.runtime.cgroup_manager: cgroupfs",
            "  crio.runtime.conmon_cgroup: pod",
            "note: cgroup_manager will still be systemd: /etc/crio/crio.conf.d/99-mine is read later and takes precedence",
            "note: conmon_cgroup will still be system.slice: /etc/crio/crio.conf.d/99-mine is read later and takes precedence",
        ]
    );
    assert!(effect.restart && !effect.reload);
}

#[test]
fn configure_notes_a_unit_that_overrides_settings() {
    let with =
        |unit: &str| Facts { config: Current::of(Vec::new(), Options::of_unit(Path::new("/u"), unit)), ..facts() };
    let notes = |facts: &Facts, request: &Request| {
        let lines = shown(facts, request).0.into_iter().filter(|line| line.starts_with("note: "));
        lines.collect::<Vec<_>>()
    };
    let facts = with("[Service]\nEnvironment=CONTAINER_CGROUP_MANAGER=cgroupfs\nExecStart=/crio --pause-image a/b\n");
    let note = "note: cgroup_manager will still be cgroupfs: /u:2 sets it for crio.service and takes precedence";
    assert_eq!(notes(&facts, &driver(Driver::Systemd)), [note]);
    for request in [driver(Driver::Cgroupfs), Request::default()] {
        assert_eq!(notes(&facts, &request), [""; 0], "{request:?}");
    }
    let pause = Request { keys: Keys { pause_image: Some("c/d".to_owned()), ..Keys::default() }, ..Request::default() };
    assert_eq!(
        notes(&facts, &pause),
        ["note: pause_image will still be a/b: /u:3 sets it for crio.service and takes precedence"]
    );
    let elsewhere = notes(&with("[Service]\nExecStart=/crio -d /srv/crio\n"), &driver(Driver::Systemd));
    assert!(elsewhere[0].ends_with("names another directory with --config-dir: /u:2"), "{elsewhere:?}");
    let mut unread = self::facts();
    unread.config.options.problem = Some("cannot read /x.conf".to_owned());
    let lines = notes(&unread, &driver(Driver::Systemd));
    assert!(lines[0].starts_with("note: cannot read /x.conf: cannot determine whether"), "{lines:?}");
}

#[test]
fn configure_removes_metacopy_only_if_the_kernel_refuses_it() {
    let text = "[storage.options]\nmountopt = \"nodev,metacopy=on\"\n";
    let storage = |from: &str, overlay| Storage {
        options: Setting { value: "nodev,metacopy=on".to_owned(), file: from.into(), line: 2 },
        text: Some(text.to_owned()),
        own: if from == STORAGE[0] { file(text) } else { absent() },
        overlay,
    };
    let lines =
        |from, overlay| shown(&Facts { storage: Some(storage(from, overlay)), ..facts() }, &Request::default()).0;
    assert!(lines(STORAGE[0], OverlaySupport::All).is_empty());
    assert_eq!(lines(STORAGE[0], OverlaySupport::Unknown).len(), 1);
    assert_eq!(
        lines(STORAGE[0], OverlaySupport::Unsupported),
        [
            "note: /etc/containers/storage.conf is not changed: this kernel refuses nodev,metacopy=on even without metacopy"
        ]
    );
    for from in STORAGE {
        assert_eq!(lines(from, OverlaySupport::AllButMetacopy)[0], "write /etc/containers/storage.conf", "{from}");
    }
    let of_crio = Storage { text: None, ..storage("/etc/crio/crio.conf", OverlaySupport::AllButMetacopy) };
    let (lines, _) = shown(&Facts { storage: Some(of_crio), ..facts() }, &Request::default());
    assert!(
        lines[0].starts_with("note: /etc/crio/crio.conf:2 has metacopy=on, which this kernel refuses"),
        "{lines:?}"
    );
}

#[test]
fn configure_is_idempotent() {
    let request = Request {
        keys: Keys { driver: Some(Driver::Systemd), pause_image: Some("a/pause:1".to_owned()) },
        mirrors: vec!["docker.io=https://m.example".parse().unwrap()],
        proxy: Some(Proxy::parse("http://p:1", None).unwrap()),
    };
    let mut plan = Plan::new();
    configure(&facts(), &request, &mut plan).unwrap();
    let mut after = facts();
    for action in plan.actions {
        let edge_host::action::ActionKind::Write(write) = action.kind else { panic!("{:?}", action.kind) };
        let bytes = match write.node {
            Node::File { content: Bytes::Known(bytes), .. } => bytes,
            Node::Large { content, .. } => {
                let mut bytes = Vec::new();
                content(&mut bytes).unwrap();
                bytes
            }
            other => panic!("{other:?}"),
        };
        let found = file(std::str::from_utf8(&bytes).unwrap());
        match write.path.to_str().unwrap() {
            OWN => after.own = found,
            REGISTRIES => after.registries = found,
            PROXY => after.proxy = found,
            other => panic!("{other}"),
        }
    }
    assert_eq!(shown(&after, &request), (Vec::new(), Effect::default()));
}

#[test]
fn configure_refuses_mirrors_beside_registries_conf_version_1() {
    let facts = Facts { registries_main: "[registries.search]\nregistries = ['docker.io']\n".to_owned(), ..facts() };
    let request = Request { mirrors: vec!["docker.io=https://m.example".parse().unwrap()], ..Request::default() };
    let error = configure(&facts, &request, &mut Plan::new()).unwrap_err();
    assert!(error.to_string().contains("has format version 1"), "{error}");
}
